//! Who is drawn, and which comparisons are whose.

use crate::evaluation::measures::MeasureError;
use crate::evaluation::scores::{Exposure, Score, Scores};

/// Everybody who takes part in a comparison of any of these scores, ascending.
pub fn people_of(scores: &[&Scores]) -> Vec<u32> {
    let mut people = Vec::new();
    for scores in scores {
        let listed = scores.genuine.iter().chain(&scores.impostor.highest);
        people.extend(listed.flat_map(|score| [score.probe, score.reference]));
        match &scores.impostor.exposure {
            Exposure::Listed => {}
            Exposure::EachWithEach(samples) => people.extend(present(samples)),
            Exposure::ProbesWithReferences(probes, references) => {
                people.extend(present(probes).chain(present(references)));
            }
        }
    }
    people.sort_unstable();
    people.dedup();
    people
}

/// People with any samples.
fn present(samples: &[u32]) -> impl Iterator<Item = u32> {
    let numbered = (0..).zip(samples);
    numbered.filter_map(|(person, samples)| (*samples > 0).then_some(person))
}

/// Scores with units, which are places among those who are drawn, instead of people.
#[derive(Debug)]
pub struct Units<'a> {
    /// The scores.
    pub scores: &'a Scores,
    /// The unit of each genuine comparison.
    genuine: Vec<u32>,
    /// Both units of each of the highest impostor comparisons.
    highest: Vec<(u32, u32)>,
    /// Samples of each unit.
    exposure: Exposure,
}

impl<'a> Units<'a> {
    /// `people` are those of [`people_of`].
    ///
    /// # Errors
    /// When the samples of each person and the number of impostor comparisons disagree.
    pub fn new(scores: &'a Scores, people: &[u32]) -> Result<Self, MeasureError> {
        let unit = |person: u32| {
            let place = people.binary_search(&person).unwrap_or_default();
            u32::try_from(place).unwrap_or_default()
        };
        let of_people = |samples: &[u32]| {
            let of = |person: &u32| samples.get(*person as usize).copied().unwrap_or_default();
            people.iter().map(of).collect::<Vec<u32>>()
        };
        let pair = |score: &Score| (unit(score.probe), unit(score.reference));
        let units = Self {
            scores,
            genuine: scores.genuine.iter().map(|s| unit(s.probe)).collect(),
            highest: scores.impostor.highest.iter().map(pair).collect(),
            exposure: match &scores.impostor.exposure {
                Exposure::Listed => Exposure::Listed,
                Exposure::EachWithEach(samples) => Exposure::EachWithEach(of_people(samples)),
                Exposure::ProbesWithReferences(probes, references) => {
                    Exposure::ProbesWithReferences(of_people(probes), of_people(references))
                }
            },
        };
        let everybody_once = vec![1; people.len()];
        let listed = scores.impostor.highest.len() as u64;
        let total = units.impostor_total(&everybody_once, listed);
        if total != scores.impostor.similarities.len() as u64 {
            return Err(MeasureError::Contradiction(
                "the samples of each person give another number of impostor comparisons",
            ));
        }
        Ok(units)
    }

    /// Whether the units are people; otherwise each comparison is one.
    pub fn are_people(&self) -> bool {
        let mut pairs = self.highest.iter();
        self.exposure != Exposure::Listed || pairs.any(|(one, other)| one != other)
    }

    /// The weight of each genuine comparison.
    pub fn genuine_weights(&self, weights: &[u32]) -> impl Iterator<Item = u64> {
        self.genuine.iter().map(|unit| weight_of(weights, *unit))
    }

    /// The weight of each of the highest impostor comparisons. One whose people are unknown is a
    /// unit, and has its weight.
    pub fn highest_weights(&self, weights: &[u32]) -> impl Iterator<Item = u64> {
        self.highest.iter().map(|(one, other)| {
            let weight = weight_of(weights, *one);
            if one == other {
                weight
            } else {
                weight * weight_of(weights, *other)
            }
        })
    }

    /// The weight of all impostor comparisons. `highest` is that of the highest, which are all that
    /// were listed.
    pub fn impostor_total(&self, weights: &[u32], highest: u64) -> u64 {
        let sum = |samples: &[u32]| {
            let weighted = samples.iter().zip(weights);
            weighted.map(|(n, w)| u128::from(*n) * u128::from(*w)).sum()
        };
        let total: u128 = match &self.exposure {
            Exposure::Listed => return highest,
            Exposure::EachWithEach(samples) => {
                let all: u128 = sum(samples);
                (all * all - same_person(samples, samples, weights)) / 2
            }
            Exposure::ProbesWithReferences(probes, references) => {
                let (probes_all, references_all): (u128, u128) = (sum(probes), sum(references));
                probes_all * references_all - same_person(probes, references, weights)
            }
        };
        u64::try_from(total).unwrap_or(u64::MAX)
    }
}

/// The weight of comparisons of each person with themselves and their copies, if all were made.
fn same_person(some: &[u32], others: &[u32], weights: &[u32]) -> u128 {
    let samples = some.iter().zip(others);
    let of_each = samples.zip(weights).map(|((a, b), weight)| {
        let squared = u128::from(*weight) * u128::from(*weight);
        u128::from(*a) * u128::from(*b) * squared
    });
    of_each.sum()
}

fn weight_of(weights: &[u32], unit: u32) -> u64 {
    weights.get(unit as usize).copied().map_or(0, u64::from)
}

//! Similarities of all comparisons of a data set, on all cores.
//!
//! Memory is what bounds this: a similarity takes 4 bytes, and only the highest of the impostor
//! comparisons are kept with their people.

mod highest;
mod rows;

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use super::dataset::{Comparison, Crossing, Dataset};
use super::scores::{Exposure, Impostors, Score, Scores};
use crate::sample::SampleRole;
use rows::{Counts, Rows, Side};

/// Comparisons below which another thread is not worth its start.
const COMPARISONS_MIN: usize = 10_000;

/// Compares what `dataset` says is compared.
///
/// `probes` and `references` have one entry for each of [`Dataset::samples`]: what is known of the
/// sample in that role, for example its embedding, or `None` where it failed to be acquired (or is
/// never in that role). They differ when one side is degraded; where every sample is compared with
/// every later one, the earlier is the probe then. `similarity` is called on several threads.
/// [`Impostors::highest`] has `highest_max` comparisons, or all if there are fewer; always all of
/// them with [`Crossing::Listed`].
///
/// A genuine comparison of a sample that failed to be acquired is lost: a non-match. An impostor
/// comparison of it does not count.
#[must_use]
pub fn score<T: Sync>(
    dataset: &Dataset,
    probes: &[Option<T>],
    references: &[Option<T>],
    similarity: &(dyn Fn(&T, &T) -> f32 + Sync),
    highest_max: usize,
) -> Scores {
    let side = |role, items| Side::new(dataset, &dataset.in_role(role), items);
    let sides = || {
        let probes = side(SampleRole::Probe, probes);
        (probes, side(SampleRole::Reference, references))
    };
    let listed = || listed_similarities(dataset, probes, references, similarity);
    match dataset.crossing {
        Crossing::EachWithEach => {
            let (probes, references) = sides();
            let exposure = Exposure::EachWithEach(acquired_in_both(&probes, &references));
            let rows = Rows::each_with_each(&probes, &references, similarity);
            let (genuine, similarities, highest) = rows.compare(highest_max);
            scores(genuine, similarities, highest, exposure)
        }
        Crossing::ProbesWithReferences => {
            let (probes, references) = sides();
            let acquired = |side: &Side<'_, T>| side.acquired().by_person();
            let exposure = Exposure::ProbesWithReferences(acquired(&probes), acquired(&references));
            let rows = Rows::all_with_all(&probes, &references, similarity);
            let (_, similarities, highest) = rows.compare(highest_max);
            let genuine = of_kind(&dataset.listed, &listed(), true);
            scores(genuine, similarities, highest, exposure)
        }
        Crossing::Listed => {
            let listed = listed();
            let genuine = of_kind(&dataset.listed, &listed, true);
            let mut highest = of_kind(&dataset.listed, &listed, false);
            highest.retain(Score::is_made);
            let similarities = highest.iter().map(|score| score.similarity).collect();
            scores(genuine, similarities, highest, Exposure::Listed)
        }
    }
}

/// Similarities of the listed comparisons, in the list's order; `NEG_INFINITY` where a sample
/// failed to be acquired. For `probes`, `references` and `similarity` see [`score`].
#[must_use]
pub fn listed_similarities<T: Sync>(
    dataset: &Dataset,
    probes: &[Option<T>],
    references: &[Option<T>],
    similarity: &(dyn Fn(&T, &T) -> f32 + Sync),
) -> Vec<f32> {
    let one = |comparison: &Comparison| {
        let probe = rows::item(probes, comparison.probe);
        let reference = rows::item(references, comparison.reference);
        match (probe, reference) {
            (Some(probe), Some(reference)) => similarity(probe, reference),
            _ => f32::NEG_INFINITY,
        }
    };
    let mut similarities = vec![f32::NEG_INFINITY; dataset.listed.len()];
    let share = dataset
        .listed
        .len()
        .div_ceil(threads(dataset.listed.len()).get());
    let shares = dataset.listed.chunks(share.max(1));
    std::thread::scope(|scope| {
        for (listed, places) in shares.zip(similarities.chunks_mut(share.max(1))) {
            scope.spawn(move || {
                for (comparison, place) in listed.iter().zip(places) {
                    *place = one(comparison);
                }
            });
        }
    });
    similarities
}

/// Threads for so many comparisons.
fn threads(comparisons: usize) -> NonZeroUsize {
    let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let worthwhile = NonZeroUsize::new(comparisons / COMPARISONS_MIN);
    cores.min(worthwhile.unwrap_or(NonZeroUsize::MIN))
}

/// The listed comparisons of one kind, with their similarities.
fn of_kind(listed: &[Comparison], similarities: &[f32], genuine: bool) -> Vec<Score> {
    let all = listed.iter().zip(similarities);
    all.filter(|(comparison, _)| comparison.genuine == genuine)
        .map(|(comparison, similarity)| Score {
            similarity: *similarity,
            probe: comparison.probe_person,
            reference: comparison.reference_person,
        })
        .collect()
}

/// Puts everything in order, so that nothing depends on which thread was first.
fn scores(
    mut genuine: Vec<Score>,
    mut similarities: Vec<f32>,
    mut highest: Vec<Score>,
    exposure: Exposure,
) -> Scores {
    genuine.sort_unstable_by(|a, b| highest::descending(b, a));
    highest.sort_unstable_by(highest::descending);
    let threads = threads(similarities.len());
    sort_descending(&mut similarities, threads.get());
    Scores {
        genuine,
        impostor: Impostors {
            similarities,
            highest,
            exposure,
        },
    }
}

/// Sorts in place: half of the threads take the upper half, the others the lower one.
fn sort_descending(similarities: &mut [f32], threads: usize) {
    let descending = |a: &f32, b: &f32| f32::total_cmp(b, a);
    if threads < 2 || similarities.is_empty() {
        similarities.sort_unstable_by(descending);
        return;
    }
    let middle = similarities.len() / 2;
    similarities.select_nth_unstable_by(middle, descending);
    let (upper, lower) = similarities.split_at_mut(middle);
    std::thread::scope(|scope| {
        scope.spawn(|| sort_descending(upper, threads / 2));
        sort_descending(lower, threads - threads / 2);
    });
}

/// Samples of each person that were acquired. With a degraded side: as probe and as reference.
fn acquired_in_both<T>(probes: &Side<'_, T>, references: &Side<'_, T>) -> Vec<u32> {
    let mut counts = Counts::new(probes.people);
    let both = probes.samples.iter().zip(&references.samples);
    for (probe, reference) in both {
        if probe.is_acquired() && reference.is_acquired() {
            counts.add(probe.person);
        }
    }
    counts.by_person()
}

#[cfg(test)]
mod tests;

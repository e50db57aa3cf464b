//! How much the rates would move with other people: the vertex bootstrap.
//!
//! Comparisons of one person hang together, so an interval over comparisons is too narrow. Here
//! people are drawn with replacement, as many as there are, and a comparison counts as often as its
//! people were drawn: a genuine one w times, an impostor one of two people w·v times
//! (T. Snijders and S. Borgatti, Connections 22, 1999; for biometrics the subset bootstrap of
//! R. Bolle, N. Ratha and S. Pankanti, CVPR workshop, 2004). Comparisons among the copies of one
//! person do not count: they would be genuine.
//!
//! A resample without a genuine or without an impostor comparison has no rates; it is left out.

mod draw;
mod paired;
mod refusal;
mod resample;
mod units;

use super::measures::{MeasureError, equal_error, matched, refused, to_float};
use super::result::Resampling;
use super::scores::Scores;
use draw::each_resample;
pub use paired::paired;
pub(super) use refusal::{fnmr_interval, refusable};
use resample::Resample;
use units::{Units, people_of};

/// Most resamples: what is kept of each stays small.
const RESAMPLES_MAX: u32 = 100_000;
/// Ends of a 95 % interval.
const ENDS: (f64, f64) = (0.025, 0.975);

/// How intervals over people are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResamplingSettings {
    /// Resamples, 1 to 100,000.
    pub resamples: u32,
    /// Seed of the draw. The same seed gives the same intervals on every machine.
    pub seed: u64,
}

impl Default for ResamplingSettings {
    fn default() -> Self {
        Self {
            resamples: 1000,
            seed: 1,
        }
    }
}

/// Intervals over resamples of people.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    /// Of the equal error rate.
    pub eer: (f64, f64),
    /// At each target.
    pub targets: Vec<TargetSpread>,
    /// How they were made.
    pub resampling: Resampling,
}

/// Intervals at a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TargetSpread {
    /// Of the threshold that each resample finds.
    pub threshold: (f32, f32),
    /// Of the false match rate at the threshold of the whole.
    pub fmr: (f64, f64),
    /// Of the false non-match rate at the threshold of the whole.
    pub fnmr: (f64, f64),
    /// Of the false non-match rate at the resample's own threshold.
    pub fnmr_at_target: (f64, f64),
}

/// What one resample says at a target.
#[derive(Debug, Clone, Copy)]
struct TargetOutcome {
    threshold: f32,
    fmr: f64,
    fnmr: f64,
    fnmr_at_target: f64,
}

/// How deep [`super::scores::Impostors::highest`] has to be for targets up to the largest: six
/// times what matches at it, since a resample may have drawn few of those at the top, and enough
/// for an equal error rate of 5 % in all but the largest sets.
///
/// Below, where people are not known, a resample takes every comparison for as heavy as the mean of
/// those below: the interval of a rate that lies there is approximate, and nothing breaks.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, and the cast saturates"
)]
pub fn highest_needed(impostors: u64, largest_target: f64) -> usize {
    const TIMES: f64 = 6.0;
    const MARGIN: u64 = 1000;
    const FOR_EQUAL_ERROR: u64 = 1_000_000;
    let for_targets = (to_float(impostors) * largest_target * TIMES) as u64;
    let for_equal_error = (impostors / 20).min(FOR_EQUAL_ERROR);
    let needed = for_targets
        .saturating_add(MARGIN)
        .max(for_equal_error)
        .min(impostors);
    usize::try_from(needed).unwrap_or(usize::MAX)
}

/// Draws people and measures each resample: at `thresholds`, which are those of the whole at
/// `targets`, and at its own.
pub(super) fn spread(
    scores: &Scores,
    targets: &[f64],
    thresholds: &[f32],
    settings: ResamplingSettings,
) -> Result<Spread, MeasureError> {
    let people = people_of(&[scores]);
    let units = Units::new(scores, &people)?;
    let places: Vec<(f64, usize, usize)> = targets
        .iter()
        .zip(thresholds)
        .map(|(target, threshold)| {
            let matched = matched(&scores.impostor.similarities, *threshold);
            (*target, matched, refused(&scores.genuine, *threshold))
        })
        .collect();
    let outcomes = each_resample(
        settings,
        people.len(),
        || Resample::new(&units),
        |resample, weights| {
            resample.weigh(weights)?;
            let (eer, _) = equal_error(|threshold| resample.rates(threshold));
            let at_target = |(target, matched, refused): &(f64, usize, usize)| {
                let threshold = resample.threshold_at(*target);
                TargetOutcome {
                    threshold,
                    fmr: resample.fmr(*matched),
                    fnmr: resample.fnmr(*refused),
                    fnmr_at_target: resample.rates(threshold).1,
                }
            };
            Some((eer, places.iter().map(at_target).collect::<Vec<_>>()))
        },
    )?;
    let of_target = |place: usize| {
        let at = |what: fn(&TargetOutcome) -> f64| {
            let of_place = outcomes.iter().filter_map(|(_, all)| all.get(place));
            interval(of_place.map(what))
        };
        TargetSpread {
            threshold: thresholds_of(at(|outcome| f64::from(outcome.threshold))),
            fmr: at(|outcome| outcome.fmr),
            fnmr: at(|outcome| outcome.fnmr),
            fnmr_at_target: at(|outcome| outcome.fnmr_at_target),
        }
    };
    Ok(Spread {
        eer: interval(outcomes.iter().map(|(eer, _)| *eer)),
        targets: (0..targets.len()).map(of_target).collect(),
        resampling: Resampling {
            resamples: settings.resamples,
            units: people.len() as u64,
            of_people: units.are_people(),
            seed: settings.seed,
        },
    })
}

/// The middle 95 % of `values`.
fn interval(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    (quantile(&values, ENDS.0), quantile(&values, ENDS.1))
}

/// A quantile of ascending values, on the line between the two beside it: definition 7 of
/// R. Hyndman and Y. Fan, The American Statistician 50, 1996. 0 of nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place between 0 and the number of values"
)]
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = to_float(ascending.len().saturating_sub(1) as u64) * share;
    let at = |place: f64| ascending.get(place as usize).copied().unwrap_or_default();
    let (low, high) = (at(place.floor()), at(place.ceil()));
    low + (high - low) * place.fract()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no finer than thresholds are"
)]
fn thresholds_of((low, high): (f64, f64)) -> (f32, f32) {
    (low as f32, high as f32)
}

#[cfg(test)]
mod tests;

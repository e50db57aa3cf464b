//! What is drawn: the DET and ROC curve, and how often each similarity was seen.

use super::{allowed, rates, to_float};
use crate::evaluation::result::{CurvePoint, Histogram};
use crate::evaluation::scores::Scores;

/// Points of the curve between one impostor comparison and all, evenly on a logarithmic axis.
const STEPS: u32 = 320;
/// Points where no impostor matches any more, evenly over the genuine comparisons.
const STEPS_WITHOUT_MATCH: usize = 40;
/// Bins of the histogram.
const BINS: usize = 100;
/// Bins for a similarity of 1.
const BINS_PER_ONE: f64 = 50.0;

/// The curve, from a threshold above all similarities to −1: exact at the thresholds given, and at
/// false match rates that lie evenly on a logarithmic axis, each at its lowest threshold.
pub fn curve(scores: &Scores, exact: impl Iterator<Item = f32>) -> Vec<CurvePoint> {
    let impostor = &scores.impostor.similarities;
    let total = impostor.len() as u64;
    let just_above = |place: u64| {
        let place = usize::try_from(place).ok()?;
        impostor.get(place).map(|highest| highest.next_up())
    };
    // A share of 1/n is the highest impostor comparison alone, and 0 lies above it.
    let ratio = to_float(total).powf(-1.0 / f64::from(STEPS));
    let at_shares = (0..=STEPS)
        .map(|step| ratio.powf(f64::from(step)))
        .filter_map(|target| just_above(allowed(target, total)));
    let above_all = just_above(0).unwrap_or(1.0);
    let genuine = &scores.genuine;
    let step = genuine.len().div_ceil(STEPS_WITHOUT_MATCH).max(1);
    let without_match = genuine.iter().rev().step_by(step);
    let without_match = without_match
        .map(|score| score.similarity.next_up())
        .filter(|candidate| *candidate > above_all);
    let mut candidates: Vec<f32> = exact
        .chain(at_shares)
        .chain([above_all, -1.0])
        .chain(without_match)
        .collect();
    candidates.sort_unstable_by(|a, b| b.total_cmp(a));
    candidates.dedup();
    candidates
        .into_iter()
        .map(|threshold| {
            let (fmr, fnmr) = rates(scores, threshold);
            CurvePoint {
                threshold,
                fmr,
                fnmr,
            }
        })
        .collect()
}

/// How often each similarity was seen.
pub fn histogram(scores: &Scores) -> Histogram {
    let made = scores.genuine.iter().filter(|score| score.is_made());
    Histogram {
        genuine: binned(made.map(|score| score.similarity)),
        impostor: binned(scores.impostor.similarities.iter().copied()),
    }
}

fn binned(similarities: impl Iterator<Item = f32>) -> Vec<u64> {
    let mut bins = vec![0; BINS];
    for similarity in similarities {
        if let Some(bin) = bins.get_mut(bin_of(similarity)) {
            *bin += 1;
        }
    }
    bins
}

/// The last bin takes 1 itself; what rounding puts beyond −1 and 1 goes to the outermost bins.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the number lies between 0 and the number of bins"
)]
fn bin_of(similarity: f32) -> usize {
    let place = (f64::from(similarity) + 1.0) * BINS_PER_ONE;
    (place.max(0.0) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests;

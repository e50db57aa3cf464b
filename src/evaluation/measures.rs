//! Rates, thresholds and intervals after ISO/IEC 19795-1: pure functions over scores.
//!
//! All of `evaluation` that holds a similarity against a threshold does it by the functions here.

mod curve;
mod equal_error;
mod kfold;
mod wilson;

use std::cmp::Ordering;

use super::bootstrap::{ResamplingSettings, TargetSpread, spread};
use super::result::{EqualErrorRate, Estimate, Measures, TargetRates};
use super::scores::{Exposure, Score, Scores};
use crate::decision::impostors_needed;

pub(super) use equal_error::equal_error;
pub use kfold::kfold_accuracy;
pub use wilson::wilson_interval;

/// A target false match rate that nothing can be said about.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Unsupported {
    /// It is no rate.
    #[error(
        "a target false match rate lies above 0 and below 1, for example 1e-4; {target} does not"
    )]
    NotARate {
        /// The target.
        target: f64,
    },
    /// Too few impostor comparisons.
    #[error(
        "an FMR of {target} takes at least {needed} impostor comparisons to be supported at 95 %, \
         and there are {impostors}. Add samples of other people{}",
        or_ask_for(*impostors)
    )]
    TooFew {
        /// The target.
        target: f64,
        /// Impostor comparisons that it takes.
        needed: u64,
        /// Impostor comparisons that there are.
        impostors: u64,
    },
}

/// The lowest rate that so many comparisons support, rounded up to one digit, as advice.
fn or_ask_for(impostors: u64) -> String {
    let least = 3.0 / to_float(impostors.max(1));
    let unit = 10_f64.powf(least.log10().floor());
    // The quotient may lie a hair above a whole number that it should be.
    let rounded = (least / unit - 1e-9).ceil() * unit;
    if rounded < 1.0 {
        format!(", or ask for an FMR of {rounded:.0e} or more")
    } else {
        String::new()
    }
}

/// Scores that cannot be measured. The texts say what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MeasureError {
    /// A target that is refused.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Nothing to compute a rate of.
    #[error(
        "FMR and FNMR take at least one genuine and one impostor comparison; there are {genuine} \
         genuine and {impostor} impostor ones. Add samples of the same and of other people"
    )]
    TooLittle {
        /// Genuine comparisons.
        genuine: u64,
        /// Impostor comparisons.
        impostor: u64,
    },
    /// Too few or too many resamples.
    #[error("an interval takes 1 to {most} resamples, and {asked} were asked for")]
    Resamples {
        /// As asked.
        asked: u32,
        /// The limit.
        most: u32,
    },
    /// No resample held both kinds of comparisons.
    #[error(
        "too few people for an interval: no resample of them held both a genuine and an impostor \
         comparison. Add people"
    )]
    TooFewPeople,
    /// The parts of the scores contradict each other; whoever made them is wrong.
    #[error("the scores contradict themselves: {0}. This is a fault in padan; please report it")]
    Contradiction(&'static str),
    /// Two models were not asked the same.
    #[error(
        "the genuine comparisons of the two models are not of the same people: evaluate both on the \
         same list"
    )]
    OtherData,
}

/// Refuses targets that so many impostor comparisons cannot support, by the rule of three.
///
/// # Errors
/// For the first target that is no rate, or that takes more comparisons.
pub fn check_targets(targets: &[f64], impostors: u64) -> Result<(), Unsupported> {
    for &target in targets {
        if !(target > 0.0 && target < 1.0) {
            return Err(Unsupported::NotARate { target });
        }
        let needed = impostors_needed(target);
        if impostors < needed {
            return Err(Unsupported::TooFew {
                target,
                needed,
                impostors,
            });
        }
    }
    Ok(())
}

/// All measures of `scores`, with rates at each of `targets`.
///
/// # Errors
/// When a target is refused, a kind of comparison is missing, or there are too few people to draw
/// from.
pub fn measure(
    scores: &Scores,
    targets: &[f64],
    resampling: ResamplingSettings,
) -> Result<Measures, MeasureError> {
    let (genuine, impostor) = counts(scores)?;
    check_targets(targets, impostor)?;
    check_order(scores)?;
    let thresholds: Vec<f32> = targets
        .iter()
        .map(|target| threshold_at(&scores.impostor.similarities, *target))
        .collect();
    let (eer, at_eer) = equal_error(|threshold| rates(scores, threshold));
    let spread = spread(scores, targets, &thresholds, resampling)?;
    let of_targets = targets.iter().zip(&thresholds).zip(&spread.targets);
    Ok(Measures {
        genuine,
        genuine_lost: scores.genuine_lost(),
        impostor,
        eer: EqualErrorRate {
            rate: eer,
            threshold: at_eer,
            bootstrap: spread.eer,
        },
        targets: of_targets
            .map(|((target, threshold), spread)| target_rates(scores, *target, *threshold, spread))
            .collect(),
        curve: curve::curve(scores, thresholds.iter().copied().chain([at_eer])),
        histogram: curve::histogram(scores),
        resampling: spread.resampling,
    })
}

fn target_rates(
    scores: &Scores,
    target: f64,
    threshold: f32,
    spread: &TargetSpread,
) -> TargetRates {
    let estimate = |count, total: usize, bootstrap| Estimate {
        rate: share(count, total as u64),
        wilson: wilson_interval(count, total as u64),
        bootstrap,
    };
    let impostor = &scores.impostor.similarities;
    let false_matches = matched(impostor, threshold) as u64;
    let false_non_matches = refused(&scores.genuine, threshold) as u64;
    TargetRates {
        target,
        threshold,
        threshold_interval: spread.threshold,
        false_matches,
        false_non_matches,
        fmr: estimate(false_matches, impostor.len(), spread.fmr),
        fnmr: estimate(false_non_matches, scores.genuine.len(), spread.fnmr),
        fnmr_at_target: spread.fnmr_at_target,
    }
}

/// Genuine and impostor comparisons, where there are both.
pub(super) fn counts(scores: &Scores) -> Result<(u64, u64), MeasureError> {
    let genuine = scores.genuine.len() as u64;
    let impostor = scores.impostor.similarities.len() as u64;
    if genuine == 0 || impostor == 0 {
        return Err(MeasureError::TooLittle { genuine, impostor });
    }
    Ok((genuine, impostor))
}

/// Whether the scores are as [`Scores`] promises.
pub(super) fn check_order(scores: &Scores) -> Result<(), MeasureError> {
    let wrong = |what| Err(MeasureError::Contradiction(what));
    let impostor = &scores.impostor;
    if !scores
        .genuine
        .is_sorted_by(|a, b| a.similarity <= b.similarity)
    {
        return wrong("the genuine similarities do not ascend");
    }
    if !impostor.similarities.is_sorted_by(|a, b| a >= b) {
        return wrong("the impostor similarities do not descend");
    }
    let highest = impostor.highest.iter().map(|score| &score.similarity);
    let first = impostor.similarities.get(..highest.len());
    if first.is_none_or(|first| !highest.eq(first)) {
        return wrong("the highest impostor similarities are not the highest");
    }
    let is_listed = impostor.exposure == Exposure::Listed;
    if is_listed && impostor.highest.len() < impostor.similarities.len() {
        return wrong("not all listed impostor comparisons are there");
    }
    Ok(())
}

/// By similarity, then by people, so that the order in which scores arrive does not matter.
pub(super) fn by_similarity(a: &Score, b: &Score) -> Ordering {
    let people = |score: &Score| (score.probe, score.reference);
    let by_people = || people(a).cmp(&people(b));
    a.similarity.total_cmp(&b.similarity).then_with(by_people)
}

/// Whether a comparison counts as a match.
pub(super) fn is_match(similarity: f32, threshold: f32) -> bool {
    similarity >= threshold
}

/// How many of these descending similarities count as matches.
pub(super) fn matched(descending: &[f32], threshold: f32) -> usize {
    descending.partition_point(|similarity| is_match(*similarity, threshold))
}

/// How many of these ascending similarities count as non-matches.
pub(super) fn below(ascending: &[f32], threshold: f32) -> usize {
    ascending.partition_point(|similarity| !is_match(*similarity, threshold))
}

/// How many of these ascending scores count as non-matches, the lost ones included.
pub(super) fn refused(ascending: &[Score], threshold: f32) -> usize {
    ascending.partition_point(|score| !is_match(score.similarity, threshold))
}

/// False match and false non-match rate at a threshold.
pub(super) fn rates(scores: &Scores, threshold: f32) -> (f64, f64) {
    let impostor = &scores.impostor.similarities;
    let false_matches = matched(impostor, threshold) as u64;
    let false_non_matches = refused(&scores.genuine, threshold) as u64;
    (
        share(false_matches, impostor.len() as u64),
        share(false_non_matches, scores.genuine.len() as u64),
    )
}

/// The lowest threshold whose false match rate does not exceed `target`, of descending
/// similarities: it lies just above the first that must not match.
pub(super) fn threshold_at(descending: &[f32], target: f64) -> f32 {
    let allowed = allowed(target, descending.len() as u64);
    let first_refused = usize::try_from(allowed).ok();
    let first_refused = first_refused.and_then(|place| descending.get(place));
    first_refused.map_or(-1.0, |similarity| similarity.next_up())
}

/// The most of `total` that may match at a target: the largest count whose share does not exceed
/// it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the product lies between 0 and the total, and the cast saturates"
)]
pub(super) fn allowed(target: f64, total: u64) -> u64 {
    // The product is rounded, so that 0.29 of 100 is 28.999…; the share decides.
    let near = (target * to_float(total)) as u64;
    let fits = |count: &u64| share(*count, total) <= target;
    let counts = [near.saturating_add(1), near, near.saturating_sub(1)];
    counts.into_iter().find(fits).unwrap_or(0)
}

/// A part of a whole; 0 of nothing.
pub(super) fn share(count: u64, total: u64) -> f64 {
    to_float(count) / to_float(total.max(1))
}

/// A count as a number to compute with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn to_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;

//! What an evaluation measured.

use std::time::Duration;

use crate::embed::{Band, ContractId};

/// A rate with what is known about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The rate that was seen.
    pub rate: f64,
    /// 95 % Wilson interval over comparisons: as if they were independent.
    pub wilson: (f64, f64),
    /// 95 % interval over resamples of people: comparisons of one person hang together.
    pub bootstrap: (f64, f64),
}

/// A threshold for a target false match rate, and the rates there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetRates {
    /// The target.
    pub target: f64,
    /// Lowest similarity whose false match rate does not exceed the target.
    pub threshold: f32,
    /// 95 % interval of the threshold over resamples of people.
    pub threshold_interval: (f32, f32),
    /// Impostor comparisons at or above the threshold.
    pub false_matches: u64,
    /// Genuine comparisons below it, failures to acquire included.
    pub false_non_matches: u64,
    /// The false match rate at this threshold.
    pub fmr: Estimate,
    /// The false non-match rate at this threshold.
    pub fnmr: Estimate,
    /// 95 % interval of the false non-match rate at the target, over resamples of people that each
    /// find their own threshold: what another evaluation of this size would have seen.
    pub fnmr_at_target: (f64, f64),
}

/// The point where both rates are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EqualErrorRate {
    /// The rate. Both rates are steps, so they may jump over each other: then it lies where they
    /// are the same on the straight line between the two points of the curve beside the jump.
    pub rate: f64,
    /// The lowest similarity at which the false non-match rate is not below the false match rate.
    pub threshold: f32,
    /// 95 % interval over resamples of people. Approximate where the threshold lies below the
    /// highest impostor comparisons, whose people are kept; see
    /// [`super::bootstrap::highest_needed`].
    pub bootstrap: (f64, f64),
}

/// A point of the DET and ROC curves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// The threshold.
    pub threshold: f32,
    /// False match rate there.
    pub fmr: f64,
    /// False non-match rate there.
    pub fnmr: f64,
}

/// How often each similarity was seen. Bins of one width from −1 to 1; both counts have one number
/// for each bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Genuine comparisons; the lost ones are in no bin.
    pub genuine: Vec<u64>,
    /// Impostor comparisons.
    pub impostor: Vec<u64>,
}

/// Mean and standard deviation of the accuracy over folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KfoldAccuracy {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
}

/// All measures of one set of scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Genuine comparisons, the lost ones included.
    pub genuine: u64,
    /// Those that could not be made: a sample failed to be acquired.
    pub genuine_lost: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Where both rates are the same.
    pub eer: EqualErrorRate,
    /// Rates at each target, in the order asked for.
    pub targets: Vec<TargetRates>,
    /// From the highest threshold to the lowest; at most some hundreds of points.
    pub curve: Vec<CurvePoint>,
    /// Similarities.
    pub histogram: Histogram,
    /// People that were drawn from, and how often.
    pub resampling: Resampling,
}

/// How intervals over people were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// Resamples.
    pub resamples: u32,
    /// People, or listed comparisons where nobody knows the people.
    pub units: u64,
    /// Whether the units are people.
    pub of_people: bool,
    /// Seed of the draw.
    pub seed: u64,
}

impl Measures {
    /// Position of a target in [`Self::targets`], and in the rates of degradations and slices.
    #[must_use]
    pub fn target_position(&self, target: f64) -> Option<usize> {
        let mut targets = self.targets.iter();
        targets.position(|found| is_same_target(found.target, target))
    }
}

/// Whether two targets are one: `0.0001` and `1e-4` are typed differently, and may be computed
/// differently.
#[must_use]
pub fn is_same_target(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

/// Two models on the same comparisons, each at its own threshold for a target false match rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedRates {
    /// The target.
    pub target: f64,
    /// False non-match rate of the baseline.
    pub baseline_fnmr: f64,
    /// That of the candidate.
    pub candidate_fnmr: f64,
    /// The candidate's less the baseline's: above zero, the candidate is worse.
    pub difference: f64,
    /// 95 % interval of the difference over resamples of people, the same for both: what data both
    /// find hard cancels out. Each model finds its own threshold in each.
    pub interval: (f64, f64),
    /// Share of the resamples in which the candidate is worse; where both are the same it is not.
    pub share_worse: f64,
}

impl PairedRates {
    /// What the interval says, in a few words.
    #[must_use]
    pub fn in_words(&self) -> &'static str {
        let (low, high) = self.interval;
        if !(low.is_finite() && high.is_finite()) {
            "unknown"
        } else if low > 0.0 {
            "worse"
        } else if high < 0.0 {
            "better"
        } else {
            "no difference shown"
        }
    }
}

/// Rates of one value of a column, at the threshold of the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceRates {
    /// The value.
    pub value: String,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons, among the listed ones.
    pub impostor: u64,
    /// False non-matches at each target's threshold, with Wilson intervals; in the targets' order.
    /// `None` without genuine comparisons.
    pub fnmr: Vec<Option<SliceRate>>,
    /// The same for false matches.
    pub fmr: Vec<Option<SliceRate>>,
    /// Too few comparisons to say much; why, in words.
    pub warning: Option<String>,
}

/// A rate in a slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SliceRate {
    /// Errors.
    pub errors: u64,
    /// The rate.
    pub rate: f64,
    /// 95 % Wilson interval.
    pub wilson: (f64, f64),
}

/// One column's slices.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRates {
    /// The column.
    pub column: String,
    /// One for each value.
    pub slices: Vec<SliceRates>,
}

/// What the rates become when one side is degraded; the thresholds are those of the clean samples.
#[derive(Debug, Clone, PartialEq)]
pub struct DegradationRates {
    /// Its name, for example `reference-240x320`.
    pub name: String,
    /// Samples without a usable face when degraded.
    pub failure_to_acquire: u64,
    /// Genuine comparisons.
    pub genuine: u64,
    /// False non-match rates at each target's threshold, in the targets' order.
    pub fnmr: Vec<SliceRate>,
    /// Impostor comparisons.
    pub impostor: u64,
    /// False match rates at each target's threshold.
    pub fmr: Vec<SliceRate>,
}

/// How fast samples went through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Samples that went through the pipeline; the others were remembered.
    pub computed: u64,
    /// Samples whose embedding was remembered.
    pub remembered: u64,
    /// Time for those that were computed.
    pub took: Duration,
    /// Lanes that worked.
    pub lanes: usize,
}

/// How often the second network of a cascade is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CascadeShare {
    /// Similarities of the first network at which it is.
    pub band: Band,
    /// Share of the genuine comparisons that were made.
    pub genuine: f64,
    /// Share of the impostor comparisons.
    pub impostor: f64,
}

/// One evaluation of one model on one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The model's id in the manifest.
    pub model: String,
    /// The contract that was measured.
    pub contract_id: ContractId,
    /// What the data are, in words.
    pub data: String,
    /// SHA-256 over the sorted lines "name digest" of all samples.
    pub data_sha256: String,
    /// Distinct samples.
    pub images: u64,
    /// Samples without a usable face.
    pub failure_to_acquire: u64,
    /// Whether the quality limits were applied.
    pub gated: bool,
    /// Accuracy over the listed comparisons, where the list has folds.
    pub accuracy: Option<KfoldAccuracy>,
    /// The measures.
    pub measures: Measures,
    /// How often the second network was asked, where the model is a cascade.
    pub cascade: Option<CascadeShare>,
    /// Rates by column.
    pub columns: Vec<ColumnRates>,
    /// Rates of degraded samples, where asked for.
    pub degradations: Vec<DegradationRates>,
    /// How fast it went.
    pub speed: Speed,
}

impl Evaluation {
    /// Share of samples without a usable face; not a number without samples.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "samples are far fewer than 2^52"
    )]
    pub fn failure_to_acquire_rate(&self) -> f64 {
        self.failure_to_acquire as f64 / self.images as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_typed_differently_are_one() {
        assert!(is_same_target(0.0001, 1e-4) && is_same_target(1e-4, 1.0 / 10_000.0));
        assert!(!is_same_target(1e-4, 1.01e-4) && !is_same_target(1e-4, f64::NAN));
    }

    #[test]
    fn an_interval_around_zero_shows_no_difference() {
        let with = |interval| PairedRates {
            interval,
            ..crate::evaluation::comparison::made_up::paired(0.02, 0.02)
        };
        assert_eq!(with((-0.001, 0.001)).in_words(), "no difference shown");
        assert_eq!(with((0.0, 0.001)).in_words(), "no difference shown");
        assert_eq!(with((0.0005, 0.001)).in_words(), "worse");
        assert_eq!(with((-0.002, -0.001)).in_words(), "better");
        assert_eq!(with((f64::NAN, 0.1)).in_words(), "unknown");
    }
}

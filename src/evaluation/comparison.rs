//! Models beside each other: the facts about each, what was measured of it, and how a candidate
//! stands against the baseline.

use super::cost::Cost;
use super::disagreement::Disagreements;
use super::gate::Verdict;

/// What is known of a model without measuring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFacts {
    /// Its id in the manifest; of two models that are fused, both.
    pub model: String,
    /// Its contract id.
    pub contract_id: String,
    /// Its licence.
    pub licence: String,
    /// Whether the licence allows commercial use.
    pub commercial_use: bool,
    /// Size of its file, bytes; of two, the sum.
    pub file_bytes: u64,
    /// Numbers in an embedding; of two, the sum.
    pub dimension: usize,
    /// Size of a stored template before it is sealed, bytes; of two, the sum.
    pub template_bytes: usize,
    /// Where it comes from.
    pub source: String,
    /// SHA-256 of its file; of two, both.
    pub sha256: String,
}

/// The false non-match rate at a target false match rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FnmrAt {
    /// The target false match rate.
    pub target: f64,
    /// The model's threshold for it.
    pub threshold: f32,
    /// The rate.
    pub fnmr: f64,
    /// 95 % interval.
    pub interval: (f64, f64),
}

/// What the false non-match rates become when samples are degraded.
#[derive(Debug, Clone, PartialEq)]
pub struct DegradedFnmr {
    /// Name of the degradation.
    pub name: String,
    /// Rates at the model's thresholds for clean samples, in the order of [`Accuracy::targets`].
    pub fnmr: Vec<f64>,
}

/// How accurate a model is on the data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// Distinct samples.
    pub samples: u64,
    /// Samples without a usable face.
    pub failure_to_acquire: u64,
    /// Genuine comparisons.
    pub genuine: u64,
    /// Impostor comparisons.
    pub impostor: u64,
    /// Equal error rate, where it was computed.
    pub eer: Option<f64>,
    /// Mean accuracy over folds, where the list has folds.
    pub kfold: Option<f64>,
    /// False non-match rates at the targets, in the order they were asked for.
    pub targets: Vec<FnmrAt>,
    /// Rates of degraded samples, where asked for.
    pub degradations: Vec<DegradedFnmr>,
}

impl Accuracy {
    /// Share of samples without a usable face; not a number without samples.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "samples are far fewer than 2^52"
    )]
    pub fn failure_to_acquire_rate(&self) -> f64 {
        self.failure_to_acquire as f64 / self.samples as f64
    }

    /// Position of a target in [`Self::targets`].
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

/// Two models at one target, over the same resamples of people: what data both find hard cancels
/// out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedRates {
    /// The target false match rate.
    pub target: f64,
    /// False non-match rate of the baseline at its own threshold.
    pub baseline_fnmr: f64,
    /// That of the candidate.
    pub candidate_fnmr: f64,
    /// The candidate's less the baseline's: above zero, the candidate is worse.
    pub difference: f64,
    /// 95 % interval of the difference.
    pub interval: (f64, f64),
    /// Share of the resamples in which the candidate was worse.
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

/// One model, with what was measured of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelResult {
    /// The facts.
    pub facts: ModelFacts,
    /// How accurate it is.
    pub accuracy: Accuracy,
    /// What it costs, unless that was not to be measured.
    pub cost: Option<Cost>,
}

/// A candidate against the baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What was measured of it.
    pub result: ModelResult,
    /// Paired rates at the targets.
    pub paired: Vec<PairedRates>,
    /// What the two decide differently.
    pub disagreements: Vec<Disagreements>,
    /// What the gate says, where there is one.
    pub verdict: Option<Verdict>,
}

/// A baseline and its candidates on one data set and one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelComparison {
    /// What the data are, in words.
    pub data: String,
    /// SHA-256 over the data.
    pub data_sha256: String,
    /// Where it was measured: names and values, for example the version of padan.
    pub environment: Vec<(String, String)>,
    /// What the candidates are compared with.
    pub baseline: ModelResult,
    /// The others; one or more.
    pub candidates: Vec<Candidate>,
}

impl ModelComparison {
    /// The baseline, then the candidates.
    pub fn models(&self) -> impl Iterator<Item = &ModelResult> {
        let candidates = self.candidates.iter().map(|candidate| &candidate.result);
        std::iter::once(&self.baseline).chain(candidates)
    }

    /// Whether every candidate passed the gate; true without one.
    #[must_use]
    pub fn passed(&self) -> bool {
        let mut verdicts = self
            .candidates
            .iter()
            .filter_map(|one| one.verdict.as_ref());
        verdicts.all(Verdict::passed)
    }
}

#[cfg(test)]
pub(crate) mod made_up;

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
            ..made_up::paired(0.02, 0.02)
        };
        assert_eq!(with((-0.001, 0.001)).in_words(), "no difference shown");
        assert_eq!(with((0.0, 0.001)).in_words(), "no difference shown");
        assert_eq!(with((0.0005, 0.001)).in_words(), "worse");
        assert_eq!(with((-0.002, -0.001)).in_words(), "better");
        assert_eq!(with((f64::NAN, 0.1)).in_words(), "unknown");
    }

    #[test]
    fn one_candidate_that_fails_fails_the_comparison() {
        let mut comparison = made_up::comparison();
        assert!(comparison.passed(), "without a gate");
        let line = |passed| crate::evaluation::gate::VerdictLine {
            key: "licence.commercial_use",
            demanded: String::new(),
            measured: String::new(),
            passed,
        };
        let mut other = comparison.candidates[0].clone();
        comparison.candidates[0].verdict = Some(Verdict {
            lines: vec![line(true)],
        });
        assert!(comparison.passed());
        other.verdict = Some(Verdict {
            lines: vec![line(true), line(false)],
        });
        comparison.candidates.push(other);
        assert!(!comparison.passed());
    }
}

//! Models beside each other: the facts about each, what was measured of it, and how a candidate
//! stands against the baseline.

use super::cost::Cost;
use super::disagreement::Disagreements;
use super::gate::Verdict;
use super::result::{Evaluation, PairedRates};

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

/// One model, with what was measured of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelResult {
    /// The facts.
    pub facts: ModelFacts,
    /// How accurate it is.
    pub evaluation: Evaluation,
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

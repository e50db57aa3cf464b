//! From quality and similarity to a decision with reasons. The only place that compares a
//! similarity with a threshold.

mod calibration;
mod policy;
mod reason;

pub use calibration::{
    Calibration, CalibrationError, CalibrationTarget, ReviewThreshold, impostors_needed,
};
pub use policy::{DEFAULT_POLICY, Policy, PolicyError, PolicySet, PolicySpec};
pub use reason::ReasonCode;

use crate::compare::Similarity;

/// What an office may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Decision {
    /// The similarity reached the threshold.
    Match,
    /// A comparison was made and the similarity lies below the review band.
    NoMatch,
    /// Nothing was compared; a better capture cures it.
    RetryCapture,
    /// A human has to look.
    ManualReview,
    /// No comparison was possible, and another capture would not help.
    CannotVerify,
}

impl Decision {
    /// All decisions this build can make.
    pub const ALL: [Self; 5] = [
        Self::Match,
        Self::NoMatch,
        Self::RetryCapture,
        Self::ManualReview,
        Self::CannotVerify,
    ];

    /// The name used in logs, metrics and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Match => "MATCH",
            Self::NoMatch => "NO_MATCH",
            Self::RetryCapture => "RETRY_CAPTURE",
            Self::ManualReview => "MANUAL_REVIEW",
            Self::CannotVerify => "CANNOT_VERIFY",
        }
    }

    /// The decision in a sentence, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Match => "The two samples show the same person, by this policy.",
            Self::NoMatch => "The two samples do not show the same person, by this policy.",
            Self::RetryCapture => "Nothing was compared: the probe has to be captured again.",
            Self::ManualReview => "A person has to look: the machine does not decide this one.",
            Self::CannotVerify => "No comparison was possible; the reasons say what is missing.",
        }
    }
}

/// What a human decided about a case for review. An approval is no match: a human vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewVerdict {
    /// It is this person.
    Approved,
    /// It is not, or it could not be shown.
    Rejected,
}

impl ReviewVerdict {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Approved, Self::Rejected];

    /// Its name in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::Rejected => "REJECTED",
        }
    }
}

/// A decision and why, worst reason first. The list is empty exactly for a match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The decision.
    pub decision: Decision,
    /// The reasons.
    pub reasons: Vec<ReasonCode>,
}

/// What is known when a decision is due.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What is wrong with the probe, worst first.
    pub probe_faults: &'a [ReasonCode],
    /// What is wrong with the reference, worst first.
    pub reference_faults: &'a [ReasonCode],
    /// Present exactly when both samples were fit and were compared.
    pub similarity: Option<Similarity>,
}

/// Decides by `policy`. The order of checks is: reference, quality of the probe, comparison.
///
/// A reference that cannot be compared goes to a human, since no capture cures it; its reason
/// comes before those of the probe. Without a similarity there is never a match or a non-match.
#[must_use]
pub fn decide(policy: &Policy, evidence: &Evidence<'_>) -> Verdict {
    let mut reasons = Vec::new();
    if !evidence.reference_faults.is_empty() {
        reasons.push(ReasonCode::ReferenceLowQuality);
    }
    reasons.extend(evidence.probe_faults);
    if let Some(worst) = reasons.first() {
        return Verdict {
            decision: worst.decision(),
            reasons,
        };
    }
    let reason = match evidence.similarity {
        Some(similarity) if similarity >= policy.threshold => {
            return Verdict {
                decision: Decision::Match,
                reasons,
            };
        }
        Some(similarity) if similarity >= policy.review_from => ReasonCode::Borderline,
        Some(_) => ReasonCode::FaceMismatch,
        // Two fit samples that were not compared: a bug upstream, never a decision by machine.
        None => ReasonCode::Borderline,
    };
    Verdict {
        decision: reason.decision(),
        reasons: vec![reason],
    }
}

#[cfg(test)]
pub(crate) use calibration::tests::example as example_calibration;
#[cfg(test)]
pub(crate) use policy::tests::example as example_policy;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decide_at(
        similarity: Option<f32>,
        probe: &[ReasonCode],
        reference: &[ReasonCode],
    ) -> Verdict {
        let evidence = Evidence {
            probe_faults: probe,
            reference_faults: reference,
            similarity: similarity.map(Similarity::new),
        };
        decide(&policy::tests::example(), &evidence)
    }

    #[test]
    fn the_threshold_itself_matches_and_the_band_below_goes_to_review() {
        // The example policy: match from 0.4, review from 0.3.
        assert_eq!(decide_at(Some(0.4), &[], &[]).decision, Decision::Match);
        assert_eq!(
            decide_at(Some(0.399), &[], &[]).decision,
            Decision::ManualReview
        );
        assert_eq!(
            decide_at(Some(0.3), &[], &[]).reasons,
            [ReasonCode::Borderline]
        );
        assert_eq!(decide_at(Some(0.299), &[], &[]).decision, Decision::NoMatch);
        assert_eq!(
            decide_at(Some(0.299), &[], &[]).reasons,
            [ReasonCode::FaceMismatch]
        );
    }

    #[test]
    fn a_poor_reference_comes_before_a_poor_probe() {
        let verdict = decide_at(None, &[ReasonCode::Blur], &[ReasonCode::NoFace]);
        assert_eq!(verdict.decision, Decision::ManualReview);
        assert_eq!(
            verdict.reasons,
            [ReasonCode::ReferenceLowQuality, ReasonCode::Blur]
        );
    }

    proptest! {
        #[test]
        fn match_and_no_match_need_a_comparison_of_two_fit_samples(
            similarity in proptest::option::of(-1_f32..1.0),
            probe in proptest::sample::subsequence(ReasonCode::SAMPLE_FAULTS.to_vec(), 0..3),
            reference in proptest::sample::subsequence(ReasonCode::SAMPLE_FAULTS.to_vec(), 0..2),
        ) {
            let verdict = decide_at(similarity, &probe, &reference);
            let compared = similarity.is_some() && probe.is_empty() && reference.is_empty();
            let by_machine = matches!(verdict.decision, Decision::Match | Decision::NoMatch);
            prop_assert!(compared || !by_machine);
            prop_assert_eq!(verdict.decision == Decision::Match, verdict.reasons.is_empty());
        }
    }
}

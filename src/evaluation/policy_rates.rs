//! What a policy would have decided about the comparisons of an evaluation.

use super::measures::{matched, refused, share, wilson_interval};
use super::result::SliceRate;
use super::scores::Scores;
use crate::decision::Policy;

/// Shares of the genuine and of the impostor comparisons by what a policy decides.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyRates {
    /// The policy's version.
    pub version: String,
    /// Least similarity for a match.
    pub threshold: f32,
    /// Least similarity for a review.
    pub review_from: f32,
    /// Impostor comparisons that match: the FMR.
    pub false_matches: SliceRate,
    /// Genuine comparisons that do not match, failures to acquire included: the FNMR.
    pub false_non_matches: SliceRate,
    /// Genuine comparisons that a human gets to see.
    pub genuine_reviewed: SliceRate,
    /// Impostor comparisons that a human gets to see.
    pub impostor_reviewed: SliceRate,
}

/// What `policy` would have decided. Its scoring has to be that of the scores.
#[must_use]
pub fn policy_rates(policy: &Policy, scores: &Scores) -> PolicyRates {
    let (threshold, review_from) = (policy.threshold.value(), policy.review_from.value());
    let impostors = &scores.impostor.similarities;
    let rate = |errors: usize, total: usize| {
        let (errors, total) = (errors as u64, total as u64);
        SliceRate {
            errors,
            rate: share(errors, total),
            wilson: wilson_interval(errors, total),
        }
    };
    let not_matched = refused(&scores.genuine, threshold);
    let genuine_reviewed = not_matched - refused(&scores.genuine, review_from);
    let false_matches = matched(impostors, threshold);
    let impostor_reviewed = matched(impostors, review_from) - false_matches;
    PolicyRates {
        version: policy.version.clone(),
        threshold,
        review_from,
        false_matches: rate(false_matches, impostors.len()),
        false_non_matches: rate(not_matched, scores.genuine.len()),
        genuine_reviewed: rate(genuine_reviewed, scores.genuine.len()),
        impostor_reviewed: rate(impostor_reviewed, impostors.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::example_policy;
    use crate::evaluation::scores::Score;

    #[test]
    fn comparisons_are_counted_by_what_is_decided() {
        let of = |similarities: &[f32]| -> Vec<Score> {
            let score = |(number, similarity): (u32, &f32)| Score {
                similarity: *similarity,
                probe: number,
                reference: number,
            };
            (0..).zip(similarities).map(score).collect()
        };
        // Match from 0.4, review from 0.3.
        let genuine = of(&[f32::NEG_INFINITY, 0.1, 0.3, 0.39, 0.4, 0.9, 0.8, 0.7]);
        let impostor = of(&[0.0, 0.1, 0.2, 0.35, 0.5]);
        let rates = policy_rates(&example_policy(), &Scores::listed(genuine, impostor));
        let errors = [
            rates.false_matches,
            rates.false_non_matches,
            rates.genuine_reviewed,
            rates.impostor_reviewed,
        ];
        assert_eq!(errors.map(|rate| rate.errors), [1, 4, 2, 1]);
        assert_eq!(errors.map(|rate| rate.rate), [0.2, 0.5, 0.25, 0.2]);
    }
}

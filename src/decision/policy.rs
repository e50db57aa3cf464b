//! A policy: the threshold and review band of one use, tied to a calibration and a contract.

use super::{Calibration, CalibrationError};
use crate::compare::Similarity;
use crate::digest::sha256_hex;
use crate::embed::ContractId;

/// What an operator writes in the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySpec {
    /// Its name, for example `activation`.
    pub id: String,
    /// Target false match rate of a match.
    pub fmr: f64,
    /// Target false match rate from which a human looks; at least `fmr`.
    pub review_fmr: f64,
}

/// A policy ready to decide by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name.
    pub id: String,
    /// Its name and a digest of its content; in every response.
    pub version: String,
    /// The contract whose similarities it judges.
    pub contract_id: ContractId,
    /// Least similarity for a match.
    pub threshold: Similarity,
    /// Least similarity for a review.
    pub review_from: Similarity,
    /// The false match rate the threshold stands for.
    pub fmr: f64,
    /// 95 % interval of that rate in the calibration data.
    pub fmr_interval: (f64, f64),
    /// Impostor comparisons behind it.
    pub impostor_count: u64,
    /// Digest of the calibration data.
    pub data_sha256: String,
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The rates make no sense.
    #[error("policy {id}: 0 < fmr ≤ review_fmr < 1 must hold")]
    Rates {
        /// The policy.
        id: String,
    },
    /// The thresholds make no sense.
    #[error(
        "policy {id}: −1 < review threshold ≤ match threshold ≤ 1 must hold; the calibration is \
         damaged: make it again with `padan evaluate --calibration FILE`"
    )]
    Thresholds {
        /// The policy.
        id: String,
    },
    /// The calibration belongs to another model.
    #[error(
        "policy {id}: the calibration was made for {calibration}, but the model served is {model}; \
         a threshold does not carry over: run `padan evaluate --calibration FILE` with this model"
    )]
    OtherContract {
        /// The policy.
        id: String,
        /// Contract in the calibration.
        calibration: String,
        /// Contract of the model.
        model: String,
    },
    /// The calibration does not support it.
    #[error("policy {id}: {cause}")]
    Calibration {
        /// The policy.
        id: String,
        /// Why not.
        cause: CalibrationError,
    },
    /// Two policies of one name.
    #[error("there are two policies named {id}")]
    Twice {
        /// The name.
        id: String,
    },
}

impl Policy {
    /// Takes thresholds out of a calibration.
    ///
    /// # Errors
    /// When the calibration is for another contract or does not support the rates.
    pub fn new(
        spec: &PolicySpec,
        calibration: &Calibration,
        contract_id: &ContractId,
    ) -> Result<Self, PolicyError> {
        let id = spec.id.clone();
        if !(0.0 < spec.fmr && spec.fmr <= spec.review_fmr && spec.review_fmr < 1.0) {
            return Err(PolicyError::Rates { id });
        }
        if calibration.model_contract_id != contract_id.as_str() {
            return Err(PolicyError::OtherContract {
                id,
                calibration: calibration.model_contract_id.clone(),
                model: contract_id.to_string(),
            });
        }
        let at = |fmr| {
            calibration
                .at(fmr)
                .map_err(|cause| PolicyError::Calibration {
                    id: id.clone(),
                    cause,
                })
        };
        let (decision, review) = (at(spec.fmr)?, at(spec.review_fmr)?);
        let thresholds = (review.threshold, decision.threshold);
        // Not the reverse with `>`: a NaN must not pass.
        if !(-1.0 < thresholds.0 && thresholds.0 <= thresholds.1 && thresholds.1 <= 1.0) {
            return Err(PolicyError::Thresholds { id });
        }
        let content = format!(
            "{}\n{:e}\n{:e}\n{}\n{}\n{}\n{}",
            spec.id,
            spec.fmr,
            spec.review_fmr,
            decision.threshold,
            review.threshold,
            contract_id,
            calibration.data_sha256
        );
        Ok(Self {
            version: format!("{}@{}", spec.id, short_digest(&content)),
            contract_id: contract_id.clone(),
            threshold: Similarity::new(decision.threshold),
            review_from: Similarity::new(review.threshold),
            fmr: spec.fmr,
            fmr_interval: (decision.fmr_low, decision.fmr_high),
            impostor_count: calibration.impostor_count,
            data_sha256: calibration.data_sha256.clone(),
            id,
        })
    }
}

/// The first eight hexadecimal digits of a text's SHA-256.
fn short_digest(text: &str) -> String {
    sha256_hex(text.as_bytes()).chars().take(8).collect()
}

/// The policies of a server, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySet(Vec<Policy>);

/// The policy that decides when a request names none.
pub const DEFAULT_POLICY: &str = "activation";

impl PolicySet {
    /// All policies of a configuration.
    ///
    /// # Errors
    /// When one cannot be used, or a name stands twice.
    pub fn new(
        specs: &[PolicySpec],
        calibration: &Calibration,
        contract_id: &ContractId,
    ) -> Result<Self, PolicyError> {
        let mut policies: Vec<Policy> = Vec::new();
        for spec in specs {
            if policies.iter().any(|policy| policy.id == spec.id) {
                let id = spec.id.clone();
                return Err(PolicyError::Twice { id });
            }
            policies.push(Policy::new(spec, calibration, contract_id)?);
        }
        Ok(Self(policies))
    }

    /// The policy of this name; an empty name means [`DEFAULT_POLICY`].
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Policy> {
        let id = if id.is_empty() { DEFAULT_POLICY } else { id };
        self.0.iter().find(|policy| policy.id == id)
    }

    /// All policies, in the configuration's order.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.0.iter()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::calibration::tests::example as calibration;
    use super::*;

    fn spec(fmr: f64, review_fmr: f64) -> PolicySpec {
        PolicySpec {
            id: DEFAULT_POLICY.to_owned(),
            fmr,
            review_fmr,
        }
    }

    fn made(spec: &PolicySpec) -> Result<Policy, PolicyError> {
        Policy::new(spec, &calibration(), &ContractId::new("m:1"))
    }

    /// Match from 0.4, review from 0.3.
    pub fn example() -> Policy {
        made(&spec(1e-4, 1e-3)).expect("supported")
    }

    #[test]
    fn the_version_changes_with_the_content() {
        let other = made(&spec(1e-4, 1e-4)).expect("supported");
        assert!(example().version.starts_with("activation@"));
        assert_ne!(example().version, other.version);
        assert_eq!(example().version, example().version);
    }

    #[test]
    fn a_calibration_of_another_contract_is_refused() {
        let refused = Policy::new(&spec(1e-4, 1e-3), &calibration(), &ContractId::new("m:2"))
            .expect_err("another contract");
        assert!(
            matches!(refused, PolicyError::OtherContract { .. }),
            "{refused}"
        );
    }

    #[test]
    fn senseless_rates_are_refused() {
        for (fmr, review) in [(0.0, 1e-3), (1e-3, 1e-4), (f64::NAN, 1e-3), (0.5, 1.0)] {
            let refused = made(&spec(fmr, review)).expect_err("no sense");
            assert!(matches!(refused, PolicyError::Rates { .. }), "{refused}");
        }
    }

    #[test]
    fn an_empty_name_means_activation() {
        let set = PolicySet::new(&[spec(1e-4, 1e-3)], &calibration(), &ContractId::new("m:1"))
            .expect("supported");
        assert_eq!(set.find("").map(|p| p.id.as_str()), Some(DEFAULT_POLICY));
        assert!(set.find("nothing").is_none());
    }
}

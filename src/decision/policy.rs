//! A policy: the threshold and review band of one use, tied to a calibration and a contract.

use super::{Calibration, CalibrationError};
use crate::compare::{Scoring, Similarity};
use crate::digest::sha256_hex;
use crate::embed::{Band, Cascade, ContractId, Fusion};

/// What an operator writes in the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicySpec {
    /// Its name, for example `activation`.
    pub id: String,
    /// Target false match rate of a match.
    pub fmr: f64,
    /// Target false match rate from which a human looks; at least `fmr`. None: the calibration's
    /// threshold for reviews, which keeps the rate of people refused for good small.
    pub review_fmr: Option<f64>,
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
    /// How two templates are compared: as it was done when the threshold was measured.
    pub scoring: Scoring,
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
         damaged: make it again with `padan calibrate --out FILE`"
    )]
    Thresholds {
        /// The policy.
        id: String,
    },
    /// Nobody said from where a human looks.
    #[error(
        "policy {id}: it names no review_fmr, and the calibration has no threshold for reviews: \
         name a rate, or make the calibration again with `padan calibrate --review-fnmr RATE`"
    )]
    NoReview {
        /// The policy.
        id: String,
    },
    /// The band of a fusion makes no sense.
    #[error(
        "policy {id}: −1 ≤ band.from < band.to ≤ 1 must hold in the calibration of a fusion, and \
         other models have no band: make it again with `padan calibrate --out FILE`"
    )]
    Band {
        /// The policy.
        id: String,
    },
    /// The calibration belongs to another model.
    #[error(
        "policy {id}: the calibration was made for {calibration}, but the model served is {model}; \
         a threshold does not carry over: run `padan calibrate --out FILE` with this model"
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
    /// Takes thresholds out of a calibration of a model, which may be a fusion of two networks.
    ///
    /// # Errors
    /// When the calibration is for another contract or does not support the rates.
    pub fn new(
        spec: &PolicySpec,
        calibration: &Calibration,
        contract_id: &ContractId,
        fusion: Option<Fusion>,
    ) -> Result<Self, PolicyError> {
        let id = spec.id.clone();
        let review_fmr = spec.review_fmr.unwrap_or(spec.fmr);
        if !(0.0 < spec.fmr && spec.fmr <= review_fmr && review_fmr < 1.0) {
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
        let decision = at(spec.fmr)?;
        let review_from = match (spec.review_fmr, calibration.review) {
            (Some(fmr), _) => at(fmr)?.threshold,
            // A review never begins above a match. What is no number stays so, to be refused.
            (None, Some(review)) if review.threshold > decision.threshold => decision.threshold,
            (None, Some(review)) => review.threshold,
            (None, None) => return Err(PolicyError::NoReview { id }),
        };
        let thresholds = (review_from, decision.threshold);
        let scoring = scoring(calibration.band, fusion);
        let scoring = scoring.ok_or_else(|| PolicyError::Band { id: id.clone() })?;
        // Not the reverse with `>`: a NaN must not pass.
        if !(-1.0 < thresholds.0 && thresholds.0 <= thresholds.1 && thresholds.1 <= 1.0) {
            return Err(PolicyError::Thresholds { id });
        }
        let content = format!(
            "{}\n{:e}\n{:e}\n{}\n{}\n{}\n{}",
            spec.id,
            spec.fmr,
            review_fmr,
            decision.threshold,
            review_from,
            contract_id,
            calibration.data_sha256
        );
        // Only where there is one, so that the versions of other policies stay as they are.
        let content = match calibration.band {
            Some(Band { from, to }) => format!("{content}\n{from}\n{to}"),
            None => content,
        };
        Ok(Self {
            version: format!("{}@{}", spec.id, short_digest(&content)),
            contract_id: contract_id.clone(),
            threshold: Similarity::new(decision.threshold),
            review_from: Similarity::new(review_from),
            fmr: spec.fmr,
            fmr_interval: (decision.fmr_low, decision.fmr_high),
            impostor_count: calibration.impostor_count,
            data_sha256: calibration.data_sha256.clone(),
            scoring,
            id,
        })
    }
}

/// How templates are compared; `None` when the band makes no sense.
fn scoring(band: Option<Band>, fusion: Option<Fusion>) -> Option<Scoring> {
    match (band, fusion) {
        (None, _) => Some(Scoring::Cosine),
        (Some(band), Some(fusion)) => band
            .is_sound()
            .then_some(Scoring::Cascade(Cascade { fusion, band })),
        (Some(_), None) => None,
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
    /// All policies of a configuration, for a model that may be a fusion of two networks.
    ///
    /// # Errors
    /// When one cannot be used, or a name stands twice.
    pub fn new(
        specs: &[PolicySpec],
        calibration: &Calibration,
        contract_id: &ContractId,
        fusion: Option<Fusion>,
    ) -> Result<Self, PolicyError> {
        let mut policies: Vec<Policy> = Vec::new();
        for spec in specs {
            if policies.iter().any(|policy| policy.id == spec.id) {
                let id = spec.id.clone();
                return Err(PolicyError::Twice { id });
            }
            policies.push(Policy::new(spec, calibration, contract_id, fusion)?);
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
    use super::super::calibration::ReviewThreshold;
    use super::super::calibration::tests::example as calibration;
    use super::*;

    fn spec(fmr: f64, review_fmr: f64) -> PolicySpec {
        PolicySpec {
            id: DEFAULT_POLICY.to_owned(),
            fmr,
            review_fmr: Some(review_fmr),
        }
    }

    fn made(spec: &PolicySpec) -> Result<Policy, PolicyError> {
        Policy::new(spec, &calibration(), &ContractId::new("m:1"), None)
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
    fn the_version_of_a_policy_without_a_band_is_what_it_has_always_been() {
        // By hand: SHA-256 of "activation\n1e-4\n1e-3\n0.4\n0.3\nm:1\n00". Audit trails name it.
        assert_eq!(example().version, "activation@916ec331");
    }

    #[test]
    fn a_calibration_of_another_contract_is_refused() {
        let other = ContractId::new("m:2");
        let refused = Policy::new(&spec(1e-4, 1e-3), &calibration(), &other, None)
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
    fn without_a_rate_the_calibration_says_from_where_a_human_looks() {
        let with = |review: Option<f32>| {
            let review = review.map(|threshold| ReviewThreshold {
                threshold,
                fnmr: 0.004,
                fnmr_high: 0.01,
                fmr: 0.02,
            });
            let calibration = Calibration {
                review,
                ..calibration()
            };
            let spec = PolicySpec {
                review_fmr: None,
                ..spec(1e-4, 1e-3)
            };
            Policy::new(&spec, &calibration, &ContractId::new("m:1"), None)
        };
        let review_from = |review| with(Some(review)).expect("supported").review_from;
        assert_eq!(review_from(0.2).value(), 0.2);
        // The threshold of a match is 0.4.
        assert_eq!(review_from(0.5).value(), 0.4);
        assert!(matches!(with(None), Err(PolicyError::NoReview { .. })));
    }

    #[test]
    fn a_band_is_for_a_fusion_and_changes_the_version() {
        let fusion = Fusion {
            first_dimension: 2,
            first_weight: 0.7,
        };
        let with = |band, fusion| {
            let calibration = Calibration {
                band,
                ..calibration()
            };
            let contract = ContractId::new("m:1");
            Policy::new(&spec(1e-4, 1e-3), &calibration, &contract, fusion)
        };
        let band = |from, to| Some(Band { from, to });
        let cascade = with(band(0.2, 0.6), Some(fusion)).expect("a fusion");
        assert!(matches!(cascade.scoring, Scoring::Cascade(_)));
        assert_ne!(cascade.version, example().version);
        for (band, fusion) in [(band(0.2, 0.6), None), (band(0.6, 0.2), Some(fusion))] {
            let refused = with(band, fusion).expect_err("no sense");
            assert!(matches!(refused, PolicyError::Band { .. }), "{refused}");
        }
    }

    #[test]
    fn an_empty_name_means_activation() {
        let contract = ContractId::new("m:1");
        let set = PolicySet::new(&[spec(1e-4, 1e-3)], &calibration(), &contract, None)
            .expect("supported");
        assert_eq!(set.find("").map(|p| p.id.as_str()), Some(DEFAULT_POLICY));
        assert!(set.find("nothing").is_none());
    }
}

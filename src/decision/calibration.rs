//! What is known about a model's thresholds: measured on data, with counts and intervals.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::embed::Band;

/// Thresholds of one embedding contract, measured on one set of comparisons.
///
/// Written by `padan calibrate --out FILE`, read by the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The contract whose similarities were measured.
    pub model_contract_id: String,
    /// padan's version that measured.
    pub tool_version: String,
    /// Day of the measurement, `YYYY-MM-DD`, UTC.
    pub date: String,
    /// What was measured, in words.
    pub data: String,
    /// SHA-256 over the sorted lines "name digest" of all samples.
    pub data_sha256: String,
    /// Comparisons of one person with themselves.
    pub genuine_count: u64,
    /// Comparisons of two people.
    pub impostor_count: u64,
    /// Where the second network of a fusion was asked; none: at every comparison, or there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<Band>,
    /// From where a human has to look, where that was asked for and can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewThreshold>,
    /// One entry for each false match rate.
    pub target: Vec<CalibrationTarget>,
}

/// A similarity from which a human looks, so that few people are refused by the machine alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewThreshold {
    /// Least similarity for a review.
    pub threshold: f32,
    /// Share of the genuine comparisons below it; failures to acquire are among them.
    pub fnmr: f64,
    /// Upper end of that rate's 95 % interval: the outer one of Wilson's and that over people.
    pub fnmr_high: f64,
    /// Share of the impostor comparisons at or above it: what the humans get to see.
    pub fmr: f64,
}

/// A threshold and the error rates seen there. Intervals are at 95 %: the outer ends of Wilson's,
/// over comparisons, and of those over resamples of people, whose comparisons hang together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationTarget {
    /// Target false match rate, per comparison.
    pub fmr: f64,
    /// Least similarity for a match.
    pub threshold: f32,
    /// Impostor comparisons at or above the threshold.
    pub false_matches: u64,
    /// Interval of the false match rate.
    pub fmr_low: f64,
    /// Interval of the false match rate.
    pub fmr_high: f64,
    /// False non-match rate at the threshold; failures to acquire count as non-matches.
    pub fnmr: f64,
    /// Interval of the false non-match rate.
    pub fnmr_low: f64,
    /// Interval of the false non-match rate.
    pub fnmr_high: f64,
}

/// A calibration that cannot be used. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file cannot be read.
    #[error(
        "cannot read the calibration {path}: {cause}. Make one with \
         `padan calibrate --out FILE`"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is not a calibration.
    #[error("the calibration {path} is malformed: {cause}")]
    Malformed {
        /// The file.
        path: String,
        /// What the parser said.
        cause: String,
    },
    /// No threshold was measured for this rate.
    #[error(
        "the calibration has no threshold for FMR {fmr}; measured are: {measured}. Run \
         `padan calibrate --out FILE` on data that supports it"
    )]
    NoTarget {
        /// The wanted rate.
        fmr: f64,
        /// The rates in the file.
        measured: String,
    },
    /// Too few impostor comparisons.
    #[error(
        "an FMR of {fmr} needs at least {needed} impostor comparisons to be supported at 95 %; the \
         calibration has {impostor_count}"
    )]
    Unsupported {
        /// The wanted rate.
        fmr: f64,
        /// Comparisons needed.
        needed: u64,
        /// Comparisons made.
        impostor_count: u64,
    },
}

impl Calibration {
    /// Reads a calibration file (TOML).
    ///
    /// # Errors
    /// When it cannot be read, or is malformed.
    pub fn read(path: &Path) -> Result<Self, CalibrationError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| CalibrationError::Unreadable {
            path: shown.clone(),
            cause,
        })?;
        toml::from_str(&text).map_err(|error| CalibrationError::Malformed {
            path: shown,
            cause: error.message().to_owned(),
        })
    }

    /// The threshold for a target false match rate.
    ///
    /// # Errors
    /// When it was not measured, or the data is too small to support it.
    pub fn at(&self, fmr: f64) -> Result<&CalibrationTarget, CalibrationError> {
        let needed = impostors_needed(fmr);
        if self.impostor_count < needed {
            return Err(CalibrationError::Unsupported {
                fmr,
                needed,
                impostor_count: self.impostor_count,
            });
        }
        let same = |target: &&CalibrationTarget| (target.fmr / fmr - 1.0).abs() < 1e-6;
        self.target.iter().find(same).ok_or_else(|| {
            let measured: Vec<String> = self.target.iter().map(|t| t.fmr.to_string()).collect();
            CalibrationError::NoTarget {
                fmr,
                measured: measured.join(", "),
            }
        })
    }
}

/// Impostor comparisons that a claim of this false match rate takes at the least.
///
/// The rule of three (ISO/IEC 19795-1, annex B): no error in N comparisons supports a rate of 3/N
/// at 95 % confidence.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate above 1e-18 gives a count that fits; the cast saturates"
)]
pub fn impostors_needed(fmr: f64) -> u64 {
    (3.0 / fmr).ceil() as u64
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// 30,000 impostor comparisons; thresholds 0.3 at 1e-3 and 0.4 at 1e-4.
    pub fn example() -> Calibration {
        let target = |fmr, threshold| CalibrationTarget {
            fmr,
            threshold,
            false_matches: 3,
            fmr_low: fmr / 2.0,
            fmr_high: fmr * 2.0,
            fnmr: 0.02,
            fnmr_low: 0.01,
            fnmr_high: 0.03,
        };
        Calibration {
            model_contract_id: "m:1".to_owned(),
            tool_version: "0".to_owned(),
            date: "2026-01-01".to_owned(),
            data: "made up".to_owned(),
            data_sha256: "00".to_owned(),
            genuine_count: 100,
            impostor_count: 30_000,
            band: None,
            review: None,
            target: vec![target(1e-3, 0.3), target(1e-4, 0.4), target(1e-5, 0.5)],
        }
    }

    #[test]
    fn a_rate_that_the_data_cannot_support_is_refused() {
        let calibration = example();
        assert!(calibration.at(1e-4).is_ok());
        let refused = calibration.at(1e-5).expect_err("30,000 are too few");
        assert!(refused.to_string().contains("300000"), "{refused}");
    }

    #[test]
    fn a_rate_that_was_not_measured_is_refused() {
        let refused = example().at(5e-4).expect_err("not measured");
        assert!(refused.to_string().contains("0.001, 0.0001"), "{refused}");
    }

    #[test]
    fn a_calibration_survives_its_file() {
        let text = toml::to_string(&example()).expect("serialises");
        let read: Calibration = toml::from_str(&text).expect("parses");
        assert_eq!(read, example());
    }
}

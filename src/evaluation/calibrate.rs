//! From an evaluation to the calibration that a server decides by.

use super::bootstrap::ResamplingSettings;
use super::measures::MeasureError;
use super::review::review_threshold;
use super::run::{Evaluated, Subject};
use crate::compare::Scoring;
use crate::decision::{Calibration, CalibrationTarget};

/// Thresholds at the evaluation's targets, with the counts and intervals behind them. `date` is the
/// day of the measurement, ISO 8601.
///
/// With `review_fnmr`, also the threshold from which a human has to look so that, at 95 %
/// confidence, no larger share of the genuine comparisons is refused by the machine alone; left out
/// where the data cannot say so.
///
/// # Errors
/// Like [`super::measure`].
pub fn calibration(
    evaluated: &Evaluated,
    subject: &Subject,
    date: String,
    review_fnmr: Option<f64>,
) -> Result<Calibration, MeasureError> {
    let evaluation = &evaluated.evaluation;
    let targets = evaluation.measures.targets.iter();
    let target = targets.map(|rates| CalibrationTarget {
        fmr: rates.target,
        threshold: rates.threshold,
        false_matches: rates.false_matches,
        fmr_low: rates.fmr.wilson.0.min(rates.fmr.bootstrap.0),
        fmr_high: rates.fmr.wilson.1.max(rates.fmr.bootstrap.1),
        fnmr: rates.fnmr.rate,
        fnmr_low: rates.fnmr.wilson.0.min(rates.fnmr.bootstrap.0),
        fnmr_high: rates.fnmr.wilson.1.max(rates.fnmr.bootstrap.1),
    });
    let resampling = &evaluation.measures.resampling;
    let settings = ResamplingSettings {
        resamples: resampling.resamples,
        seed: resampling.seed,
    };
    let review = review_fnmr.map(|fnmr| review_threshold(&evaluated.scores, fnmr, settings));
    Ok(Calibration {
        model_contract_id: subject.contract_id.to_string(),
        tool_version: format!("padan {}", env!("CARGO_PKG_VERSION")),
        date,
        data: evaluation.data.clone(),
        data_sha256: evaluation.data_sha256.clone(),
        genuine_count: evaluation.measures.genuine,
        impostor_count: evaluation.measures.impostor,
        band: match subject.scoring {
            Scoring::Cosine => None,
            Scoring::Cascade(cascade) => Some(cascade.band),
        },
        review: review.transpose()?.flatten(),
        target: target.collect(),
    })
}

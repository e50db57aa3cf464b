//! Accuracy of the whole pipeline, in the measures of ISO/IEC 19795-1.
//!
//! ```text
//! dataset ─► acquire (lanes, cache, degrade) ─► scoring ─► measures, bootstrap, slices ─► result
//!                                                                 │
//!                                                   calibrate, review: what a server decides by
//! ```
//!
//! [`evaluate`] goes all the way; every step is a public call of its own.

pub mod acquire;
pub mod bootstrap;
pub mod cache;
mod calibrate;
pub mod comparison;
pub mod cost;
pub mod dataset;
pub mod degrade;
pub mod disagreement;
pub mod gate;
#[cfg(test)]
pub(crate) mod made_up;
pub mod measures;
mod policy_rates;
pub mod result;
mod review;
mod run;
pub mod scores;
pub mod scores_file;
pub mod scoring;
pub mod slices;

pub use bootstrap::{ResamplingSettings, paired};
pub use calibrate::calibration;
pub use dataset::Dataset;
pub use measures::measure;
pub use policy_rates::{PolicyRates, policy_rates};
pub use result::Evaluation;
pub use review::review_threshold;
pub use run::{Evaluated, EvaluationError, EvaluationTask, Stage, Subject, evaluate};
pub use scores::Scores;

//! `padan evaluate` and `padan calibrate`

use std::path::PathBuf;

use super::{DatasetArgs, ResultArgs};

/// `padan evaluate`
#[derive(Debug, clap::Args)]
pub struct EvaluateArgs {
    /// What to measure on.
    #[command(flatten)]
    pub dataset: DatasetArgs,
    /// Similarities that somebody else computed, instead of samples: CSV with the columns
    /// `similarity,genuine` and optionally `probe_person,reference_person`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pairs", "images", "format", "model", "policy", "gated", "cache", "degradations", "with_faces", "report", "markdown"])]
    pub scores: Option<PathBuf>,
    /// Embedder or fusion of the manifest [default: the configured one]
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Tell also what this policy of the configuration would decide
    #[arg(long, value_name = "ID")]
    pub policy: Option<String>,
    /// What is measured besides, and where results go.
    #[command(flatten)]
    pub results: ResultArgs,
    /// Show the faces of the worst errors among the listed comparisons in the page, which then
    /// holds biometric data, and is written for its owner alone: treat it as such
    #[arg(long, requires = "report")]
    pub with_faces: bool,
}

/// `padan calibrate`
#[derive(Debug, clap::Args)]
pub struct CalibrateArgs {
    /// What to measure on.
    #[command(flatten)]
    pub dataset: DatasetArgs,
    /// Embedder or fusion of the manifest [default: the configured one]
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Where to write it; a server looks for calibration/EMBEDDER.toml in its folder of models
    #[arg(long, value_name = "FILE.toml")]
    pub out: PathBuf,
    /// What the data are, in words [default: the name of the list]
    #[arg(long, value_name = "TEXT")]
    pub data: Option<String>,
    /// Also find from where a human has to look so that no larger share of people is refused by
    /// the machine alone, at 95 % confidence
    #[arg(long, value_name = "RATE", value_parser = super::dataset::rate)]
    pub review_fnmr: Option<f64>,
}

//! Accuracy of the whole pipeline on a list of pairs, in the measures of ISO/IEC 19795-1.

mod measures;
mod pairs;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use bytes::Bytes;

use crate::decision::{Calibration, CalibrationTarget};
use crate::digest::sha256_hex;
use crate::embed::{ContractId, Embedding};
use crate::engine::{Class, Engine, JobError, Reply, SubmitError};
use crate::pipeline::{Goal, Pipeline, SampleError, SampleResult, SampleTask};
use crate::sample::SampleRole;
use crate::sample::detect::FaceChoice;

pub use measures::{CrossScores, RateAt, cross_scores, kfold_accuracy, rate_at, wilson_interval};
pub use pairs::{LabelledPair, PairList, PairListError};

/// False match rates that are reported, with their JSON keys.
pub const FMR_TARGETS: [(&str, f64); 3] = [("0.001", 1e-3), ("0.0001", 1e-4), ("1e-05", 1e-5)];

/// An evaluation that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The list.
    #[error(transparent)]
    Pairs(#[from] PairListError),
    /// An image that the list names cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The pipeline failed.
    #[error("{0}")]
    Pipeline(String),
    /// Too little is left to measure.
    #[error("{0}")]
    TooLittle(&'static str),
}

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct EvaluationTask<'a> {
    /// The pairs.
    pub pairs: &'a PairList,
    /// Folder of the images.
    pub images: &'a Path,
    /// Apply the quality limits.
    pub gated: bool,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Distinct samples.
    pub images: usize,
    /// Samples without a usable face. Their genuine comparisons count as non-matches.
    pub failure_to_acquire: usize,
    /// k-fold accuracy over the listed pairs: mean over the folds.
    pub accuracy: f64,
    /// Standard deviation over the folds.
    pub accuracy_std: f64,
    /// Comparisons of one person with themselves, over all cross pairs.
    pub genuine: u64,
    /// Comparisons of two people, over all cross pairs.
    pub impostor: u64,
    /// Rates at the targets of [`FMR_TARGETS`], in their order.
    pub at_fmr: Vec<RateAt>,
    /// SHA-256 over the sorted lines "name digest" of all samples.
    pub data_sha256: String,
    /// The contract that was measured.
    pub contract_id: ContractId,
}

/// Runs every sample through the pipeline on all lanes, then measures. `progress` is called after
/// each sample.
///
/// # Errors
/// When a file cannot be read, the pipeline fails, or nothing is left to measure.
pub fn evaluate(
    engine: &Engine<Pipeline>,
    contract_id: &ContractId,
    task: &EvaluationTask<'_>,
    progress: &dyn Fn(),
) -> Result<Evaluation, EvaluationError> {
    let samples = acquire(engine, task, progress)?;
    let embedding = |name: &str| samples.get(name).and_then(|s| s.embedding.as_ref());
    let scores: Vec<(f32, bool)> = task
        .pairs
        .pairs
        .iter()
        .map(|pair| {
            let similarity = match (embedding(&pair.first), embedding(&pair.second)) {
                (Some(a), Some(b)) => measures::cosine(a, b),
                _ => -1.0,
            };
            (similarity, pair.genuine)
        })
        .collect();
    let (accuracy, accuracy_std) = kfold_accuracy(&scores, task.pairs.folds).ok_or(
        EvaluationError::TooLittle("k-fold accuracy takes two folds or more, each with pairs"),
    )?;
    let people: Vec<(&str, Option<&Embedding>)> = samples
        .iter()
        .map(|(name, sample)| (pairs::person(name), sample.embedding.as_ref()))
        .collect();
    let cross = cross_scores(&people);
    if cross.genuine.is_empty() || cross.impostor.is_empty() {
        return Err(EvaluationError::TooLittle(
            "FMR and FNMR take at least one genuine and one impostor comparison",
        ));
    }
    Ok(Evaluation {
        images: samples.len(),
        failure_to_acquire: people.iter().filter(|(_, face)| face.is_none()).count(),
        accuracy,
        accuracy_std,
        genuine: cross.genuine_count(),
        impostor: cross.impostor.len() as u64,
        at_fmr: FMR_TARGETS
            .iter()
            .map(|(_, fmr)| rate_at(&cross, *fmr))
            .collect(),
        data_sha256: data_digest(&samples),
        contract_id: contract_id.clone(),
    })
}

impl Evaluation {
    /// The calibration that these measurements support: targets with too few impostor comparisons
    /// are left out.
    #[must_use]
    pub fn calibration(&self, data: String, date: String) -> Calibration {
        let supported = |fmr| self.impostor >= crate::decision::impostors_needed(fmr);
        let rates = FMR_TARGETS.iter().zip(&self.at_fmr);
        let target = rates
            .filter(|((_, fmr), _)| supported(*fmr))
            .map(|((_, fmr), rate)| {
                let (fmr_low, fmr_high) = wilson_interval(rate.false_matches, self.impostor);
                let (fnmr_low, fnmr_high) = wilson_interval(rate.false_non_matches, self.genuine);
                CalibrationTarget {
                    fmr: *fmr,
                    threshold: rate.threshold,
                    false_matches: rate.false_matches,
                    fmr_low,
                    fmr_high,
                    fnmr: rate.fnmr,
                    fnmr_low,
                    fnmr_high,
                }
            });
        Calibration {
            model_contract_id: self.contract_id.to_string(),
            tool_version: format!("padan {}", env!("CARGO_PKG_VERSION")),
            date,
            data,
            data_sha256: self.data_sha256.clone(),
            genuine_count: self.genuine,
            impostor_count: self.impostor,
            target: target.collect(),
        }
    }
}

struct Acquired {
    sha256: String,
    embedding: Option<Embedding>,
}

type Output = Result<SampleResult, SampleError>;

/// Every sample of the list through the lanes, a bounded number at a time.
fn acquire(
    engine: &Engine<Pipeline>,
    task: &EvaluationTask<'_>,
    progress: &dyn Fn(),
) -> Result<BTreeMap<String, Acquired>, EvaluationError> {
    let in_flight_max = engine.settings().lanes.get() * 2;
    let mut in_flight: VecDeque<(String, String, Reply<Output>)> = VecDeque::new();
    let mut samples = BTreeMap::new();
    let mut take = |(name, sha256, reply): (String, String, Reply<Output>)| {
        let embedding = finish(reply)?;
        samples.insert(name, Acquired { sha256, embedding });
        progress();
        Ok::<(), EvaluationError>(())
    };
    for name in task.pairs.samples() {
        if in_flight.len() >= in_flight_max {
            in_flight.pop_front().map_or(Ok(()), &mut take)?;
        }
        let path = task.images.join(&name);
        let image = std::fs::read(&path).map_err(|cause| EvaluationError::Unreadable {
            path: path.display().to_string(),
            cause,
        })?;
        let sha256 = sha256_hex(&image);
        let reply = submit(engine, image.into(), task.gated)
            .map_err(|error| EvaluationError::Pipeline(error.to_string()))?;
        in_flight.push_back((name, sha256, reply));
    }
    in_flight.into_iter().try_for_each(take)?;
    Ok(samples)
}

fn submit(
    engine: &Engine<Pipeline>,
    image: Bytes,
    gated: bool,
) -> Result<Reply<Output>, SubmitError> {
    let task = SampleTask {
        image,
        role: SampleRole::Probe,
        // In LFW the labelled person is the one nearest the centre.
        choice: FaceChoice::Central,
        goal: if gated {
            Goal::Embed
        } else {
            Goal::EmbedAnyway
        },
    };
    let [reply] = engine.submit(Class::Bulk, None, [task])?;
    Ok(reply)
}

/// The embedding; `None` is a failure to acquire, which an unacceptable image is, too.
fn finish(reply: Reply<Output>) -> Result<Option<Embedding>, EvaluationError> {
    let failed = |cause: String| EvaluationError::Pipeline(cause);
    let completed = reply
        .wait_blocking()
        .map_err(|error: JobError| failed(error.to_string()))?;
    match completed.output {
        Ok(result) => Ok(result.template.map(|template| template.embedding)),
        Err(SampleError::Image(_)) => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn data_digest(samples: &BTreeMap<String, Acquired>) -> String {
    let lines: Vec<String> = samples
        .iter()
        .map(|(name, sample)| format!("{name} {}\n", sample.sha256))
        .collect();
    sha256_hex(lines.concat().as_bytes())
}

//! Samples to embeddings: every sample of a data set through all lanes.
//!
//! Helpers read, hash and (where asked for) degrade files ahead of the lanes, which never wait for
//! a disk; a bounded number of files is in memory at any time. What was computed before is taken
//! from a [`EmbeddingCache`]. Results are in the order of the samples, whoever was first.

mod prepare;
mod run;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::cache::{ContentDigest, EmbeddingCache};
use super::dataset::Dataset;
use super::degrade::Degradation;
use crate::digest::{hex, sha256_hex};
use crate::embed::{ContractId, Embedding};
use crate::engine::Engine;
use crate::pipeline::{Pipeline, PipelineSettings};
use crate::sample::SampleRole;
use crate::sample::detect::FaceChoice;
use prepare::Helpers;
use run::Run;

/// How samples are acquired.
#[derive(Clone, Copy)]
pub struct AcquireSettings<'a> {
    /// Apply the quality limits: what does not meet them fails to be acquired.
    pub gated: bool,
    /// Which of several faces is meant.
    pub choice: FaceChoice,
    /// Only samples that are compared in this role, by its quality limits; `None`: all, by the
    /// limits of probes. A degradation is of its own side, whatever this says.
    pub role: Option<SampleRole>,
    /// Make the samples worse first.
    pub degradation: Option<Degradation>,
    /// What the engine's pipelines were set up with.
    pub pipeline: &'a PipelineSettings,
    /// Remember embeddings.
    pub cache: Option<&'a EmbeddingCache>,
    /// Says that it is enough: set when someone presses Ctrl-C.
    pub stop: &'a AtomicBool,
}

impl AcquireSettings<'_> {
    fn role(&self) -> Option<SampleRole> {
        self.degradation.map(Degradation::side).or(self.role)
    }

    /// In words, for the cache: whatever here changes a result.
    fn treatment(&self) -> String {
        let Self {
            gated,
            choice,
            role: _,
            degradation,
            pipeline,
            cache: _,
            stop: _,
        } = self;
        let degradation = degradation.map_or("none", Degradation::name);
        let role = self.role().unwrap_or(SampleRole::Probe);
        format!("gated {gated}, {choice:?}, {role:?}, degradation {degradation}, {pipeline:?}")
    }
}

/// What there is to tell while samples are acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another sample is done.
    Sample {
        /// Samples that are done.
        done: usize,
        /// Those of them that were remembered.
        remembered: usize,
        /// All that will be.
        total: usize,
    },
    /// Something that does not stop the work and should be known, as a sentence.
    Note(&'a str),
}

/// What came of the samples.
#[derive(Debug)]
pub struct Acquired {
    /// One for each of [`Dataset::samples`]: its embedding. `None`: the sample failed to be
    /// acquired, or was not asked for.
    pub embeddings: Vec<Option<Embedding>>,
    /// One for each of [`Dataset::samples`]: SHA-256 of its file as it is, before any degradation.
    /// `None`: it was not asked for.
    pub digests: Vec<Option<ContentDigest>>,
    /// Samples that failed to be acquired.
    pub failures: u64,
    /// Samples that were worked on now.
    pub computed: u64,
    /// Samples that were remembered.
    pub remembered: u64,
    /// From the first sample that a lane was given to the last one's result: what
    /// [`Self::computed`] is to be divided by. Zero when all were remembered.
    pub took: Duration,
}

/// Samples could not be acquired.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// A file cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The pipeline failed.
    #[error("{path}: {cause}")]
    Pipeline {
        /// The file.
        path: String,
        /// What failed.
        cause: String,
    },
    /// The system gave no thread.
    #[error("cannot start a thread that reads samples: {0}")]
    Thread(std::io::Error),
    /// Someone said that it is enough. With a cache, the next run goes on here.
    #[error("interrupted after {done} of {total} samples")]
    Interrupted {
        /// Samples that were done.
        done: usize,
        /// All that there were.
        total: usize,
    },
}

/// Acquires the samples of `dataset` with an engine whose embedder is of `contract_id`. `progress`
/// is called on the calling thread.
///
/// A sample without a usable face, and a file that is no acceptable image, is a failure to acquire;
/// a file that cannot be read is an error. The engine's queue should have room for eight jobs for
/// each lane, of which bulk work takes half.
///
/// # Errors
/// When a file cannot be read, the pipeline fails, or [`AcquireSettings::stop`] says so. What was
/// finished is remembered all the same.
pub fn acquire(
    engine: &Engine<Pipeline>,
    contract_id: &ContractId,
    dataset: &Dataset,
    settings: &AcquireSettings<'_>,
    progress: &dyn Fn(Progress<'_>),
) -> Result<Acquired, AcquireError> {
    let cache = settings.cache.and_then(|cache| {
        let opened = cache.open(contract_id, &settings.treatment());
        opened
            .inspect_err(|error| progress(Progress::Note(&error.to_string())))
            .ok()
    });
    let cache = cache.map(Mutex::new);
    let wanted = match settings.role() {
        Some(role) => dataset.in_role(role),
        None => (0..)
            .zip(&dataset.samples)
            .map(|(number, _)| number)
            .collect(),
    };
    let lanes = engine.settings().lanes;
    let helpers = Helpers::new(dataset, &wanted, settings, cache.as_ref());
    let run = Run::new(engine, dataset, settings, cache.as_ref(), progress);
    let (sender, receiver) = sync_channel(lanes.get());
    std::thread::scope(|scope| {
        helpers.start(scope, helper_count(lanes), &sender)?;
        // The helpers' own are the last: when they are done, so is the run. The other way round,
        // whatever ends the run drops the receiver, which ends the helpers.
        drop(sender);
        run.take_all(receiver, wanted.len())
    })
}

/// SHA-256 over the lines "name digest" of the samples that have a digest, in order of their names:
/// what says that two evaluations measured the same data.
#[must_use]
pub fn data_digest(dataset: &Dataset, digests: &[Option<ContentDigest>]) -> String {
    let mut lines: Vec<(&str, String)> = dataset
        .samples
        .iter()
        .zip(digests)
        .filter_map(|(sample, digest)| Some((sample.name.as_str(), hex(&(*digest)?))))
        .collect();
    lines.sort_unstable();
    let lines: Vec<String> = lines
        .into_iter()
        .map(|(name, digest)| format!("{name} {digest}\n"))
        .collect();
    sha256_hex(lines.concat().as_bytes())
}

/// Threads that read ahead for so many lanes.
fn helper_count(lanes: NonZeroUsize) -> usize {
    lanes.get().min(8)
}

#[cfg(test)]
pub(super) mod tests;

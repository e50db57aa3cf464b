//! An evaluation from its first sample to its last interval.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::acquire::{AcquireError, AcquireSettings, Acquired, Progress, acquire, data_digest};
use super::bootstrap::{ResamplingSettings, highest_needed};
use super::cache::EmbeddingCache;
use super::dataset::{Crossing, Dataset};
use super::degrade::Degradation;
use super::measures::{self, MeasureError, Unsupported, check_targets, measure};
use super::result::{
    CascadeShare, DegradationRates, Evaluation, KfoldAccuracy, SliceRate, Speed, TargetRates,
};
use super::scores::Scores;
use super::scoring::{listed_similarities, score};
use super::slices::slice_rates;
use crate::compare::Scoring;
use crate::embed::{ContractId, Embedding};
use crate::engine::Engine;
use crate::pipeline::{Pipeline, PipelineSettings};
use crate::sample::SampleRole;
use crate::sample::detect::FaceChoice;

/// The model that is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its id in the manifest.
    pub id: String,
    /// The contract of its embeddings.
    pub contract_id: ContractId,
    /// How its embeddings are compared.
    pub scoring: Scoring,
}

/// What to measure, and how.
#[derive(Clone, Copy)]
pub struct EvaluationTask<'a> {
    /// Samples and comparisons.
    pub dataset: &'a Dataset,
    /// What the data are, in words.
    pub data: &'a str,
    /// The model.
    pub subject: &'a Subject,
    /// Apply the quality limits.
    pub gated: bool,
    /// Target false match rates.
    pub targets: &'a [f64],
    /// How intervals over people are made.
    pub resampling: ResamplingSettings,
    /// What is measured on worse samples besides.
    pub degradations: &'a [Degradation],
    /// What the engine's pipelines were set up with.
    pub pipeline: &'a PipelineSettings,
    /// Remember embeddings.
    pub cache: Option<&'a EmbeddingCache>,
    /// Says that it is enough.
    pub stop: &'a AtomicBool,
}

/// What is told while an evaluation runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stage<'a> {
    /// Samples are acquired, degraded or not.
    Acquiring(Option<Degradation>, Progress<'a>),
    /// Embeddings are compared and rates computed.
    Measuring,
}

/// An evaluation with the similarities behind it, for whoever compares two.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// What was measured.
    pub evaluation: Evaluation,
    /// All comparisons.
    pub scores: Scores,
    /// Similarities of the listed comparisons, in the list's order.
    pub listed: Vec<f32>,
}

/// An evaluation that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The data cannot support a target.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A sample.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The measures.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// [`EvaluationTask::stop`] said so, after samples were acquired.
    #[error("interrupted while comparing")]
    Interrupted,
}

/// Probes and references as they were acquired: the same samples in both roles, unless quality
/// limits or a degradation tell them apart.
struct Sides {
    probes: Acquired,
    references: Option<Acquired>,
}

impl Sides {
    fn references(&self) -> &Acquired {
        self.references.as_ref().unwrap_or(&self.probes)
    }
}

/// Acquires every sample on all lanes, compares, and measures. `watch` is called on the calling
/// thread.
///
/// # Errors
/// When a target cannot be supported by the data, which is found first; when a file cannot be read,
/// the pipeline fails, or nothing is left to measure; when [`EvaluationTask::stop`] says so, before
/// the next step.
pub fn evaluate(
    engine: &Engine<Pipeline>,
    task: &EvaluationTask<'_>,
    watch: &dyn Fn(Stage<'_>),
) -> Result<Evaluated, EvaluationError> {
    let expected = task.dataset.counts().impostor;
    check_targets(task.targets, expected)?;
    let sides = acquire_sides(engine, task, watch)?;
    begin_measuring(task, watch)?;
    let highest = highest_needed(expected, task.targets.iter().copied().fold(0.0, f64::max));
    let compare = |probes: &Acquired, references: &Acquired, highest| {
        let similarity = |a: &Embedding, b: &Embedding| similarity(task.subject.scoring, a, b);
        let (probes, references) = (&probes.embeddings, &references.embeddings);
        score(task.dataset, probes, references, &similarity, highest)
    };
    let (probes, references) = (&sides.probes, sides.references());
    let scores = compare(probes, references, highest);
    go_on(task)?;
    let measures = measure(&scores, task.targets, task.resampling)?;
    let listed = listed(task, probes, references);
    let mut degradations = Vec::new();
    for degradation in task.degradations {
        let worse = acquire_with(engine, task, Some(*degradation), None, watch)?;
        begin_measuring(task, watch)?;
        let scores = match degradation.side() {
            SampleRole::Probe => compare(&worse, references, 0),
            SampleRole::Reference => compare(probes, &worse, 0),
        };
        let rates = degradation_rates(*degradation, worse.failures, &scores, &measures.targets);
        degradations.push(rates);
    }
    let evaluation = Evaluation {
        model: task.subject.id.clone(),
        contract_id: task.subject.contract_id.clone(),
        data: task.data.to_owned(),
        data_sha256: digest(task.dataset, &sides),
        images: task.dataset.samples.len() as u64,
        failure_to_acquire: failures(&sides),
        gated: task.gated,
        accuracy: accuracy(task.dataset, &listed),
        columns: slice_rates(task.dataset, &listed, &measures.targets),
        cascade: cascade_share(task, probes, references),
        measures,
        degradations,
        speed: speed(engine, &sides),
    };
    Ok(Evaluated {
        evaluation,
        scores,
        listed,
    })
}

fn begin_measuring(
    task: &EvaluationTask<'_>,
    watch: &dyn Fn(Stage<'_>),
) -> Result<(), EvaluationError> {
    watch(Stage::Measuring);
    go_on(task)
}

/// Comparing all with all and drawing people anew take long themselves.
fn go_on(task: &EvaluationTask<'_>) -> Result<(), EvaluationError> {
    if task.stop.load(Ordering::Relaxed) {
        return Err(EvaluationError::Interrupted);
    }
    Ok(())
}

fn similarity(scoring: Scoring, probe: &Embedding, reference: &Embedding) -> f32 {
    // Embeddings of one engine have one length.
    scoring
        .similarity(probe, reference)
        .unwrap_or(f32::NEG_INFINITY)
}

fn listed(task: &EvaluationTask<'_>, probes: &Acquired, references: &Acquired) -> Vec<f32> {
    let similarity = |a: &Embedding, b: &Embedding| similarity(task.subject.scoring, a, b);
    let (probes, references) = (&probes.embeddings, &references.embeddings);
    listed_similarities(task.dataset, probes, references, &similarity)
}

/// Quality limits are others for references than for probes; without them a sample is a sample.
fn acquire_sides(
    engine: &Engine<Pipeline>,
    task: &EvaluationTask<'_>,
    watch: &dyn Fn(Stage<'_>),
) -> Result<Sides, EvaluationError> {
    let has_roles = task.gated && task.dataset.crossing != Crossing::EachWithEach;
    let acquire = |role| acquire_with(engine, task, None, role, watch);
    if !has_roles {
        return Ok(Sides {
            probes: acquire(None)?,
            references: None,
        });
    }
    Ok(Sides {
        probes: acquire(Some(SampleRole::Probe))?,
        references: Some(acquire(Some(SampleRole::Reference))?),
    })
}

fn acquire_with(
    engine: &Engine<Pipeline>,
    task: &EvaluationTask<'_>,
    degradation: Option<Degradation>,
    role: Option<SampleRole>,
    watch: &dyn Fn(Stage<'_>),
) -> Result<Acquired, EvaluationError> {
    let settings = AcquireSettings {
        gated: task.gated,
        // In LFW the labelled person is the one nearest the centre, as in a portrait.
        choice: FaceChoice::Central,
        role,
        degradation,
        pipeline: task.pipeline,
        cache: task.cache,
        stop: task.stop,
    };
    let progress = |progress: Progress<'_>| watch(Stage::Acquiring(degradation, progress));
    let contract_id = &task.subject.contract_id;
    Ok(acquire(
        engine,
        contract_id,
        task.dataset,
        &settings,
        &progress,
    )?)
}

fn degradation_rates(
    degradation: Degradation,
    failures: u64,
    scores: &Scores,
    targets: &[TargetRates],
) -> DegradationRates {
    let rate = |errors: u64, total: u64| SliceRate {
        errors,
        rate: measures::share(errors, total),
        wilson: measures::wilson_interval(errors, total),
    };
    let genuine = scores.genuine.len() as u64;
    let impostor = scores.impostor.similarities.len() as u64;
    let thresholds = || targets.iter().map(|target| target.threshold);
    let refused = |threshold| measures::refused(&scores.genuine, threshold) as u64;
    let matched = |threshold| measures::matched(&scores.impostor.similarities, threshold) as u64;
    DegradationRates {
        name: degradation.name().to_owned(),
        failure_to_acquire: failures,
        genuine,
        fnmr: thresholds().map(|at| rate(refused(at), genuine)).collect(),
        impostor,
        fmr: thresholds().map(|at| rate(matched(at), impostor)).collect(),
    }
}

fn accuracy(dataset: &Dataset, listed: &[f32]) -> Option<KfoldAccuracy> {
    // What could not be compared is a non-match: infinitely below every threshold.
    let labels = dataset.listed.iter().map(|comparison| comparison.genuine);
    let labelled: Vec<(f32, bool)> = listed.iter().copied().zip(labels).collect();
    let (mean, std) = measures::kfold_accuracy(&labelled, dataset.folds?)?;
    Some(KfoldAccuracy { mean, std })
}

/// How often the second network of a cascade is asked.
fn cascade_share(
    task: &EvaluationTask<'_>,
    probes: &Acquired,
    references: &Acquired,
) -> Option<CascadeShare> {
    let Scoring::Cascade(cascade) = task.subject.scoring else {
        return None;
    };
    let first = |a: &Embedding, b: &Embedding| {
        let similarity = cascade.fusion.first_similarity(a, b);
        similarity.unwrap_or(f32::NEG_INFINITY)
    };
    let (probes, references) = (&probes.embeddings, &references.embeddings);
    let scores = score(task.dataset, probes, references, &first, 0);
    let share = |similarities: &mut dyn Iterator<Item = f32>| {
        let (mut inside, mut all) = (0_u64, 0_u64);
        for similarity in similarities {
            all += 1;
            inside += u64::from(cascade.band.contains(similarity));
        }
        measures::share(inside, all)
    };
    let made = scores.genuine.iter().filter(|score| score.is_made());
    Some(CascadeShare {
        band: cascade.band,
        genuine: share(&mut made.map(|score| score.similarity)),
        impostor: share(&mut scores.impostor.similarities.iter().copied()),
    })
}

/// Samples that failed in one role or the other, each once.
fn failures(sides: &Sides) -> u64 {
    let Some(references) = &sides.references else {
        return sides.probes.failures;
    };
    // A sample that was not asked for in a role has no digest there.
    let is_lost = |acquired: &Acquired| -> Vec<bool> {
        let pairs = acquired.embeddings.iter().zip(&acquired.digests);
        pairs
            .map(|(embedding, digest)| embedding.is_none() && digest.is_some())
            .collect()
    };
    let pairs = is_lost(&sides.probes).into_iter().zip(is_lost(references));
    pairs
        .filter(|(probe, reference)| *probe || *reference)
        .count() as u64
}

fn speed(engine: &Engine<Pipeline>, sides: &Sides) -> Speed {
    let all = || {
        [Some(&sides.probes), sides.references.as_ref()]
            .into_iter()
            .flatten()
    };
    Speed {
        computed: all().map(|acquired| acquired.computed).sum(),
        remembered: all().map(|acquired| acquired.remembered).sum(),
        took: all().map(|acquired| acquired.took).sum::<Duration>(),
        lanes: engine.settings().lanes.get(),
    }
}

/// Of every sample, in whichever role it was asked for.
fn digest(dataset: &Dataset, sides: &Sides) -> String {
    let (probes, references) = (&sides.probes, sides.references());
    let digests = probes.digests.iter().zip(&references.digests);
    let digests: Vec<_> = digests
        .map(|(probe, reference)| probe.or(*reference))
        .collect();
    data_digest(dataset, &digests)
}

#[cfg(test)]
mod tests;

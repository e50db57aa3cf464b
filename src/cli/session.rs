//! What the commands have in common that evaluate a model: the data set, the progress bar, the
//! interruption, the cache.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use super::models::cost::room_for_bulk_work;
use crate::app::ModelSet;
use crate::compare::Scoring;
use crate::config::{Config, DEFAULT_TARGETS, DatasetArgs, ListFormat, ResultArgs};
use crate::decision::impostors_needed;
use crate::evaluation::acquire::{AcquireError, Progress};
use crate::evaluation::cache::EmbeddingCache;
use crate::evaluation::dataset::{Dataset, FOLDER_IMPOSTORS_MAX};
use crate::evaluation::degrade::Degradation;
use crate::evaluation::{
    Evaluated, EvaluationError, EvaluationTask, ResamplingSettings, Stage, Subject, evaluate,
};
use crate::model::Provider;

/// How often the bar moves.
const TICK: Duration = Duration::from_millis(200);

/// A data set, and what is measured on it.
pub struct Session<'a> {
    args: &'a DatasetArgs,
    /// Samples and comparisons.
    pub dataset: Dataset,
    /// What the data are, in words.
    pub data: String,
    /// Target false match rates.
    pub targets: Vec<f64>,
    stop: Arc<AtomicBool>,
}

/// One model's evaluation.
pub struct Measured {
    /// The model.
    pub subject: Subject,
    /// What was measured.
    pub evaluated: Evaluated,
    /// Version of ONNX Runtime.
    pub runtime_version: String,
}

impl<'a> Session<'a> {
    /// Reads the data set, and listens for Ctrl-C.
    pub fn open(args: &'a DatasetArgs) -> Result<Self, Failure> {
        let dataset = read(args)?;
        if let Some(note) = &dataset.note {
            eprintln!("padan: {note}");
        }
        let targets = targets(args, dataset.counts().impostor)?;
        Ok(Self {
            args,
            data: words(&name(args), args, &dataset),
            dataset,
            targets,
            stop: stop_on_interrupt()?,
        })
    }

    /// Set once somebody wants no more.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// Says in somebody's words what the data are, instead of the name of the list.
    pub fn name_data(&mut self, name: &str) {
        self.data = words(name, self.args, &self.dataset);
    }

    /// Evaluates the embedder that the configuration names, at the thresholds of its own targets.
    /// A fusion is evaluated as the cascade that its manifest proposes.
    pub fn evaluate(
        &self,
        config: &Config,
        degradations: &[Degradation],
    ) -> Result<Measured, Failure> {
        let models = Arc::new(ModelSet::select(config)?);
        let cascade = models.embedder().cascade();
        let subject = Subject {
            id: config.embedder.clone(),
            contract_id: models.contract_id(),
            scoring: cascade.map_or(Scoring::Cosine, Scoring::Cascade),
        };
        self.evaluate_as(subject, &models, config, degradations)
    }

    /// The same with templates compared as `subject` says.
    pub fn evaluate_as(
        &self,
        subject: Subject,
        models: &Arc<ModelSet>,
        config: &Config,
        degradations: &[Degradation],
    ) -> Result<Measured, Failure> {
        let mut config = config.clone();
        config.engine.queue_length_max = room_for_bulk_work(config.engine.lanes);
        let engine = Arc::clone(models).start_engine(&config)?;
        let runtime_version = models.runtime_version().to_owned();
        let conditions = conditions(models.detector_sha256(), &config.provider, &runtime_version);
        let conditions = conditions.each_ref().map(String::as_str);
        let cache = self.args.cache.as_deref();
        let cache = cache.map(|folder| EmbeddingCache::new(folder, &conditions));
        let task = EvaluationTask {
            dataset: &self.dataset,
            data: &self.data,
            subject: &subject,
            gated: self.args.gated,
            targets: &self.targets,
            resampling: ResamplingSettings {
                resamples: self.args.resamples.get(),
                seed: self.args.seed,
            },
            degradations,
            pipeline: &config.pipeline,
            cache: cache.as_ref(),
            stop: &self.stop,
        };
        let bar = Bar::new(&subject.id);
        let evaluated = evaluate(&engine, &task, &|stage| bar.show(stage));
        bar.0.finish_and_clear();
        let evaluated = evaluated.map_err(|error| self.failure(error))?;
        Ok(Measured {
            subject,
            evaluated,
            runtime_version,
        })
    }

    fn failure(&self, error: EvaluationError) -> Failure {
        match error {
            EvaluationError::Acquire(AcquireError::Interrupted { done, total }) => {
                interrupted(self.args, &format!("after {done} of {total} samples"))
            }
            EvaluationError::Interrupted => interrupted(self.args, "while comparing"),
            EvaluationError::Acquire(error @ AcquireError::Unreadable { .. }) => {
                Failure::Usage(error.to_string())
            }
            EvaluationError::Acquire(error) => Failure::Technical(error.to_string()),
            error @ (EvaluationError::Unsupported(_) | EvaluationError::Measure(_)) => {
                Failure::Usage(error.to_string())
            }
        }
    }
}

/// What changes an embedding and that nobody else tells [`EmbeddingCache`]: all that is set of the
/// provider, since another device computes otherwise.
fn conditions(detector_sha256: &str, provider: &Provider, runtime_version: &str) -> [String; 3] {
    [
        detector_sha256.to_owned(),
        format!("{provider:?}"),
        runtime_version.to_owned(),
    ]
}

/// What an interruption says, and how the next run has less to do.
pub fn interrupted(args: &DatasetArgs, when: &str) -> Failure {
    let advice = match &args.cache {
        Some(_) => "run the same command again, and it goes on there",
        None => "with --cache DIR, the next run goes on where one was interrupted",
    };
    Failure::Technical(format!("interrupted {when}; {advice}"))
}

fn read(args: &DatasetArgs) -> Result<Dataset, Failure> {
    let format = args.list_format().map_err(Failure::Usage)?;
    let images = args.images.as_deref().ok_or_else(|| {
        Failure::Usage("--images DIR names the folder of the samples, which is needed".to_owned())
    })?;
    let dataset = match (format, &args.pairs) {
        (ListFormat::Lfw, Some(list)) => Dataset::read_lfw(list, images),
        (ListFormat::Csv, Some(list)) => Dataset::read_csv(list, images),
        _ => Dataset::read_folders(images, FOLDER_IMPOSTORS_MAX),
    };
    dataset.map_err(|error| Failure::Usage(error.to_string()))
}

/// What is measured on worse samples besides.
pub fn degradations(results: &ResultArgs) -> &'static [Degradation] {
    if results.degradations {
        &Degradation::ALL
    } else {
        &[]
    }
}

/// The named targets, or those of the usual ones that so many impostor comparisons support.
pub fn targets(args: &DatasetArgs, impostors: u64) -> Result<Vec<f64>, Failure> {
    let named = args.named_targets().map_err(Failure::Usage)?;
    if !named.is_empty() {
        return Ok(named);
    }
    let usual = DEFAULT_TARGETS.into_iter();
    let supported = usual.filter(|target| impostors >= impostors_needed(*target));
    let supported: Vec<f64> = supported.collect();
    if supported.is_empty() {
        let largest = DEFAULT_TARGETS.into_iter().fold(0.0, f64::max);
        eprintln!(
            "padan: the impostor comparisons ({impostors}) support no FMR of {largest} or below, \
             which takes {} at least: add people, or name a larger rate with --fmr",
            impostors_needed(largest)
        );
    }
    Ok(supported)
}

/// The name of the list or the folder.
fn name(args: &DatasetArgs) -> String {
    let named = args.pairs.as_deref().or(args.images.as_deref());
    let named = named.unwrap_or(Path::new(""));
    let name = named.file_name().unwrap_or(named.as_os_str());
    name.to_string_lossy().into_owned()
}

/// What the data are, and how they are read.
fn words(name: &str, args: &DatasetArgs, dataset: &Dataset) -> String {
    let gate = if args.gated { "applied" } else { "not applied" };
    let comparisons = dataset.crossing.describe();
    format!("{name}, {comparisons}, quality limits {gate}")
}

/// Set once somebody presses Ctrl-C; whoever presses it again does not want to wait.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    const EXIT_INTERRUPTED: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listen = move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if seen.swap(true, Ordering::Relaxed) {
                    std::process::exit(EXIT_INTERRUPTED);
                }
            }
        });
    };
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(listen)?;
    Ok(stop)
}

/// How far an evaluation is, on standard error of a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(model: &str) -> Self {
        let bar = ProgressBar::new(0).with_prefix(model.to_owned());
        let style = "{prefix}: {bar:30} {pos}/{len} {msg}, {per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    fn show(&self, stage: Stage<'_>) {
        match stage {
            Stage::Acquiring(degradation, Progress::Sample { done, total, .. }) => {
                if done <= 1 {
                    self.0.reset();
                    let what = degradation.map_or("samples", Degradation::name);
                    self.0.set_message(what.to_owned());
                }
                self.0.set_length(total as u64);
                self.0.set_position(done as u64);
            }
            Stage::Acquiring(_, Progress::Note(note)) => {
                self.0.suspend(|| eprintln!("padan: {note}"));
            }
            Stage::Measuring => self.0.set_message("samples; comparing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProviderKind;

    #[test]
    fn embeddings_of_another_provider_or_device_are_not_remembered_as_these() {
        let of = |provider: &Provider| conditions("detector", provider, "1.24.1");
        let openvino = Provider {
            kind: ProviderKind::OpenVino,
            ..Provider::cpu()
        };
        let on_gpu = Provider {
            device: Some("GPU".to_owned()),
            ..openvino.clone()
        };
        let threads = Provider {
            threads: 2,
            ..openvino.clone()
        };
        for other in [Provider::cpu(), on_gpu, threads] {
            assert_ne!(of(&other), of(&openvino));
        }
        assert_ne!(conditions("other", &openvino, "1.24.1"), of(&openvino));
        assert_ne!(conditions("detector", &openvino, "1.25.0"), of(&openvino));
    }
}

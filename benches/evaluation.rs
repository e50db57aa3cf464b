//! How fast samples go through an evaluation, beside what the bare pipeline does on as many threads
//! with the same samples in memory. The two take turns.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use padan::app::ModelSet;
use padan::engine::{Checkpoint, Engine};
use padan::evaluation::acquire::{AcquireSettings, acquire};
use padan::evaluation::dataset::{Crossing, Dataset, Sample};
use padan::pipeline::{Goal, Pipeline, SampleTask};
use padan::sample::SampleRole;
use padan::sample::detect::FaceChoice;

use super::support::models::Models;
use super::support::pictures::repository;
use super::support::report::{Report, number, table};
use super::support::statistics::median;

/// Turns; an odd number, so that the median is one of them.
const ROUNDS: usize = 7;

/// Samples of a turn for each lane and second, about.
const SAMPLES_PER_SECOND: usize = 100;

/// Measures both and adds them to the report. `images` is a folder, searched with those inside; the
/// repository's portraits by default.
pub fn report(models: &Models, seconds: u64, images: Option<&Path>, report: &mut Report) {
    let mut config = models.config.clone();
    let lanes = config.engine.lanes.get();
    config.engine.queue_length_max = config.engine.lanes.saturating_add(lanes * 8);
    let portraits = repository().join("tests/portraits");
    let files = files_in(images.unwrap_or(&portraits));
    let count = (SAMPLES_PER_SECOND * lanes * usize::try_from(seconds).expect("few")).max(1);
    let paths: Vec<PathBuf> = files.iter().cycle().take(count).cloned().collect();
    let samples: Vec<Bytes> = paths.iter().map(|path| read(path)).collect();
    let dataset = dataset(&paths);
    let set = Arc::new(ModelSet::select(&config).expect("the models are there"));
    let settings = Arc::new(config.pipeline.clone());
    let mut bare: Vec<Pipeline> = (0..lanes)
        .map(|_| set.pipeline(&settings).expect("loads"))
        .collect();
    let contract_id = set.contract_id();
    let engine = set.start_engine(&config).expect("starts");
    let mut figures = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let turn = [
            bare_per_s(&mut bare, &samples),
            evaluated_per_s(&engine, &contract_id, &dataset, &settings),
        ];
        // The first turn warms caches: of files, of pages, of branches.
        if round > 0 {
            for (figures, figure) in figures.iter_mut().zip(turn) {
                figures.push(figure);
            }
        }
    }
    let [bare, evaluated] = figures;
    let ratios: Vec<f64> = evaluated.iter().zip(&bare).map(|(a, b)| a / b).collect();
    let mut rows = table(["", "bare pipeline", "evaluation", "ratio"]);
    rows.add_row(vec![
        format!("samples/s, {lanes} lanes, {count} samples a turn").into(),
        number(median(&bare), 1),
        number(median(&evaluated), 1),
        number(median(&ratios), 3),
    ]);
    let figures = json!({
        "bare_per_s": bare, "evaluated_per_s": evaluated, "ratio": median(&ratios),
    });
    report.add("evaluation", rows, figures);
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "jpg") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no JPEG in {}", folder.display());
    files
}

fn read(path: &Path) -> Bytes {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes.into()
}

/// Every path is a sample of its own, also one that comes again.
fn dataset(paths: &[PathBuf]) -> Dataset {
    let sample = |(number, path): (usize, &PathBuf)| Sample {
        name: format!("{number:09}"),
        path: path.clone(),
    };
    Dataset {
        samples: paths.iter().enumerate().map(sample).collect(),
        people: vec![String::new()],
        knows_people: true,
        person_of: vec![0; paths.len()],
        listed: Vec::new(),
        folds: None,
        columns: Vec::new(),
        crossing: Crossing::EachWithEach,
        note: None,
    }
}

/// A thread for each pipeline; each takes the next sample that nobody has taken.
fn bare_per_s(pipelines: &mut [Pipeline], samples: &[Bytes]) -> f64 {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for pipeline in pipelines {
            let next = &next;
            scope.spawn(move || {
                while let Some(image) = samples.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let task = SampleTask {
                        image: image.clone(),
                        role: SampleRole::Probe,
                        choice: FaceChoice::Central,
                        goal: Goal::EmbedAnyway,
                        cascade: None,
                    };
                    let result = pipeline.run(&task, &Checkpoint::always());
                    std::hint::black_box(result.expect("works").template);
                }
            });
        }
    });
    per_s(samples.len(), started.elapsed())
}

/// From the first file that is read to the last embedding.
fn evaluated_per_s(
    engine: &Engine<Pipeline>,
    contract_id: &padan::embed::ContractId,
    dataset: &Dataset,
    pipeline: &padan::pipeline::PipelineSettings,
) -> f64 {
    let stop = AtomicBool::new(false);
    let settings = AcquireSettings {
        gated: false,
        choice: FaceChoice::Central,
        role: None,
        degradation: None,
        pipeline,
        cache: None,
        stop: &stop,
    };
    let started = Instant::now();
    let acquired = acquire(engine, contract_id, dataset, &settings, &|_| {});
    let took = started.elapsed();
    assert_eq!(
        acquired.expect("acquires").computed,
        dataset.samples.len() as u64
    );
    per_s(dataset.samples.len(), took)
}

fn per_s(samples: usize, took: Duration) -> f64 {
    samples as f64 / took.as_secs_f64()
}

//! What one sample allocates, by stage, once buffers are warm: counts and bytes are the same on
//! any machine, so that a needless copy of a picture fails here. Counted is what Rust allocates on
//! the lane's thread; OpenCV and ONNX Runtime keep pools of their own.
//!
//! `cargo test --test allocations -- --nocapture` prints the table.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use padan::config::{Config, SharedArgs};
use padan::embed::FaceEmbedder;
use padan::engine::Checkpoint;
use padan::model::{Manifest, ModelTask, OrtEmbedder, Profile, Runtime, YunetDetector};
use padan::pipeline::{Goal, Pipeline, SampleTask};
use padan::sample::decode::{ImageLimits, Reduction, decode};
use padan::sample::detect::{FaceChoice, locate};
use padan::sample::quality::{self, Subject};
use padan::sample::{SampleRole, Workspace};

/// What a stage may allocate: what it does now, and nothing to spare. Lower it when it gets less.
struct Bound {
    stage: &'static str,
    count_max: u64,
    bytes_max: u64,
}

const fn bound(stage: &'static str, count_max: u64, bytes_max: u64) -> Bound {
    Bound {
        stage,
        count_max,
        bytes_max,
    }
}

/// By stage, on the standard selfie: its pixels alone are 3,686,400 bytes. The whole sample is the
/// sum of its stages, and nothing more.
///
/// - "decode": the codec's, and the picture.
/// - "detect": the `ort` crate's for each of two runs with twelve outputs, and short lists of faces
///   and outputs, given on to the caller: no picture.
/// - "assess": the list of measures, which is the caller's.
/// - "embed": 54 are the `ort` crate's, two for each call of padan's operator.
const BOUNDS: [Bound; 6] = [
    bound("decode", 21, 4_057_394),
    bound("detect", 66, 10_448),
    bound("align", 0, 0),
    bound("assess", 1, 192),
    bound("embed", 58, 13_976),
    bound("whole sample", 146, 4_082_010),
];

/// Runs before the count: buffers grow to their size, the codec's tables are made.
const WARM_UP: usize = 2;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The second run after warm-up; the first must be the same.
fn counted(mut work: impl FnMut()) -> AllocationInfo {
    for _ in 0..WARM_UP {
        work();
    }
    let [first, second] = [measure(&mut work), measure(&mut work)];
    let totals = |info: AllocationInfo| (info.count_total, info.bytes_total);
    assert_eq!(
        totals(first),
        totals(second),
        "the same work allocates the same"
    );
    second
}

struct Models {
    config: Config,
    runtime: Runtime,
    manifest: Manifest,
}

impl Models {
    fn load() -> Self {
        let shared = SharedArgs {
            models: Some(repository().join("models")),
            ..SharedArgs::default()
        };
        let config = Config::load(&shared).expect("the defaults are valid; run `make setup`");
        Self {
            runtime: Runtime::load(&config.runtime_library).expect("the library loads"),
            manifest: Manifest::read(&config.models).expect("the manifest is valid"),
            config,
        }
    }

    fn detector(&self) -> YunetDetector {
        let id = &self.config.detector;
        let entry = self
            .manifest
            .select(id, ModelTask::Detector, Profile::Production);
        let entry = entry.expect("is there");
        YunetDetector::load(&self.runtime, &self.manifest, entry).expect("loads")
    }

    fn embedder(&self) -> OrtEmbedder {
        let id = &self.config.embedder;
        let entry = self
            .manifest
            .select(id, ModelTask::Embedder, Profile::Production);
        let entry = entry.expect("is there");
        OrtEmbedder::load(&self.runtime, &self.manifest, entry).expect("loads")
    }

    fn pipeline(&self) -> Pipeline {
        Pipeline::new(
            Box::new(self.detector()),
            Box::new(self.embedder()),
            Arc::new(self.config.pipeline.clone()),
        )
    }
}

fn selfie() -> Bytes {
    let path = repository().join("benches/pictures/selfie_1280x960.jpg");
    let read = |path: &Path| std::fs::read(path);
    let bytes = read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes.into()
}

/// Each stage alone, with what the stage before it made.
fn count_stages(models: &Models, image: &Bytes) -> Vec<AllocationInfo> {
    let (mut detector, mut embedder) = (models.detector(), models.embedder());
    let role = SampleRole::Probe;
    let limits = ImageLimits::default();
    let picture = decode(image, &limits).expect("decodes");
    let Workspace {
        detect: mut views,
        face: mut aligned,
        mut luminance,
        ..
    } = Workspace::default();
    let choice = FaceChoice::Largest;
    let mut detect = || locate(&mut detector, &mut views, &picture, role, choice);
    let found = detect().expect("detects");
    let face = found.faces[found.selected.expect("has a face")];
    let alignment = embedder.alignment();
    let mut align = || aligned.align(&picture, &face.landmarks, alignment);
    let counts = [
        counted(|| drop(decode(image, &limits).expect("decodes"))),
        counted(|| drop(detect().expect("detects"))),
        counted(|| align().expect("aligns")),
    ];
    let subject = Subject {
        picture: &picture,
        reduction: Reduction::None,
        face: &face,
        quarter_turns: found.quarter_turns,
        crop: aligned.crop(),
        inside: aligned.inside(),
    };
    let mut assess = || quality::assess(&subject, 0, &mut luminance);
    let more = [
        counted(|| drop(assess().expect("assesses"))),
        counted(|| drop(embedder.embed(aligned.crop()).expect("embeds"))),
    ];
    [&counts[..], &more].concat()
}

fn count_whole(models: &Models, image: &Bytes) -> AllocationInfo {
    let mut pipeline = models.pipeline();
    let task = SampleTask {
        cascade: None,
        image: image.clone(),
        role: SampleRole::Probe,
        choice: FaceChoice::Largest,
        goal: Goal::Embed,
    };
    counted(|| {
        let result = pipeline.run(&task, &Checkpoint::always()).expect("runs");
        assert!(result.template.is_some(), "{:?}", result.faults);
    })
}

#[test]
fn a_sample_allocates_no_more_than_its_stages_need() {
    let models = Models::load();
    let image = selfie();
    let mut counts = count_stages(&models, &image);
    counts.push(count_whole(&models, &image));
    println!(
        "{:<14}{:>12}{:>12}{:>14}{:>14}",
        "stage", "allocations", "at most", "bytes", "at most"
    );
    let mut findings = Vec::new();
    for (bound, count) in BOUNDS.iter().zip(counts) {
        println!(
            "{:<14}{:>12}{:>12}{:>14}{:>14}",
            bound.stage, count.count_total, bound.count_max, count.bytes_total, bound.bytes_max
        );
        if count.count_total > bound.count_max || count.bytes_total > bound.bytes_max {
            findings.push(format!(
                "{}: {} allocations of {} bytes; at most {} of {}",
                bound.stage, count.count_total, count.bytes_total, bound.count_max, bound.bytes_max
            ));
        }
    }
    assert!(
        findings.is_empty(),
        "more than stated:\n  {}",
        findings.join("\n  ")
    );
}

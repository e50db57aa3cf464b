use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;
use crate::embed::{FaceEmbedder, InferenceError};
use crate::engine::EngineSettings;
use crate::evaluation::dataset::FOLDER_IMPOSTORS_MAX;
use crate::pipeline::tests::OneFace;
use crate::sample::align::{ARCFACE_112, AlignmentTemplate};
use crate::sample::decode::ImageLimits;
use crate::sample::picture::Picture;
use crate::sample::quality::QualityLimits;

/// The colour in the middle as an embedding. Pure red is more than it can bear.
struct Colour(ContractId, Arc<AtomicUsize>);

impl FaceEmbedder for Colour {
    fn contract_id(&self) -> &ContractId {
        &self.0
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        &ARCFACE_112
    }

    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let colour = &crop.rgb()[3 * (56 * 112 + 56)..][..3];
        assert_ne!(colour, [255, 0, 0], "on purpose");
        let numbers: Vec<f32> = colour.iter().map(|it| f32::from(*it) + 1.0).collect();
        Ok(Embedding::from_output(&numbers).expect("has a direction"))
    }
}

pub(in crate::evaluation) fn settings() -> PipelineSettings {
    PipelineSettings {
        image: ImageLimits::default(),
        quality: QualityLimits::default(),
    }
}

pub(in crate::evaluation) fn contract() -> ContractId {
    ContractId::new("colour:1")
}

/// An engine of such lanes, and how often they embedded.
pub(in crate::evaluation) fn engine(
    lanes: usize,
    queue: usize,
) -> (Engine<Pipeline>, Arc<AtomicUsize>) {
    let embedded = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&embedded);
    let factory = move || {
        let embedder = Colour(contract(), Arc::clone(&count));
        let settings = Arc::new(settings());
        Ok(Pipeline::new(
            Box::new(OneFace),
            Box::new(embedder),
            settings,
        ))
    };
    let settings = EngineSettings {
        lanes: NonZeroUsize::new(lanes).expect("not zero"),
        queue_length_max: NonZeroUsize::new(queue).expect("not zero"),
    };
    let engine = Engine::start(settings, Box::new(factory)).expect("starts");
    (engine, embedded)
}

fn colour(number: u8) -> [u8; 3] {
    [number * 5 + 20, 255 - number * 5, number]
}

fn write(path: &Path, colour: [u8; 3]) {
    let picture = image::RgbImage::from_pixel(96, 96, image::Rgb(colour));
    picture
        .save_with_format(path, image::ImageFormat::Png)
        .expect("writes");
}

/// Two samples each of some people, all of different colours; number 3 is no image.
pub(in crate::evaluation) fn people(count: u8) -> (TempDir, Dataset) {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..2 * count {
        let person = folder
            .path()
            .join(format!("images/person{:02}", number / 2));
        std::fs::create_dir_all(&person).expect("made");
        let path = person.join(format!("{number:02}.png"));
        write(&path, colour(number));
        if number == 3 {
            std::fs::write(&path, "no image").expect("writes");
        }
    }
    let images = folder.path().join("images");
    let dataset = Dataset::read_folders(&images, FOLDER_IMPOSTORS_MAX).expect("reads");
    (folder, dataset)
}

/// What all runs here have in common; `change` says what is different.
fn run(
    engine: &Engine<Pipeline>,
    dataset: &Dataset,
    change: impl FnOnce(&mut AcquireSettings<'_>),
    progress: &dyn Fn(Progress<'_>),
) -> Result<Acquired, AcquireError> {
    let (pipeline, stop) = (settings(), AtomicBool::new(false));
    let mut settings = plain(&pipeline, &stop, None);
    change(&mut settings);
    acquire(engine, &contract(), dataset, &settings, progress)
}

fn expected(number: u8) -> Option<Embedding> {
    let numbers = colour(number).map(|it| f32::from(it) + 1.0);
    (number != 3).then(|| Embedding::from_output(&numbers).expect("has a direction"))
}

fn is_expected(acquired: &Acquired) -> bool {
    let all = (0..).zip(&acquired.embeddings);
    all.into_iter()
        .all(|(number, found)| *found == expected(number))
}

#[test]
fn results_are_in_the_order_of_the_samples_on_any_number_of_lanes() {
    let (_folder, dataset) = people(12);
    // A queue of one job is enough, if it has to be.
    for (lanes, queue) in [(1, 1), (1, 8), (4, 32)] {
        let (engine, _) = engine(lanes, queue);
        let seen = RefCell::new(Vec::new());
        let note = |progress: Progress<'_>| match progress {
            Progress::Sample { done, total, .. } => seen.borrow_mut().push((done, total)),
            Progress::Note(note) => panic!("{note}"),
        };
        let acquired = run(&engine, &dataset, |_| {}, &note).expect("works");
        assert!(is_expected(&acquired), "{lanes} lanes");
        assert_eq!((acquired.computed, acquired.remembered), (24, 0));
        assert_eq!(acquired.failures, 1);
        assert!(acquired.took > Duration::ZERO);
        let told: Vec<_> = (1..=24).map(|done| (done, 24)).collect();
        assert_eq!(*seen.borrow(), told);
        let file = std::fs::read(&dataset.samples[3].path).expect("reads");
        let digest = crate::digest::bytes_of_hex(&sha256_hex(&file)).expect("hex");
        assert_eq!(acquired.digests[3], Some(digest));
    }
}

#[test]
fn what_was_remembered_costs_no_lane_anything() {
    let (folder, dataset) = people(6);
    let cache = EmbeddingCache::new(&folder.path().join("remembered"), &[]);
    let (engine, embedded) = engine(2, 16);
    let with_cache = || run_with_cache(&engine, &dataset, &cache);
    let first = with_cache();
    assert_eq!(embedded.load(Ordering::Relaxed), 11);
    let second = with_cache();
    assert_eq!(embedded.load(Ordering::Relaxed), 11);
    assert_eq!((second.computed, second.remembered), (0, 12));
    assert_eq!((second.failures, second.took), (1, Duration::ZERO));
    assert_eq!(second.embeddings, first.embeddings);
    assert_eq!(second.digests, first.digests);
    // Another image under the same name is another sample.
    write(&dataset.samples[0].path, colour(30));
    let third = with_cache();
    assert_eq!((third.computed, third.remembered), (1, 11));
    assert_eq!(third.embeddings[0], expected(30));
    assert_ne!(third.digests[0], first.digests[0]);
}

fn run_with_cache(
    engine: &Engine<Pipeline>,
    dataset: &Dataset,
    cache: &EmbeddingCache,
) -> Acquired {
    let (pipeline, stop) = (settings(), AtomicBool::new(false));
    let settings = plain(&pipeline, &stop, Some(cache));
    let quiet = |_: Progress<'_>| {};
    acquire(engine, &contract(), dataset, &settings, &quiet).expect("works")
}

fn plain<'a>(
    pipeline: &'a PipelineSettings,
    stop: &'a AtomicBool,
    cache: Option<&'a EmbeddingCache>,
) -> AcquireSettings<'a> {
    AcquireSettings {
        gated: false,
        choice: FaceChoice::Central,
        role: None,
        degradation: None,
        pipeline,
        cache,
        stop,
    }
}

#[test]
fn whoever_interrupts_loses_nothing_that_was_finished() {
    let (folder, dataset) = people(20);
    let cache = EmbeddingCache::new(&folder.path().join("remembered"), &[]);
    let (engine, _) = engine(1, 8);
    let (pipeline, stop) = (settings(), AtomicBool::new(false));
    let interrupt = |progress: Progress<'_>| {
        if matches!(progress, Progress::Sample { done: 5, .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let settings = plain(&pipeline, &stop, Some(&cache));
    let stopped = acquire(&engine, &contract(), &dataset, &settings, &interrupt);
    let Err(AcquireError::Interrupted { done, total }) = stopped else {
        panic!("goes on: {stopped:?}");
    };
    assert!((5..20).contains(&done) && total == 40, "{done} of {total}");
    let rest = run_with_cache(&engine, &dataset, &cache);
    assert_eq!(rest.remembered, done as u64);
    assert_eq!(rest.computed, 40 - done as u64);
    assert!(is_expected(&rest));
}

#[test]
fn a_degradation_is_of_its_side_alone() {
    let (folder, _) = people(3);
    let images = folder.path().join("images");
    let list = folder.path().join("list.csv");
    let text = "probe,reference,genuine\n\
        person00/00.png,person00/01.png,1\nperson01/02.png,person02/04.png,0\n";
    std::fs::write(&list, text).expect("writes");
    let dataset = Dataset::read_csv(&list, &images).expect("reads");
    let (engine, _) = engine(2, 16);
    let quiet = |_: Progress<'_>| {};
    let grey = |settings: &mut AcquireSettings<'_>| {
        settings.degradation = Some(Degradation::ReferenceGrey);
    };
    let acquired = run(&engine, &dataset, grey, &quiet).expect("works");
    let there: Vec<bool> = acquired.embeddings.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, true, false, true]);
    assert_eq!((acquired.computed, acquired.failures), (2, 0));
    // Grey: three equal numbers of unit length.
    let third = 1.0 / 3.0_f32.sqrt();
    let reference = acquired.embeddings[1].as_ref().expect("there");
    assert!(
        reference
            .as_slice()
            .iter()
            .all(|it| (it - third).abs() < 1e-6)
    );
    // The digest is that of the file, whatever was made of it.
    let clean = run(&engine, &dataset, |_| {}, &quiet).expect("works");
    assert_eq!(acquired.digests[1], clean.digests[1]);
    assert_eq!(acquired.digests[0], None);
}

#[test]
fn a_sample_that_cannot_be_degraded_is_a_failure_to_acquire() {
    let (_folder, dataset) = people(3);
    let (engine, _) = engine(1, 8);
    let rotated = |settings: &mut AcquireSettings<'_>| {
        settings.degradation = Some(Degradation::ProbeRotated);
    };
    let acquired = run(&engine, &dataset, rotated, &|_| {}).expect("works");
    assert_eq!((acquired.computed, acquired.failures), (6, 1));
    assert!(acquired.embeddings[3].is_none());
}

#[test]
fn a_cache_that_another_run_uses_is_told_and_done_without() {
    let (folder, dataset) = people(2);
    let cache = EmbeddingCache::new(&folder.path().join("remembered"), &[]);
    let (engine, _) = engine(1, 8);
    let (pipeline, stop) = (settings(), AtomicBool::new(false));
    let settings = plain(&pipeline, &stop, Some(&cache));
    let held = cache
        .open(&contract(), &settings.treatment())
        .expect("opens");
    let notes = RefCell::new(Vec::new());
    let listen = |progress: Progress<'_>| {
        if let Progress::Note(note) = progress {
            notes.borrow_mut().push(note.to_owned());
        }
    };
    let acquired = acquire(&engine, &contract(), &dataset, &settings, &listen).expect("works");
    assert_eq!(acquired.computed, 4);
    assert_eq!(notes.borrow().len(), 1);
    assert!(notes.borrow()[0].contains("another run"));
    drop(held);
}

#[test]
fn an_unreadable_file_and_a_failing_lane_name_the_sample() {
    let (_folder, dataset) = people(4);
    let (engine, _) = engine(2, 16);
    write(&dataset.samples[5].path, [255, 0, 0]);
    let failed = run(&engine, &dataset, |_| {}, &|_| {}).expect_err("panics");
    assert!(failed.to_string().contains("05.png"), "{failed}");
    std::fs::remove_file(&dataset.samples[5].path).expect("removed");
    let failed = run(&engine, &dataset, |_| {}, &|_| {}).expect_err("not there");
    assert!(
        matches!(failed, AcquireError::Unreadable { .. }),
        "{failed}"
    );
    assert!(failed.to_string().contains("05.png"), "{failed}");
}

#[test]
fn the_digest_of_the_data_is_that_of_its_names_and_digests() {
    let (_folder, mut dataset) = people(2);
    for (sample, name) in dataset.samples.iter_mut().zip(["b", "a", "c", "d"]) {
        name.clone_into(&mut sample.name);
    }
    let digests = [Some([1; 32]), Some([2; 32]), None, Some([3; 32])];
    let text = ["a", "b", "d"].iter().zip(["02", "01", "03"]);
    let text: Vec<String> = text
        .map(|(name, byte)| format!("{name} {}\n", byte.repeat(32)))
        .collect();
    let text = text.concat();
    assert_eq!(data_digest(&dataset, &digests), sha256_hex(text.as_bytes()));
}

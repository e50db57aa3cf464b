//! A lane reuses its memory from sample to sample: what it held before changes nothing, bit for
//! bit.

use std::sync::Arc;

use bytes::Bytes;
use image::imageops::{self, FilterType};
use padan::app::ModelSet;
use padan::engine::Checkpoint;
use padan::model::YunetDetector;
use padan::pipeline::{Goal, Pipeline, SampleTask};
use padan::sample::align::ARCFACE_112;
use padan::sample::decode::Reduction;
use padan::sample::detect::{Detection, FaceChoice, locate};
use padan::sample::picture::Picture;
use padan::sample::quality::QualityMeasure;
use padan::sample::{SampleRole, Workspace};

use crate::support;

fn selfie() -> image::RgbImage {
    let path = support::repository().join("benches/pictures/selfie_1280x960.jpg");
    image::open(path).expect("decodes").into_rgb8()
}

/// Samples of several sizes, on several ways through detection: halved first, as it is, turned,
/// decoded at a reduction, every pass in vain.
fn samples() -> Vec<(&'static str, Bytes)> {
    let selfie = selfie();
    let resized = |width, height| imageops::resize(&selfie, width, height, FilterType::Triangle);
    let pictures = [
        ("standard", selfie.clone()),
        ("larger", resized(2400, 1800)),
        ("smaller", resized(240, 180)),
        ("odd", resized(641, 479)),
        ("on its side", imageops::rotate90(&resized(1600, 1200))),
        ("another person", support::picture("person_b_1.jpg")),
        ("reduced by the decoder", resized(4000, 3000)),
        (
            "no face",
            image::RgbImage::from_pixel(1400, 700, image::Rgb([90, 120, 60])),
        ),
    ];
    pictures
        .map(|(name, picture)| (name, support::jpeg(&picture)))
        .into()
}

fn pipeline() -> Pipeline {
    let config = support::config();
    let models = ModelSet::select(&config).expect("the models are there");
    let pipeline = models.pipeline(&Arc::new(config.pipeline));
    pipeline.expect("is made")
}

/// All that a sample gives, numbers by their bits.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Faces, choice, faults: Rust writes a float so that no other has the same text.
    found: String,
    quarter_turns: u8,
    reduction: Reduction,
    quality: Vec<QualityMeasure>,
    embedding: Option<Vec<u32>>,
}

fn seen_by(pipeline: &mut Pipeline, image: &Bytes) -> Seen {
    let task = SampleTask {
        cascade: None,
        image: image.clone(),
        role: SampleRole::Probe,
        choice: FaceChoice::Largest,
        goal: Goal::EmbedAnyway,
    };
    let result = pipeline.run(&task, &Checkpoint::always()).expect("works");
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect();
    let found = (&result.faces, result.selected, &result.faults);
    Seen {
        found: format!("{found:?}"),
        quarter_turns: result.quarter_turns,
        reduction: result.reduction,
        quality: result.quality,
        embedding: result
            .template
            .map(|template| bits(template.embedding.as_slice())),
    }
}

/// Every sample after every other, and after itself.
fn every_order(count: usize) -> impl Iterator<Item = usize> {
    (0..count).flat_map(move |first| (0..count).flat_map(move |second| [first, second]))
}

#[test]
fn a_sample_gives_the_same_whatever_its_lane_saw_before() {
    let samples = samples();
    let fresh: Vec<Seen> = samples
        .iter()
        .map(|(_, image)| seen_by(&mut pipeline(), image))
        .collect();
    // Each way is really taken.
    let [with_face @ .., without] = fresh.as_slice() else {
        panic!("there are samples")
    };
    assert!(with_face.iter().all(|seen| seen.embedding.is_some()));
    assert!(without.embedding.is_none());
    assert!(with_face.iter().any(|seen| seen.quarter_turns != 0));
    assert!(
        with_face
            .iter()
            .any(|seen| seen.reduction != Reduction::None)
    );
    let mut used = pipeline();
    for number in every_order(samples.len()) {
        let (name, image) = &samples[number];
        let again = seen_by(&mut used, image);
        assert!(
            again == fresh[number],
            "{name}: seen otherwise than by a fresh lane"
        );
    }
}

/// The faces of a picture, and the crop with its mask if there is one.
fn aligned(
    detector: &mut YunetDetector,
    picture: &Picture,
    workspace: &mut Workspace,
) -> (Detection, Option<Picture>, Vec<bool>) {
    let (role, choice) = (SampleRole::Probe, FaceChoice::Largest);
    let found = locate(detector, &mut workspace.detect, picture, role, choice);
    let found = found.expect("detection works");
    let Some(selected) = found.selected else {
        return (found, None, Vec::new());
    };
    let landmarks = &found.faces[selected].landmarks;
    let face = &mut workspace.face;
    face.align(picture, landmarks, &ARCFACE_112)
        .expect("aligns");
    (found, Some(face.crop().clone()), face.inside().to_vec())
}

#[test]
fn crops_are_the_same_in_used_buffers_wiped_or_not() {
    let samples = samples();
    let pictures: Vec<Picture> = samples
        .iter()
        .map(|(_, image)| support::decoded(image))
        .collect();
    let mut detector = support::detector();
    let fresh: Vec<_> = pictures
        .iter()
        .map(|picture| aligned(&mut detector, picture, &mut Workspace::default()))
        .collect();
    let (mut wiped, mut unwiped) = (Workspace::default(), Workspace::default());
    for number in every_order(samples.len()) {
        let name = samples[number].0;
        let picture = &pictures[number];
        assert!(
            aligned(&mut detector, picture, &mut wiped) == fresh[number],
            "{name}, wiped"
        );
        assert!(
            aligned(&mut detector, picture, &mut unwiped) == fresh[number],
            "{name}, not wiped"
        );
        wiped.wipe();
    }
}

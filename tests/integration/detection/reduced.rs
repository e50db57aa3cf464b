//! Large JPEGs are decoded small: whatever is reported must be what the whole picture gives. The
//! same pixels as a PNG are never reduced, and are what is compared with.

use std::sync::Arc;

use bytes::Bytes;
use image::imageops::{self, FilterType};
use image::{ImageFormat, RgbImage};
use padan::compare::compare;
use padan::decision::ReasonCode;
use padan::engine::Checkpoint;
use padan::pipeline::{Goal, Pipeline, PipelineSettings, SampleResult, SampleTask};
use padan::sample::SampleRole;
use padan::sample::decode::Reduction;
use padan::sample::detect::FaceChoice;
use padan::sample::geometry::{Face, Point};
use padan::sample::quality::{Component, QualityMeasure};

use super::scenes::{gradient, pasted, turned};
use super::{PORTRAITS, face_with_side, support};

/// Cosine of the two embeddings of one face, read from the whole and from the reduced picture.
const SIMILARITY_MIN: f32 = 0.98;

/// Pipelines of the default models, with room for 12 megapixels as PNG.
struct Reader(Pipeline);

impl Reader {
    fn new() -> Self {
        let config = support::config();
        let mut settings: PipelineSettings = config.pipeline.clone();
        settings.image.image_bytes_max = 64 << 20;
        let embedder = support::embedder(&config.embedder);
        let detector = Box::new(support::detector());
        Self(Pipeline::new(
            detector,
            Box::new(embedder),
            Arc::new(settings),
        ))
    }

    fn read(&mut self, image: Bytes, role: SampleRole) -> SampleResult {
        let task = SampleTask {
            cascade: None,
            image,
            role,
            choice: FaceChoice::Largest,
            goal: Goal::EmbedAnyway,
        };
        self.0.run(&task, &Checkpoint::always()).expect("runs")
    }

    /// The sample as a JPEG, and the same pixels never reduced.
    fn both(&mut self, scene: &RgbImage, role: SampleRole) -> [SampleResult; 2] {
        let jpeg = support::jpeg(scene);
        let pixels = image::load_from_memory(&jpeg).expect("decodes").into_rgb8();
        let png = support::encode(&pixels, ImageFormat::Png);
        [self.read(jpeg, role), self.read(png, role)]
    }

    /// Reads the scene both ways, checks that they agree, and returns what the JPEG gave.
    fn agreed(&mut self, scene: &RgbImage, role: SampleRole, place: &str) -> SampleResult {
        let [reduced, whole] = self.both(scene, role);
        assert_eq!(whole.reduction, Reduction::None, "{place}");
        assert_eq!(
            (reduced.width, reduced.height),
            scene.dimensions(),
            "{place}"
        );
        assert_eq!(reduced.faults, whole.faults, "{place}");
        assert_eq!(reduced.selected, whole.selected, "{place}");
        assert_eq!(reduced.quarter_turns, whole.quarter_turns, "{place}");
        assert_eq!(reduced.faces.len(), whole.faces.len(), "{place}");
        for (a, b) in reduced.faces.iter().zip(&whole.faces) {
            assert_same_place(a, b, place);
        }
        assert_same_quality(&reduced.quality, &whole.quality, place);
        if let (Some(a), Some(b)) = (&reduced.template, &whole.template) {
            let similarity = compare(a, b).expect("one contract").value();
            println!(
                "{place}: {:?}, similarity {similarity:.4}",
                reduced.reduction
            );
            assert!(similarity >= SIMILARITY_MIN, "{place}: {similarity}");
        }
        reduced
    }
}

fn assert_same_place(a: &Face, b: &Face, place: &str) {
    let side = b.rect.side();
    let moved = a.rect.centre().distance(b.rect.centre()) / side;
    let grown = (a.rect.side() / side - 1.0).abs();
    assert!(
        moved < 0.03 && grown < 0.05,
        "{place}: {:?} {:?}",
        a.rect,
        b.rect
    );
    let points = a.landmarks.points().into_iter().zip(b.landmarks.points());
    let off = points.map(|(a, b)| a.distance(b)).fold(0.0, f32::max);
    let off = off / b.landmarks.inter_eye_px();
    assert!(
        off < 0.05,
        "{place}: a landmark is {off:.3} eye distances off"
    );
}

fn assert_same_quality(a: &[QualityMeasure], b: &[QualityMeasure], place: &str) {
    assert_eq!(a.len(), b.len(), "{place}");
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.verdict(), b.verdict(), "{place}: {a:?} {b:?}");
        if matches!(
            a.component,
            Component::FaceSide | Component::InterEyeDistance
        ) {
            let share = a.native / b.native;
            assert!((0.95..1.05).contains(&share), "{place}: {a:?} {b:?}");
        }
    }
}

/// 12 megapixels with heads whose faces have these sides, pasted at these corners.
fn scene_of(heads: &[(&str, f32, u32, u32)]) -> RgbImage {
    let mut scene = gradient(4000, 3000);
    for (name, side, x, y) in heads {
        scene = pasted(&scene, &face_with_side(name, *side), *x, *y);
    }
    scene
}

#[test]
fn a_large_face_is_read_at_a_quarter_and_reported_in_pixels_of_the_sample() {
    let mut reader = Reader::new();
    for name in PORTRAITS {
        let scene = scene_of(&[(name, 1300.0, 800, 200)]);
        let result = reader.agreed(&scene, SampleRole::Probe, name);
        assert_eq!(result.reduction, Reduction::Quarter, "{name}");
        let side = result.faces[0].rect.side();
        assert!((1150.0..1450.0).contains(&side), "{name}: {side}");
    }
}

#[test]
fn a_smaller_face_is_read_again_in_the_whole_picture() {
    let mut reader = Reader::new();
    for side in [600.0, 280.0] {
        let scene = scene_of(&[("person_a_2.jpg", side, 1500, 900)]);
        let place = format!("a face of {side} pixels");
        let result = reader.agreed(&scene, SampleRole::Probe, &place);
        assert_eq!(result.reduction, Reduction::None, "{place}");
    }
}

#[test]
fn a_second_face_is_not_lost_in_a_reduced_picture() {
    let mut reader = Reader::new();
    for (other, faults) in [
        (900.0, [&[ReasonCode::MultipleFaces][..]; 2]),
        (420.0, [&[], &[ReasonCode::MultipleFaces]]),
    ] {
        let scene = scene_of(&[
            ("person_a_2.jpg", 1200.0, 100, 500),
            ("impostor_2.jpg", other, 2350, 400),
        ]);
        for (role, faults) in [SampleRole::Probe, SampleRole::Reference]
            .into_iter()
            .zip(faults)
        {
            let place = format!("a second face of {other} pixels in a {role:?}");
            let result = reader.agreed(&scene, role, &place);
            assert_eq!(result.faces.len(), 2, "{place}");
            assert_eq!(result.faults, faults, "{place}");
            assert_eq!(result.reduction, Reduction::Quarter, "{place}");
        }
    }
}

#[test]
fn small_faces_side_by_side_are_looked_for_in_the_whole_picture() {
    let mut reader = Reader::new();
    let scene = scene_of(&[
        ("person_a_2.jpg", 130.0, 700, 900),
        ("person_b_2.jpg", 110.0, 2600, 1700),
    ]);
    let result = reader.agreed(&scene, SampleRole::Probe, "two small faces");
    assert_eq!(result.reduction, Reduction::None);
    assert_eq!(result.faces.len(), 2);
    assert_eq!(result.faults, [ReasonCode::MultipleFaces]);
}

#[test]
fn without_a_face_in_the_reduced_picture_the_whole_one_is_searched() {
    let mut reader = Reader::new();
    let result = reader.agreed(&gradient(4000, 3000), SampleRole::Probe, "no face");
    assert_eq!(result.faults, [ReasonCode::NoFace]);
    assert_eq!(result.reduction, Reduction::None);
}

#[test]
fn a_large_picture_on_its_side_is_read_at_a_quarter_too() {
    let mut reader = Reader::new();
    let upright = scene_of(&[("person_b_2.jpg", 1300.0, 800, 200)]);
    let (lying, _) = turned(&upright, 1, Point::default());
    let result = reader.agreed(&lying, SampleRole::Probe, "on its side");
    assert_eq!(result.reduction, Reduction::Quarter);
    assert_eq!(result.quarter_turns, 3);
}

#[test]
fn a_whole_portrait_enlarged_to_12_megapixels_verifies_as_before() {
    let mut reader = Reader::new();
    for name in ["person_a_2.jpg", "person_b_2.jpg"] {
        let portrait = support::picture(name);
        let large = imageops::resize(&portrait, 3200, 4000, FilterType::Triangle);
        let result = reader.agreed(&large, SampleRole::Probe, name);
        assert_ne!(result.reduction, Reduction::None, "{name}");
        let small = reader.read(support::portrait(name), SampleRole::Probe);
        let [large, small] = [&result, &small].map(|result| result.template.as_ref());
        let similarity = compare(large.expect("a face"), small.expect("a face"));
        let similarity = similarity.expect("one contract").value();
        println!("{name}: {similarity:.4} to the portrait as it is");
        assert!(similarity > 0.9, "{name}: {similarity}");
    }
}

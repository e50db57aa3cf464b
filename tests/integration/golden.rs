//! padan against OpenCV, which computed `tests/golden` from the same portraits: detection,
//! alignment and embedding in 32 bits, each on identical input.

use std::collections::BTreeMap;

use padan::embed::FaceEmbedder;
use padan::sample::align::{ARCFACE_112, aligned_crop};
use padan::sample::detect::FaceDetector;
use padan::sample::geometry::{Face, Landmarks, Point};
use padan::sample::picture::Picture;
use serde::Deserialize;

use crate::support;

/// OpenCV's own threshold when the data was made.
const CONFIDENCE_MIN: f32 = 0.7;

#[derive(Deserialize)]
struct Golden {
    portraits: BTreeMap<String, Portrait>,
}

#[derive(Deserialize)]
struct Portrait {
    detections: Vec<Detection>,
    landmarks: GoldenLandmarks,
    embedding: Vec<f64>,
}

#[derive(Deserialize)]
struct Detection {
    width: u32,
    height: u32,
    faces: Vec<GoldenFace>,
}

#[derive(Deserialize)]
struct GoldenFace {
    r#box: [f32; 4],
    landmarks: GoldenLandmarks,
    confidence: f32,
}

#[derive(Deserialize)]
struct GoldenLandmarks {
    right_eye: [f32; 2],
    left_eye: [f32; 2],
    nose_tip: [f32; 2],
    right_mouth_corner: [f32; 2],
    left_mouth_corner: [f32; 2],
}

impl GoldenLandmarks {
    fn to_landmarks(&self) -> Landmarks {
        let points = [
            self.right_eye,
            self.left_eye,
            self.nose_tip,
            self.right_mouth_corner,
            self.left_mouth_corner,
        ];
        Landmarks::from_points(points.map(|[x, y]| Point::new(x, y)))
    }
}

/// The golden data of all six portraits.
fn golden() -> BTreeMap<String, Portrait> {
    let path = support::repository().join("tests/golden/golden.json");
    let text = std::fs::read_to_string(path).expect("the golden data is in the tree");
    let golden: Golden = serde_json::from_str(&text).expect("the golden data parses");
    assert_eq!(golden.portraits.len(), 6, "six portraits");
    golden.portraits
}

fn opencv_crop(name: &str) -> Picture {
    let path = support::repository().join(format!("tests/golden/crops/{name}.png"));
    let crop = support::decoded(&std::fs::read(path).expect("the crop is in the tree"));
    assert_eq!((crop.width(), crop.height()), (112, 112));
    crop
}

fn portrait(name: &str) -> Picture {
    support::decoded(&support::portrait(&format!("{name}.jpg")))
}

fn cosine(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |one: &dyn Fn(usize) -> f64, two: &dyn Fn(usize) -> f64| -> f64 {
        (0..a.len()).map(|n| one(n) * two(n)).sum()
    };
    let (ours, theirs) = (|n: usize| f64::from(b[n]), |n: usize| a[n]);
    dot(&ours, &theirs) / (dot(&ours, &ours) * dot(&theirs, &theirs)).sqrt()
}

#[test]
fn embeddings_of_the_same_crops_have_cosine_0_9999_or_more_to_those_of_opencv() {
    let mut embedder = support::embedder(support::FULL_PRECISION);
    for (name, portrait) in golden() {
        let embedding = embedder.embed(&opencv_crop(&name)).expect("embeds");
        let cosine = cosine(&portrait.embedding, embedding.as_slice());
        assert!(cosine >= 0.9999, "{name}: {cosine:.7}");
        println!("{name}: cosine {cosine:.8}");
    }
}

#[test]
fn crops_differ_from_those_of_opencv_by_at_most_one_grey_level_on_average() {
    for (name, golden) in golden() {
        let landmarks = golden.landmarks.to_landmarks();
        let crop = aligned_crop(&portrait(&name), &landmarks, &ARCFACE_112).expect("aligns");
        let theirs = opencv_crop(&name);
        let differences = crop
            .rgb()
            .iter()
            .zip(theirs.rgb())
            .map(|(a, b)| a.abs_diff(*b));
        let sum: u32 = differences.map(u32::from).sum();
        let mean = f64::from(sum) / f64::from(112 * 112 * 3);
        assert!(mean <= 1.0, "{name}: {mean:.3} grey levels on average");
        println!("{name}: {mean:.4} grey levels");
    }
}

#[test]
fn the_whole_way_from_file_to_embedding_stays_within_cosine_0_999_of_opencv() {
    let mut embedder = support::embedder(support::FULL_PRECISION);
    for (name, golden) in golden() {
        let landmarks = golden.landmarks.to_landmarks();
        let crop = aligned_crop(&portrait(&name), &landmarks, &ARCFACE_112).expect("aligns");
        let embedding = embedder.embed(&crop).expect("embeds");
        let cosine = cosine(&golden.embedding, embedding.as_slice());
        assert!(cosine >= 0.999, "{name}: {cosine:.6}");
        println!("{name}: cosine {cosine:.7} from the file");
    }
}

#[test]
fn faces_at_the_same_size_are_those_of_opencv_within_one_pixel() {
    let mut detector = support::detector();
    for (name, golden) in golden() {
        let portrait = portrait(&name);
        for expected in &golden.detections {
            let (width, height) = (expected.width, expected.height);
            let seen = if (width, height) == (portrait.width(), portrait.height()) {
                portrait.clone()
            } else {
                portrait.resized(width, height).expect("resizes")
            };
            let faces = detector.detect(&seen, CONFIDENCE_MIN).expect("detects");
            let place = format!("{name} at {width}×{height}");
            assert_eq!(faces.len(), expected.faces.len(), "{place}");
            for (face, expected) in faces.iter().zip(&expected.faces) {
                assert_same_face(face, expected, &place);
            }
        }
    }
}

fn assert_same_face(face: &Face, expected: &GoldenFace, place: &str) {
    let [x, y, width, height] = expected.r#box;
    let rect = face.rect;
    let edges = [
        rect.x - x,
        rect.y - y,
        rect.x + rect.width - (x + width),
        rect.y + rect.height - (y + height),
    ];
    let expected_points = expected.landmarks.to_landmarks().points();
    let pairs = face.landmarks.points().into_iter().zip(expected_points);
    let farthest = pairs
        .map(|(ours, theirs)| ours.distance(theirs))
        .fold(0.0, f32::max);
    let widest = edges.map(f32::abs).into_iter().fold(0.0, f32::max);
    let confidence = (face.confidence - expected.confidence).abs();
    println!(
        "{place}: edges {widest:.3} px, landmarks {farthest:.3} px, confidence {confidence:.5}"
    );
    assert!(
        widest <= 1.0,
        "{place}: an edge of the box is {widest} px off"
    );
    assert!(farthest <= 1.0, "{place}: a landmark is {farthest} px off");
    assert!(
        confidence <= 0.01,
        "{place}: the confidence is {confidence} off"
    );
}

#[test]
fn the_golden_data_belongs_to_the_models_in_the_manifest() {
    let path = support::repository().join("tests/golden/golden.json");
    let text = std::fs::read_to_string(path).expect("the golden data is in the tree");
    let golden: serde_json::Value = serde_json::from_str(&text).expect("parses");
    let manifest = std::fs::read_to_string(support::repository().join("models/manifest.toml"))
        .expect("the manifest is in the tree");
    let digests = golden["models"]
        .as_object()
        .expect("names and digests of models");
    assert_eq!(digests.len(), 2);
    for (file, digest) in digests {
        let source = format!("{file}, SHA-256 {}", digest.as_str().expect("a digest"));
        assert!(
            manifest.contains(&source),
            "no model in the manifest was made from {source}"
        );
    }
}

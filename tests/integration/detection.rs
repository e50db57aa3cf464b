//! Finding faces with the real network: faces that fill the frame, small and lying ones, crowds,
//! and pictures without any.

mod reduced;
mod scenes;

use std::time::{Duration, Instant};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use padan::app::App;
use padan::decision::{Decision, ReasonCode};
use padan::engine::Class;
use padan::sample::SampleRole;
use padan::sample::detect::{Detection, FaceChoice, Workspace, locate};
use padan::sample::geometry::{Face, Point};
use padan::verify::{Reference, Urgency, Verification, VerifyTask};

use crate::support::{self, PORTRAITS};
use scenes::{
    as_portrait, cropped, gradient, noise, pasted, to_f32, to_px, turned, with_longer_side,
};

/// Probe and reference of one person, years apart.
const GENUINE: [(&str, &str); 2] = [
    ("person_a_2.jpg", "person_a_1.jpg"),
    ("person_b_2.jpg", "person_b_1.jpg"),
];

fn located_as(picture: &RgbImage, role: SampleRole) -> Detection {
    let picture = support::as_picture(picture);
    locate(
        &mut support::detector(),
        &mut Workspace::default(),
        &picture,
        role,
        FaceChoice::Largest,
    )
    .expect("detection works")
}

fn located(picture: &RgbImage) -> Detection {
    located_as(picture, SampleRole::Probe)
}

/// The only face of a picture that must have one.
fn face_of(picture: &RgbImage, place: &str) -> Face {
    let found = located(picture);
    let selected = found.selected.unwrap_or_else(|| panic!("{place}: no face"));
    assert_eq!(found.faults, [], "{place}");
    found.faces[selected]
}

/// The face with half its side of surroundings on every side, scaled so that its side is `side`.
fn face_with_side(name: &str, side: f32) -> RgbImage {
    let picture = support::picture(name);
    let face = face_of(&picture, name);
    let scale = side / face.rect.side();
    let head = cropped(&picture, face.rect.scaled(1.6));
    let [width, height] = [head.width(), head.height()].map(|px| to_px(to_f32(px) * scale));
    imageops::resize(&head, width, height, FilterType::Triangle)
}

async fn verified(app: &App, probe: &RgbImage, reference: &RgbImage) -> Verification {
    let png = |picture| support::encode(picture, image::ImageFormat::Png);
    let task = VerifyTask {
        probe: png(probe),
        reference: Reference::Sample(png(reference)),
        policy: String::new(),
    };
    let urgency = Urgency {
        class: Class::LiveCheck,
        deadline: Some(Instant::now() + Duration::from_mins(2)),
    };
    app.verifier
        .verify(task, urgency)
        .await
        .expect("a decision")
}

fn assert_match(verification: &Verification, place: &str) {
    let verdict = &verification.verdict;
    assert_eq!(
        verdict.decision,
        Decision::Match,
        "{place}: {:?}",
        verdict.reasons
    );
}

#[test]
fn faces_that_fill_the_frame_are_found_at_the_right_place() {
    for name in PORTRAITS {
        let picture = support::picture(name);
        let whole = face_of(&picture, name);
        for factor in [1.0, 0.9, 0.8, 0.7] {
            let place = format!("{name} cropped to {factor} of the face box");
            let area = whole.rect.scaled(factor);
            let close_up = with_longer_side(&cropped(&picture, area), 1280);
            let face = face_of(&close_up, &place);
            // The eyes and the nose, carried from the whole picture into the crop.
            let scale = to_f32(close_up.width()) / area.width;
            let carried = |p: Point| Point::new((p.x - area.x) * scale, (p.y - area.y) * scale);
            let inter_eye = whole.landmarks.inter_eye_px() * scale;
            let points = face
                .landmarks
                .points()
                .into_iter()
                .zip(whole.landmarks.points());
            let off = points
                .take(3)
                .map(|(seen, there)| seen.distance(carried(there)));
            let off = off.fold(0.0, f32::max) / inter_eye;
            println!(
                "{place}: {off:.3} eye distances off, confidence {:.3}",
                face.confidence
            );
            assert!(
                off < 0.25,
                "{place}: a landmark is {off:.2} eye distances off"
            );
        }
    }
}

#[tokio::test]
async fn a_reference_of_120_by_160_or_240_by_320_pixels_still_matches_its_person() {
    let app = App::start(&support::config()).expect("starts");
    for (probe, reference) in GENUINE {
        for (width, height) in [(120, 160), (240, 320)] {
            let place = format!("{reference} at {width}×{height}");
            let small = as_portrait(&support::picture(reference), width, height);
            assert_eq!(small.dimensions(), (width, height));
            let verification = verified(&app, &support::picture(probe), &small).await;
            assert_match(&verification, &place);
        }
    }
}

#[test]
fn a_face_is_found_in_a_120_by_160_portrait_of_at_most_4_kilobytes() {
    for name in PORTRAITS {
        let small = as_portrait(&support::picture(name), 120, 160);
        let encoded = (10..=90).rev().step_by(5).map(|quality| {
            let mut bytes = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode_image(&small)
                .expect("encodes");
            (quality, bytes)
        });
        let (quality, bytes) = encoded
            .into_iter()
            .find(|(_, bytes)| bytes.len() <= 4096)
            .expect("some quality gives 4 KB");
        let picture = support::decoded(&bytes);
        let role = SampleRole::Reference;
        let found = locate(
            &mut support::detector(),
            &mut Workspace::default(),
            &picture,
            role,
            FaceChoice::Largest,
        )
        .expect("detection works");
        println!("{name}: quality {quality}, {} bytes", bytes.len());
        assert!(
            found.selected.is_some(),
            "{name} at quality {quality}: no face"
        );
        assert_eq!(found.faults, [], "{name} at quality {quality}");
    }
}

#[test]
fn pictures_on_their_side_come_out_upright_with_landmarks_where_the_eyes_are() {
    for name in PORTRAITS {
        let picture = support::picture(name);
        let upright = face_of(&picture, name);
        assert_eq!(located(&picture).quarter_turns, 0, "{name} is upright");
        for quarters in 1..4 {
            let place = format!("{name} turned {quarters} × 90°");
            let (lying, _) = turned(&picture, quarters, Point::default());
            let found = located(&lying);
            assert_eq!(found.quarter_turns, 4 - quarters, "{place}");
            let selected = found.selected.unwrap_or_else(|| panic!("{place}: no face"));
            let landmarks = found.faces[selected].landmarks;
            let inter_eye = upright.landmarks.inter_eye_px();
            for (seen, there) in landmarks
                .points()
                .into_iter()
                .zip(upright.landmarks.points())
            {
                let (_, expected) = turned(&picture, quarters, there);
                let off = seen.distance(expected) / inter_eye;
                assert!(
                    off < 0.05,
                    "{place}: a landmark is {off:.3} eye distances off"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_probe_or_reference_on_its_side_still_matches() {
    let app = App::start(&support::config()).expect("starts");
    for (probe, reference) in GENUINE {
        let [probe, reference] = [probe, reference].map(support::picture);
        for quarters in 1..4 {
            let (lying, _) = turned(&probe, quarters, Point::default());
            let verification = verified(&app, &lying, &reference).await;
            assert_match(&verification, &format!("probe turned {quarters} × 90°"));
            assert_eq!(verification.probe.quarter_turns, 4 - quarters);
            let (lying, _) = turned(&reference, quarters, Point::default());
            let verification = verified(&app, &probe, &lying).await;
            assert_match(&verification, &format!("reference turned {quarters} × 90°"));
        }
    }
}

#[test]
fn a_face_of_120_pixels_is_found_in_a_picture_of_12_megapixels() {
    let scene = gradient(4000, 3000);
    for (name, x, y) in [
        ("person_a_2.jpg", 3200, 2300),
        ("person_b_1.jpg", 150, 200),
        ("impostor_1.jpg", 1900, 1400),
    ] {
        let head = face_with_side(name, 120.0);
        let face = face_of(&pasted(&scene, &head, x, y), name);
        let side = face.rect.side();
        assert!(
            (100.0..145.0).contains(&side),
            "{name}: a side of {side} pixels"
        );
        let middle = Point::new(
            to_f32(x) + to_f32(head.width()) / 2.0,
            to_f32(y) + to_f32(head.height()) / 2.0,
        );
        assert!(
            face.rect.centre().distance(middle) < 25.0,
            "{name}: {:?}",
            face.rect
        );
    }
}

/// A wide scene with a face of 300 pixels, and another one of `other_side` beside it.
fn two_faces(other_side: f32) -> RgbImage {
    let scene = gradient(1280, 960);
    let scene = pasted(&scene, &face_with_side("person_a_2.jpg", 300.0), 100, 250);
    pasted(
        &scene,
        &face_with_side("impostor_2.jpg", other_side),
        800,
        200,
    )
}

#[test]
fn a_small_bystander_is_ignored_in_a_probe() {
    let found = located(&two_faces(100.0));
    assert_eq!(found.faults, []);
    assert_eq!(found.faces.len(), 2, "the bystander is seen, and reported");
    let face = found.faces[found.selected.expect("a face")];
    assert!(
        (270.0..330.0).contains(&face.rect.side()),
        "{:?}",
        face.rect
    );
    assert!(face.rect.centre().x < 640.0, "the large face is meant");
}

#[test]
fn a_second_comparable_face_is_refused() {
    for side in [200.0, 300.0] {
        for role in [SampleRole::Probe, SampleRole::Reference] {
            let found = located_as(&two_faces(side), role);
            assert_eq!(
                found.faults,
                [ReasonCode::MultipleFaces],
                "{side} as {role:?}"
            );
        }
    }
}

#[test]
fn a_reference_with_a_small_second_face_is_refused() {
    let found = located_as(&two_faces(100.0), SampleRole::Reference);
    assert_eq!(found.faults, [ReasonCode::MultipleFaces]);
}

#[test]
fn pictures_without_a_face_have_none() {
    let cases = [
        ("black", RgbImage::new(640, 480)),
        ("white", RgbImage::from_pixel(640, 480, Rgb([255; 3]))),
        ("grey", RgbImage::from_pixel(480, 640, Rgb([127; 3]))),
        ("noise", noise(640, 480)),
        ("fine noise", noise(1600, 1200)),
        ("a gradient", gradient(640, 480)),
        (
            "one pixel",
            RgbImage::from_pixel(1, 1, Rgb([200, 150, 120])),
        ),
        ("a line", gradient(1, 4000)),
        ("a flat line", gradient(4000, 1)),
    ];
    for (name, picture) in cases {
        for role in [SampleRole::Probe, SampleRole::Reference] {
            let found = located_as(&picture, role);
            assert_eq!(
                found.faults,
                [ReasonCode::NoFace],
                "{name}: {:?}",
                found.faces
            );
            assert_eq!(found.selected, None, "{name}");
        }
    }
}

#[test]
fn a_portrait_whose_face_is_blacked_out_has_no_face_there() {
    for name in PORTRAITS {
        let mut picture = support::picture(name);
        let hidden = face_of(&picture, name).rect.scaled(1.1);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if hidden.contains(Point::new(to_f32(x), to_f32(y))) {
                *pixel = Rgb([0; 3]);
            }
        }
        let found = located(&picture);
        for face in &found.faces {
            let shared = hidden.overlap(face.rect);
            assert!(
                shared < 0.1,
                "{name}: {face:?} overlaps the black box by {shared:.2}"
            );
        }
    }
}

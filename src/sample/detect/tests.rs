use std::collections::VecDeque;

use super::*;
use crate::sample::geometry::{Landmarks, Rect};

/// Answers each pass from a list; after its end, nothing is found. Notes what it was shown.
#[derive(Default)]
struct Scripted {
    answers: VecDeque<Vec<Face>>,
    shown: Vec<(u32, u32)>,
}

impl FaceDetector for Scripted {
    fn detect(&mut self, picture: &Picture, least: f32) -> Result<Vec<Face>, InferenceError> {
        self.shown.push((picture.width(), picture.height()));
        let answer = self.answers.pop_front().unwrap_or_default();
        Ok(answer
            .into_iter()
            .filter(|face| face.confidence >= least)
            .collect())
    }
}

fn face(x: f32, y: f32, side: f32, confidence: f32) -> Face {
    let rect = Rect {
        x,
        y,
        width: side,
        height: side,
    };
    let at = |dx: f32, dy: f32| Point::new(x + side * dx, y + side * dy);
    let landmarks = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)];
    Face {
        rect,
        landmarks: Landmarks::from_points(landmarks.map(|(dx, dy)| at(dx, dy))),
        confidence,
    }
}

fn locate_scripted(
    answers: impl IntoIterator<Item = Vec<Face>>,
    size: (u32, u32),
    role: SampleRole,
) -> (Detection, Vec<(u32, u32)>) {
    let mut detector = Scripted {
        answers: answers.into_iter().collect(),
        shown: Vec::new(),
    };
    let picture = Picture::filled(size.0, size.1, [90; 3]);
    let mut workspace = Workspace::default();
    let choice = FaceChoice::Largest;
    let found = locate(&mut detector, &mut workspace, &picture, role, choice);
    (found.expect("no failure"), detector.shown)
}

#[test]
fn a_clear_face_takes_one_pass_and_a_closer_look_and_comes_back_in_pixels_of_the_picture() {
    let (found, shown) = locate_scripted(
        [vec![face(48.0, 36.0, 60.0, 0.95)]],
        (1280, 960),
        SampleRole::Probe,
    );
    assert_eq!(shown, [(192, 144), (128, 128)]);
    assert_eq!(found.selected, Some(0));
    assert!(!found.by_closer_looks);
    let rect = found.faces[0].rect;
    assert!(
        (rect.x - 320.0).abs() < 0.01 && (rect.width - 400.0).abs() < 0.01,
        "{rect:?}"
    );
    assert!(found.faults.is_empty());
}

/// The face of 100 pixels at (`x`, 60), as the closer look at one at (100, 60) sees it.
fn closer(x: f32) -> Face {
    let scale = 128.0 / 180.0;
    face((x - 60.0) * scale, 40.0 * scale, 100.0 * scale, 0.95)
}

#[test]
fn landmarks_are_the_mean_of_the_pass_and_the_closer_look() {
    let passes = [vec![face(60.0, 36.0, 60.0, 0.95)], vec![closer(110.0)]];
    let (found, _) = locate_scripted(passes, (320, 240), SampleRole::Probe);
    let face = found.faces[0];
    assert!((face.rect.x - 100.0).abs() < 0.01);
    assert!(
        (face.landmarks.right_eye.x - 135.0).abs() < 0.01,
        "{face:?}"
    );
    assert!(
        (face.landmarks.right_eye.y - 100.0).abs() < 0.01,
        "{face:?}"
    );
}

#[test]
fn a_neighbour_in_the_closer_look_changes_nothing() {
    let passes = [vec![face(60.0, 36.0, 60.0, 0.95)], vec![closer(160.0)]];
    let (found, _) = locate_scripted(passes, (320, 240), SampleRole::Probe);
    let eye = found.faces[0].landmarks.right_eye;
    assert!((eye.x - 130.0).abs() < 0.01, "{eye:?}");
}

#[test]
fn a_coarse_face_takes_the_landmarks_of_the_closer_look_alone() {
    // 30 pixels in the first pass, 100 in the picture of 640 × 480.
    let passes = [vec![face(30.0, 18.0, 30.0, 0.95)], vec![closer(110.0)]];
    let (found, _) = locate_scripted(passes, (640, 480), SampleRole::Probe);
    let eye = found.faces[0].landmarks.right_eye;
    assert!((eye.x - 140.0).abs() < 0.01, "{eye:?}");
}

#[test]
fn a_doubtful_face_is_compared_with_its_turns_and_kept_when_none_is_better() {
    let doubtful = vec![face(48.0, 36.0, 60.0, 0.85)];
    let (found, shown) = locate_scripted([doubtful], (640, 480), SampleRole::Probe);
    assert_eq!(
        shown,
        [(192, 144), (144, 192), (192, 144), (144, 192), (128, 128)]
    );
    assert_eq!((found.quarter_turns, found.selected), (0, Some(0)));
}

#[test]
fn a_face_too_small_for_the_first_pass_is_found_by_the_second() {
    let answers = [vec![], vec![face(100.0, 60.0, 30.0, 0.95)]];
    let (found, shown) = locate_scripted(answers, (640, 480), SampleRole::Probe);
    assert_eq!(shown, [(192, 144), (320, 240), (128, 128)]);
    assert!((found.faces[0].rect.x - 200.0).abs() < 0.01);
}

#[test]
fn a_better_turn_wins_and_its_landmarks_are_mapped_back() {
    // Upright after one clockwise turn: a 480×640 picture seen as 144×192.
    let answers = [
        vec![face(80.0, 60.0, 60.0, 0.80)],
        vec![face(0.0, 0.0, 60.0, 0.94)],
    ];
    let (found, shown) = locate_scripted(answers, (640, 480), SampleRole::Probe);
    assert_eq!(found.quarter_turns, 1);
    assert_eq!(
        shown,
        [(192, 144), (144, 192), (192, 144), (144, 192), (128, 128)]
    );
    // The top left corner of the turned picture is the bottom left one of the picture.
    let rect = found.faces[0].rect;
    assert!(
        rect.x.abs() < 0.01 && (rect.y - 280.0).abs() < 0.01,
        "{rect:?}"
    );
    // The eyes lie above each other, the right one below: turned back, the roll is −90°.
    assert!((found.faces[0].landmarks.roll_degrees() + 90.0).abs() < 0.1);
}

#[test]
fn nothing_in_any_pass_is_no_face() {
    let (found, shown) = locate_scripted([], (4000, 3000), SampleRole::Probe);
    assert_eq!(found.faults, [ReasonCode::NoFace]);
    assert_eq!((found.selected, found.faces.len()), (None, 0));
    assert_eq!(shown.len(), 2 + 3 + 1 + 1);
    assert_eq!(shown.last(), Some(&(320, 320)));
}

#[test]
fn a_small_face_of_the_fine_pass_counts_only_when_confirmed() {
    let nothing = || std::iter::repeat_n(vec![], 5);
    let small = vec![face(300.0, 200.0, 20.0, 0.65)];
    let unconfirmed = nothing().chain([small.clone()]);
    let (found, _) = locate_scripted(unconfirmed, (4000, 3000), SampleRole::Probe);
    assert_eq!(found.faults, [ReasonCode::NoFace]);
    let close_up = vec![face(62.0, 62.0, 100.0, 0.9)];
    let confirmed = nothing().chain([small, close_up]);
    let (found, shown) = locate_scripted(confirmed, (4000, 3000), SampleRole::Probe);
    assert_eq!(found.faults, []);
    assert!(shown.contains(&(224, 224)));
    assert!(found.by_closer_looks);
    let centre = found.faces[0].rect.centre();
    assert!(
        (centre.x - 1937.5).abs() < 20.0 && (centre.y - 1312.5).abs() < 20.0,
        "{centre:?}"
    );
}

#[test]
fn a_comparable_second_face_is_refused_and_a_small_one_in_the_background_is_not() {
    let with_second = |side: f32, confidence: f32, role| {
        let faces = vec![
            face(5.0, 5.0, 100.0, 0.95),
            face(110.0, 10.0, side, confidence),
        ];
        locate_scripted([faces], (192, 144), role).0.faults
    };
    let refused = [ReasonCode::MultipleFaces];
    assert_eq!(with_second(60.0, 0.75, SampleRole::Probe), refused);
    assert_eq!(with_second(40.0, 0.75, SampleRole::Probe), []);
    // A reference must show exactly one face.
    assert_eq!(with_second(20.0, 0.85, SampleRole::Reference), refused);
}

#[test]
fn the_central_face_can_be_meant_instead_of_the_largest() {
    let faces = vec![face(0.0, 0.0, 80.0, 0.95), face(80.0, 60.0, 40.0, 0.95)];
    let mut detector = Scripted {
        answers: [faces].into(),
        shown: Vec::new(),
    };
    let picture = Picture::filled(192, 144, [90; 3]);
    let found = locate(
        &mut detector,
        &mut Workspace::default(),
        &picture,
        SampleRole::Probe,
        FaceChoice::Central,
    );
    let found = found.expect("no failure");
    assert_eq!((found.selected, found.faults), (Some(1), vec![]));
}

#[test]
fn one_pixel_and_extreme_shapes_are_pictures_without_a_face() {
    for size in [(1, 1), (1, 4000), (8000, 3)] {
        let (found, shown) = locate_scripted([], size, SampleRole::Probe);
        assert_eq!(found.faults, [ReasonCode::NoFace]);
        assert!(
            shown
                .iter()
                .all(|(width, height)| *width <= 640 && *height <= 640)
        );
    }
}

#[test]
fn a_wiped_workspace_holds_nothing_of_the_sample() {
    // Nothing is found upright, and a face in a turn: every kind of view is made.
    let answers = [vec![], vec![], vec![face(0.0, 0.0, 60.0, 0.94)]];
    let mut detector = Scripted {
        answers: answers.into(),
        shown: Vec::new(),
    };
    let picture = Picture::filled(1280, 960, [90; 3]);
    let mut workspace = Workspace::default();
    let choice = FaceChoice::Largest;
    let found = locate(
        &mut detector,
        &mut workspace,
        &picture,
        SampleRole::Probe,
        choice,
    );
    assert_eq!(found.expect("no failure").quarter_turns, 1);
    assert!(workspace.pixels().iter().all(|view| view.contains(&90)));
    workspace.wipe();
    assert!(workspace.pixels().concat().iter().all(|value| *value == 0));
}

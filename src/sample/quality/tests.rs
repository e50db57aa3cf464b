use super::*;
use crate::sample::align::{ARCFACE_112, AlignedFace, aligned_crop};
use crate::sample::geometry::{Landmarks, Point, Rect};

/// A textured picture with a frontal face of 112 pixels at (100, 100).
fn scene(light: f64) -> (Picture, Face, Picture) {
    let texture = |n: usize| {
        let noise = (n.wrapping_mul(2_654_435_761) >> 7) % 80;
        ((80 + noise) as f64 * light).min(255.0) as u8
    };
    let rgb: Vec<u8> = (0..320 * 320).flat_map(|n| [texture(n); 3]).collect();
    let picture = Picture::new(320, 320, rgb).expect("sizes agree");
    let shift = |p: Point| Point::new(p.x + 100.0, p.y + 100.0);
    let face = Face {
        rect: Rect {
            x: 100.0,
            y: 100.0,
            width: 112.0,
            height: 112.0,
        },
        landmarks: Landmarks::from_points(ARCFACE_112.points.map(shift)),
        confidence: 0.9,
    };
    let crop = aligned_crop(&picture, &face.landmarks, &ARCFACE_112).expect("aligns");
    (picture, face, crop)
}

fn measures_of(picture: &Picture, face: &Face, crop: &Picture, limit: u8) -> Vec<QualityMeasure> {
    let mut aligned = AlignedFace::default();
    let made = aligned.align(picture, &face.landmarks, &ARCFACE_112);
    made.expect("aligns");
    let subject = Subject {
        picture,
        reduction: Reduction::None,
        face,
        quarter_turns: 0,
        crop,
        inside: aligned.inside(),
    };
    assess(&subject, limit, &mut Vec::new()).expect("measures")
}

fn faults_of(picture: &Picture, face: &Face, crop: &Picture, limit: u8) -> Vec<ReasonCode> {
    let measures = measures_of(picture, face, crop, limit);
    assert_eq!(measures.len(), Component::ALL.len());
    faults(&measures).collect()
}

#[test]
fn a_good_face_has_no_faults() {
    let (picture, face, crop) = scene(1.0);
    assert_eq!(faults_of(&picture, &face, &crop, 50), []);
}

#[test]
fn darkness_and_glare_are_told_apart() {
    let (picture, face, crop) = scene(0.15);
    assert!(faults_of(&picture, &face, &crop, 50).contains(&ReasonCode::TooDark));
    let (picture, face, crop) = scene(3.0);
    assert!(faults_of(&picture, &face, &crop, 50).contains(&ReasonCode::TooBrightBacklit));
}

#[test]
fn references_get_laxer_limits_than_probes() {
    let (picture, mut face, crop) = scene(1.0);
    let centre = face.rect.centre();
    face.rect = face.rect.scaled(50.0 / 112.0);
    let shrink = |p: Point| {
        Point::new(
            centre.x + (p.x - centre.x) * 0.5,
            centre.y + (p.y - centre.y) * 0.5,
        )
    };
    face.landmarks = Landmarks::from_points(face.landmarks.points().map(shrink));
    let limits = QualityLimits::default();
    let probe = faults_of(&picture, &face, &crop, limits.of(SampleRole::Probe));
    assert!(probe.contains(&ReasonCode::FaceTooSmall), "{probe:?}");
    assert_eq!(
        faults_of(&picture, &face, &crop, limits.of(SampleRole::Reference)),
        []
    );
}

#[test]
fn a_face_that_leaves_the_picture_is_cropped_and_not_dark() {
    let (picture, mut face, _) = scene(1.0);
    let up = |p: Point| Point::new(p.x, p.y - 140.0);
    face.landmarks = Landmarks::from_points(face.landmarks.points().map(up));
    face.rect.y -= 140.0;
    let crop = aligned_crop(&picture, &face.landmarks, &ARCFACE_112).expect("aligns");
    assert_eq!(
        faults_of(&picture, &face, &crop, 50),
        [ReasonCode::FaceCropped]
    );
}

#[test]
fn a_turned_head_is_a_pose() {
    let (picture, mut face, crop) = scene(1.0);
    face.landmarks.nose_tip.x += 0.6 * face.landmarks.inter_eye_px();
    assert_eq!(faults_of(&picture, &face, &crop, 50), [ReasonCode::Pose]);
}

#[test]
fn what_cannot_be_assessed_does_not_fail() {
    let (picture, mut face, crop) = scene(1.0);
    face.rect = face.rect.scaled(4.0);
    let measures = measures_of(&picture, &face, &crop, 50);
    let backlight = measures
        .iter()
        .find(|m| m.component == Component::Backlight);
    let backlight = backlight.expect("always there");
    assert_eq!(
        (backlight.value, backlight.verdict()),
        (None, QualityVerdict::NotAssessed)
    );
}

#[test]
fn a_reduced_picture_changes_no_measure_of_the_sample() {
    let (bright, face, _) = scene(1.0);
    let mut rgb = bright.rgb().to_vec();
    // Dark where the face is: light around it is another when the face is looked for elsewhere. Its
    // edges lie between pixels of both pictures.
    let is_dark = |at: usize| (100..212).contains(&at);
    for (n, value) in rgb.iter_mut().enumerate() {
        if is_dark(n / 3 % 320) && is_dark(n / 3 / 320) {
            *value /= 3;
        }
    }
    let picture = Picture::new(320, 320, rgb).expect("sizes agree");
    let crop = aligned_crop(&picture, &face.landmarks, &ARCFACE_112).expect("aligns");
    let mut aligned = AlignedFace::default();
    let made = aligned.align(&picture, &face.landmarks, &ARCFACE_112);
    made.expect("aligns");
    let measured = |picture: &Picture, reduction| {
        let subject = Subject {
            picture,
            reduction,
            face: &face,
            quarter_turns: 0,
            crop: &crop,
            inside: aligned.inside(),
        };
        assess(&subject, 50, &mut Vec::new()).expect("measures")
    };
    let whole = measured(&picture, Reduction::None);
    let half = picture.resized(160, 160).expect("resizes");
    for (whole, reduced) in whole.iter().zip(measured(&half, Reduction::Half)) {
        let differ = (whole.native - reduced.native).abs();
        assert!(differ < 1.0, "{:?}: {differ}", whole.component);
        assert_eq!(whole.verdict(), reduced.verdict(), "{:?}", whole.component);
    }
}

#[test]
fn every_scale_is_anchored_at_both_limits() {
    for component in Component::ALL {
        let Scale(anchors) = component.scale();
        assert!(anchors.is_sorted_by(|a, b| a.0 < b.0), "{component:?}");
        for limit in [25.0, 50.0] {
            assert!(
                anchors.iter().any(|(_, value)| *value == limit),
                "{component:?}"
            );
        }
    }
}

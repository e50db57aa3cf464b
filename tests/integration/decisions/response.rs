//! The response is complete: whoever reads it later knows what was decided, by what, and why.

use std::collections::HashSet;

use padan::grpc::proto::{
    Decision, Face, Point, QualityVerdict, Reason, SampleReport, SampleTimes, VerifyResponse,
};

use super::{SERVER, landscape, together, verify};
use crate::support::{picture, portrait};

/// One answer of each kind.
async fn answers() -> Vec<VerifyResponse> {
    vec![
        verify(portrait("person_a_2.jpg"), portrait("person_a_1.jpg")).await,
        verify(portrait("person_a_2.jpg"), portrait("person_b_1.jpg")).await,
        verify(landscape(), portrait("person_a_1.jpg")).await,
        verify(portrait("person_a_2.jpg"), landscape()).await,
        verify(
            together("person_a_2.jpg", "person_b_2.jpg", 1.0),
            portrait("person_a_1.jpg"),
        )
        .await,
    ]
}

#[tokio::test]
async fn every_answer_names_its_policy_and_says_why_unless_it_is_a_match() {
    let mut decisions = HashSet::new();
    for answer in answers().await {
        decisions.insert(answer.decision());
        assert_eq!(
            answer.reasons.is_empty(),
            answer.decision() == Decision::Match,
            "{answer:?}"
        );
        answer.reasons.iter().for_each(assert_reason);
        let compared = matches!(answer.decision(), Decision::Match | Decision::NoMatch);
        assert_eq!(answer.similarity.is_some(), compared, "{answer:?}");
        assert!(!answer.request_id.is_empty());
        assert!(
            answer.policy_version.starts_with("activation@"),
            "{}",
            answer.policy_version
        );
        assert!(answer.model_contract_id.starts_with("sface_2021dec_int8:"));
        assert_eq!(answer.fmr.to_bits(), 1e-4_f64.to_bits());
        assert!(0.0 < answer.review_from && answer.review_from < answer.threshold);
        assert!(answer.threshold < 1.0);
    }
    let expected = [
        Decision::Match,
        Decision::NoMatch,
        Decision::RetryCapture,
        Decision::ManualReview,
    ];
    assert_eq!(decisions, HashSet::from(expected));
}

fn assert_reason(reason: &Reason) {
    assert_ne!(reason.code, 0, "{reason:?}");
    for text in [&reason.text_id, &reason.text_en] {
        assert!(text.len() > 20 && text.ends_with('.'), "{reason:?}");
    }
    assert_ne!(reason.text_id, reason.text_en);
}

#[tokio::test]
async fn the_decision_follows_from_similarity_and_thresholds() {
    for answer in answers().await {
        let Some(similarity) = answer.similarity else {
            continue;
        };
        let expected = if similarity >= answer.threshold {
            Decision::Match
        } else if similarity >= answer.review_from {
            Decision::ManualReview
        } else {
            Decision::NoMatch
        };
        assert_eq!(answer.decision(), expected, "{similarity}");
    }
}

#[tokio::test]
async fn both_samples_are_reported_with_face_and_quality() {
    let pairs = [
        ("person_a_2.jpg", "person_a_1.jpg"),
        ("person_b_1.jpg", "impostor_1.jpg"),
    ];
    for (probe, reference) in pairs {
        let answer = verify(portrait(probe), portrait(reference)).await;
        assert_report(&answer.probe.expect("a report"), probe, 50);
        assert_report(&answer.reference.expect("a report"), reference, 25);
    }
}

fn assert_report(report: &SampleReport, name: &str, limit: i32) {
    assert_eq!(
        (report.width, report.height),
        picture(name).dimensions(),
        "{name}"
    );
    assert_eq!(report.quarter_turns, 0, "{name}");
    assert!(report.faults.is_empty(), "{name}: {report:?}");
    assert_eq!(report.faces.len(), 1, "{name}");
    assert_face(&report.faces[0], report.width, report.height);
    let components: HashSet<i32> = report.quality.iter().map(|m| m.component).collect();
    assert_eq!(
        components,
        (1..=12).collect(),
        "{name}: each component once"
    );
    assert_eq!(report.quality.len(), 12, "{name}");
    for measure in &report.quality {
        assert_eq!(measure.limit, limit, "{name}: {measure:?}");
        match measure.verdict() {
            QualityVerdict::Pass => assert!((limit..=100).contains(&measure.value), "{measure:?}"),
            QualityVerdict::NotAssessed => assert_eq!((measure.value, measure.native), (-1, 0.0)),
            other => panic!("{name}: {other:?} without a fault"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sides of portraits")]
fn assert_face(face: &Face, width: u32, height: u32) {
    assert!(
        face.selected && 0.5 < face.confidence && face.confidence <= 1.0,
        "{face:?}"
    );
    let bounds = face.r#box.expect("a box");
    let (right, bottom) = (bounds.x + bounds.width, bounds.y + bounds.height);
    assert!(bounds.width > 50.0 && bounds.height > 50.0, "{face:?}");
    assert!(bounds.x >= 0.0 && right <= width as f32, "{face:?}");
    assert!(bounds.y >= 0.0 && bottom <= height as f32, "{face:?}");
    let landmarks = face.landmarks.expect("landmarks");
    let point = |point: Option<Point>| point.expect("a point");
    let (right_eye, left_eye) = (point(landmarks.right_eye), point(landmarks.left_eye));
    let nose = point(landmarks.nose_tip);
    let mouth = [landmarks.right_mouth_corner, landmarks.left_mouth_corner].map(point);
    // The person's right eye is on the left in the picture.
    assert!(
        right_eye.x < nose.x && nose.x < left_eye.x && mouth[0].x < mouth[1].x,
        "{face:?}"
    );
    assert!(right_eye.y < nose.y && nose.y < mouth[0].y, "{face:?}");
    for Point { x, y } in [right_eye, left_eye, nose, mouth[0], mouth[1]] {
        assert!(
            bounds.x <= x && x <= right && bounds.y <= y && y <= bottom,
            "{face:?}"
        );
    }
}

#[tokio::test]
async fn the_times_of_the_stages_fit_into_the_total() {
    for answer in answers().await {
        let times = answer.times.expect("times");
        let compared = answer.similarity.is_some();
        for sample in [times.probe, times.reference] {
            let sample = sample.expect("times of a sample");
            assert!(sample.decode_us > 0 && sample.detect_us > 0, "{sample:?}");
            assert!(
                !compared || sample.embed_us > 0 && sample.align_us > 0,
                "{sample:?}"
            );
            assert!(
                sum(&sample) <= times.total_us,
                "{sample:?} of {}",
                times.total_us
            );
        }
    }
    SERVER.get().assert_well().await;
}

fn sum(times: &SampleTimes) -> u64 {
    let SampleTimes {
        decode_us,
        detect_us,
        assess_us,
        align_us,
        embed_us,
        queue_us,
    } = times;
    decode_us + detect_us + assess_us + align_us + embed_us + queue_us
}

//! What is decided about real portraits, and whether the response says all that led to it.

mod captures;
mod policies;
mod response;

use bytes::Bytes;
use padan::grpc::proto::{Decision, ReasonCode, VerifyResponse};

use crate::support::{PORTRAITS, SharedServer, encode, jpeg, picture, portrait, verify_request};

static SERVER: SharedServer = SharedServer::new();

async fn verify(probe: impl Into<Bytes>, reference: impl Into<Bytes>) -> VerifyResponse {
    let answer = SERVER.get().verify(verify_request(probe, reference)).await;
    answer.expect("a decision")
}

fn codes(answer: &VerifyResponse) -> Vec<ReasonCode> {
    answer
        .reasons
        .iter()
        .map(padan::grpc::proto::Reason::code)
        .collect()
}

/// The person in a portrait's name; the two impostors are two people.
fn person(name: &str) -> &str {
    if name.starts_with("person") {
        &name[..8]
    } else {
        name
    }
}

#[tokio::test]
async fn every_pair_of_portraits_is_decided_right() {
    for probe in PORTRAITS {
        for reference in PORTRAITS {
            let answer = verify(portrait(probe), portrait(reference)).await;
            let (expected, reasons) = if person(probe) == person(reference) {
                (Decision::Match, vec![])
            } else {
                (Decision::NoMatch, vec![ReasonCode::FaceMismatch])
            };
            let context = format!("{probe} {reference}: {answer:?}");
            assert_eq!(answer.decision(), expected, "{context}");
            assert_eq!(codes(&answer), reasons, "{context}");
            assert!(answer.similarity.is_some(), "{context}");
        }
    }
}

#[tokio::test]
async fn a_portrait_is_most_like_itself() {
    for name in PORTRAITS {
        let answer = verify(portrait(name), portrait(name)).await;
        let similarity = answer.similarity.expect("compared");
        assert!((0.9999..=1.0).contains(&similarity), "{name}: {similarity}");
    }
}

#[tokio::test]
async fn the_same_request_gives_the_same_similarity() {
    let pair = || verify(portrait("person_b_2.jpg"), portrait("person_b_1.jpg"));
    let first = pair().await;
    for _ in 0..5 {
        let again = pair().await;
        let bits = |answer: &VerifyResponse| answer.similarity.map(f32::to_bits);
        assert_eq!(bits(&again), bits(&first));
        assert_eq!(
            (&again.probe, &again.reference),
            (&first.probe, &first.reference)
        );
        assert_ne!(again.request_id, first.request_id);
    }
}

/// A picture with texture and without a face.
fn landscape() -> Bytes {
    let picture = image::RgbImage::from_fn(480, 360, |x, y| {
        let hill = if (x / 3 + y) % 360 > 200 { 90 } else { 170 };
        let shade = u8::try_from((x * 7 + y * 13) % 31).unwrap_or_default();
        image::Rgb([hill + shade, hill, 140 - shade])
    });
    encode(&picture, image::ImageFormat::Png)
}

#[tokio::test]
async fn a_probe_without_a_face_is_captured_again() {
    let answer = verify(landscape(), portrait("person_a_1.jpg")).await;
    assert_eq!(answer.decision(), Decision::RetryCapture);
    assert_eq!(codes(&answer), [ReasonCode::NoFace]);
    assert_eq!(answer.similarity, None);
    let report = answer.probe.expect("a report");
    assert!(
        report.faces.is_empty() && report.quality.is_empty(),
        "{report:?}"
    );
    assert_eq!(report.faults().collect::<Vec<_>>(), [ReasonCode::NoFace]);
    assert!(!answer.reference.expect("a report").faces.is_empty());
}

#[tokio::test]
async fn a_reference_without_a_face_goes_to_a_human() {
    let answer = verify(portrait("person_a_2.jpg"), landscape()).await;
    assert_eq!(answer.decision(), Decision::ManualReview);
    assert_eq!(codes(&answer), [ReasonCode::ReferenceLowQuality]);
    assert_eq!(answer.similarity, None);
    let report = answer.reference.expect("a report");
    assert_eq!(report.faults().collect::<Vec<_>>(), [ReasonCode::NoFace]);
}

#[tokio::test]
async fn two_samples_without_a_face_go_to_a_human_with_both_reasons() {
    let answer = verify(landscape(), landscape()).await;
    assert_eq!(answer.decision(), Decision::ManualReview);
    assert_eq!(
        codes(&answer),
        [ReasonCode::ReferenceLowQuality, ReasonCode::NoFace]
    );
    assert_eq!(answer.similarity, None);
}

/// Two portraits side by side, the second one scaled.
fn together(first: &str, second: &str, scale: f32) -> Bytes {
    let (first, second) = (picture(first), picture(second));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "sides of portraits"
    )]
    let scaled = |side: u32| (side as f32 * scale) as u32;
    let (width, height) = (scaled(second.width()), scaled(second.height()));
    let filter = image::imageops::FilterType::CatmullRom;
    let second = image::imageops::resize(&second, width, height, filter);
    let size = (first.width() + width, first.height().max(height));
    let mut both = image::RgbImage::from_pixel(size.0, size.1, image::Rgb([150; 3]));
    image::imageops::replace(&mut both, &first, 0, 0);
    image::imageops::replace(&mut both, &second, i64::from(first.width()), 0);
    jpeg(&both)
}

#[tokio::test]
async fn two_people_side_by_side_are_never_compared() {
    let both = together("person_a_2.jpg", "person_b_2.jpg", 0.9);
    for reference in ["person_a_1.jpg", "person_b_1.jpg"] {
        let answer = verify(both.clone(), portrait(reference)).await;
        assert_eq!(answer.decision(), Decision::RetryCapture, "{reference}");
        assert_eq!(codes(&answer), [ReasonCode::MultipleFaces], "{reference}");
        assert_eq!(answer.similarity, None, "{reference}");
        assert_eq!(
            answer.probe.expect("a report").faces.len(),
            2,
            "{reference}"
        );
    }
    let answer = verify(portrait("person_a_2.jpg"), both).await;
    assert_eq!(answer.decision(), Decision::ManualReview);
    assert_eq!(codes(&answer), [ReasonCode::ReferenceLowQuality]);
    assert_eq!(answer.similarity, None);
}

#[tokio::test]
async fn a_small_face_in_the_background_of_a_probe_is_seen_and_ignored() {
    let probe = together("person_a_2.jpg", "person_b_2.jpg", 0.25);
    let answer = verify(probe.clone(), portrait("person_a_1.jpg")).await;
    assert_eq!(answer.decision(), Decision::Match, "{answer:?}");
    let faces = answer.probe.expect("a report").faces;
    let selected: Vec<bool> = faces.iter().map(|face| face.selected).collect();
    assert_eq!(selected, [true, false]);
    // The bystander produces no match.
    let answer = verify(probe, portrait("person_b_1.jpg")).await;
    assert_eq!(answer.decision(), Decision::NoMatch);
}

#[tokio::test]
async fn a_reference_shows_exactly_one_face() {
    let reference = together("person_a_2.jpg", "person_b_2.jpg", 0.25);
    let answer = verify(portrait("person_a_2.jpg"), reference).await;
    assert_eq!(answer.decision(), Decision::ManualReview);
    let report = answer.reference.expect("a report");
    assert_eq!(
        report.faults().collect::<Vec<_>>(),
        [ReasonCode::MultipleFaces]
    );
}

//! What an operator is told about a capture that is not good enough.

use bytes::Bytes;
use image::RgbImage;
use image::imageops::{self, FilterType};
use padan::grpc::proto::{
    AssessCaptureRequest, AssessCaptureResponse, QualityComponent, QualityVerdict, ReasonCode,
    SampleReport, SampleRole,
};

use super::{PORTRAITS, SERVER, landscape, together};
use crate::support::{assess_request, jpeg, picture, portrait};

async fn assess(image: Bytes, role: SampleRole) -> AssessCaptureResponse {
    let request = AssessCaptureRequest {
        role: role.into(),
        ..assess_request(image)
    };
    let answer = SERVER.get().client().await.assess_capture(request).await;
    answer.expect("an outcome").into_inner()
}

fn codes(answer: &AssessCaptureResponse) -> Vec<ReasonCode> {
    answer
        .reasons
        .iter()
        .map(padan::grpc::proto::Reason::code)
        .collect()
}

fn relit(picture: &RgbImage, light: impl Fn(u32) -> u32) -> RgbImage {
    let mut relit = picture.clone();
    for value in relit.iter_mut() {
        *value = u8::try_from(light(u32::from(*value)).min(255)).unwrap_or(u8::MAX);
    }
    relit
}

/// Captures with one fault each, and the reason the operator must be given.
fn poor_captures() -> Vec<(&'static str, Bytes, ReasonCode)> {
    let good = picture("person_a_2.jpg");
    vec![
        (
            "blurred",
            jpeg(&imageops::fast_blur(&good, 9.0)),
            ReasonCode::Blur,
        ),
        (
            "dark",
            jpeg(&relit(&good, |value| value / 10)),
            ReasonCode::TooDark,
        ),
        (
            "bright",
            jpeg(&relit(&good, |value| value * 2 + 120)),
            ReasonCode::TooBrightBacklit,
        ),
        (
            "tiny",
            jpeg(&imageops::resize(&good, 72, 90, FilterType::Triangle)),
            ReasonCode::FaceTooSmall,
        ),
        (
            "two",
            together("person_a_2.jpg", "person_b_2.jpg", 1.0),
            ReasonCode::MultipleFaces,
        ),
        ("nobody", landscape(), ReasonCode::NoFace),
    ]
}

#[tokio::test]
async fn a_poor_capture_is_not_acceptable_and_its_fault_is_told() {
    for (name, image, reason) in poor_captures() {
        let answer = assess(image, SampleRole::Probe).await;
        assert!(!answer.acceptable, "{name}");
        assert!(
            codes(&answer).contains(&reason),
            "{name}: {:?}",
            codes(&answer)
        );
        let report = answer.sample.expect("a report");
        assert_eq!(
            report.faults().collect::<Vec<_>>(),
            codes_of(&answer.reasons),
            "{name}"
        );
    }
}

fn codes_of(reasons: &[padan::grpc::proto::Reason]) -> Vec<ReasonCode> {
    reasons
        .iter()
        .map(padan::grpc::proto::Reason::code)
        .collect()
}

/// With the face at (208, 159) to (513, 575) and the eyes at a height of 318.
#[tokio::test]
async fn a_face_that_the_picture_cuts_off_is_cropped_and_not_dark() {
    let good = picture("person_a_2.jpg");
    let (width, height) = good.dimensions();
    let cuts = [
        ("forehead", 0, 280, width, height - 280),
        ("right half of the face", 280, 0, width - 280, height),
        ("left cheek", 0, 0, 400, height),
    ];
    for (name, x, y, width, height) in cuts {
        let cut = imageops::crop_imm(&good, x, y, width, height).to_image();
        let answer = assess(jpeg(&cut), SampleRole::Probe).await;
        assert_eq!(
            codes(&answer),
            [ReasonCode::FaceCropped],
            "without the {name}"
        );
    }
}

#[tokio::test]
async fn a_good_capture_is_acceptable() {
    for name in PORTRAITS {
        let answer = assess(portrait(name), SampleRole::Unspecified).await;
        assert!(answer.acceptable, "{name}: {:?}", codes(&answer));
        assert!(answer.reasons.is_empty(), "{name}");
        let times = answer.times.expect("times");
        assert!(
            times.decode_us > 0 && times.detect_us > 0 && times.assess_us > 0,
            "{times:?}"
        );
        assert_eq!(times.embed_us, 0, "an assessment makes no embedding");
    }
}

fn failed(report: &SampleReport) -> Vec<QualityComponent> {
    let failed = report
        .quality
        .iter()
        .filter(|measure| measure.verdict() == QualityVerdict::Fail);
    failed
        .map(padan::grpc::proto::QualityMeasure::component)
        .collect()
}

#[tokio::test]
async fn each_fault_of_quality_is_measured_below_its_limit() {
    for (name, image, reason) in poor_captures() {
        let report = assess(image, SampleRole::Probe)
            .await
            .sample
            .expect("a report");
        let components = failed(&report);
        let expected: &[QualityComponent] = match reason {
            ReasonCode::Blur => &[QualityComponent::Sharpness],
            ReasonCode::TooDark | ReasonCode::TooBrightBacklit => &[QualityComponent::Brightness],
            ReasonCode::FaceTooSmall => &[QualityComponent::FaceSide],
            _ => &[],
        };
        for component in expected {
            assert!(components.contains(component), "{name}: {components:?}");
        }
    }
}

#[tokio::test]
async fn a_reference_is_held_to_laxer_limits_and_told_as_one() {
    let small = imageops::resize(&picture("person_a_2.jpg"), 120, 150, FilterType::Triangle);
    let probe = assess(jpeg(&small), SampleRole::Probe).await;
    let reference = assess(jpeg(&small), SampleRole::Reference).await;
    assert_eq!(codes(&probe), [ReasonCode::FaceTooSmall]);
    assert!(reference.acceptable, "{:?}", codes(&reference));

    let poor = assess(landscape(), SampleRole::Reference).await;
    assert_eq!(codes(&poor), [ReasonCode::ReferenceLowQuality]);
    let report = poor.sample.expect("a report");
    assert_eq!(report.faults().collect::<Vec<_>>(), [ReasonCode::NoFace]);
}

//! Domain results to the wire.

use std::time::Duration;

use super::super::info::ServiceInfo;
use super::super::proto;
use crate::activation::Answer;
use crate::decision::{Decision, Policy, ReasonCode};
use crate::pipeline::{SampleResult, SampleTimes};
use crate::sample::geometry::{Face, Point};
use crate::sample::quality::{Component, QualityMeasure, QualityVerdict};
use crate::serving::{ModelFacts, Serving};
use crate::verify::Verification;

/// The response to a verification.
#[must_use]
pub fn verify(request_id: String, verification: &Verification) -> proto::VerifyResponse {
    let policy = &verification.policy;
    proto::VerifyResponse {
        request_id,
        decision: decision(verification.verdict.decision).into(),
        reasons: reasons(&verification.verdict.reasons),
        similarity: verification
            .similarity
            .map(crate::compare::Similarity::value),
        threshold: policy.threshold.value(),
        fmr: policy.fmr,
        review_from: policy.review_from.value(),
        policy_version: policy.version.clone(),
        model_contract_id: policy.contract_id.to_string(),
        probe: Some(sample_report(&verification.probe)),
        reference: verification.reference.as_ref().map(sample_report),
        times: Some(proto::StageTimes {
            probe: Some(sample_times(&verification.probe.times)),
            reference: verification
                .reference
                .as_ref()
                .map(|result| sample_times(&result.times)),
            total_us: microseconds(verification.total),
        }),
        band: band(
            verification.verdict.decision,
            verification.similarity.is_some(),
        )
        .into(),
        ..Default::default()
    }
}

/// The response to a verification of a subject. `tells_similarity` is for callers whose role may
/// know the number.
#[must_use]
pub fn activation(
    request_id: String,
    answer: &Answer,
    tells_similarity: bool,
) -> proto::VerifyResponse {
    let reply = &answer.reply;
    let seen = answer.verification.as_ref();
    let told = |similarity: f32| tells_similarity.then_some(similarity);
    proto::VerifyResponse {
        request_id,
        decision: decision(reply.decision).into(),
        reasons: reasons(&reply.reasons),
        similarity: reply.similarity.and_then(told),
        threshold: reply.threshold,
        fmr: reply.fmr,
        review_from: reply.review_from,
        policy_version: reply.policy_version.clone(),
        model_contract_id: reply.contract_id.clone(),
        probe: seen.map(|seen| sample_report(&seen.probe)),
        reference: None,
        times: seen.map(|seen| proto::StageTimes {
            probe: Some(sample_times(&seen.probe.times)),
            reference: None,
            total_us: microseconds(seen.total),
        }),
        band: band(reply.decision, reply.similarity.is_some()).into(),
        result_token: reply.token.clone().unwrap_or_default(),
        review_id: reply.review_id.clone().unwrap_or_default(),
        attempts_left: reply.attempts_left,
    }
}

/// The band follows from what the policy made of the similarity.
fn band(decision: Decision, was_compared: bool) -> proto::SimilarityBand {
    match decision {
        Decision::Match if was_compared => proto::SimilarityBand::Match,
        Decision::ManualReview if was_compared => proto::SimilarityBand::Review,
        Decision::NoMatch if was_compared => proto::SimilarityBand::BelowReview,
        _ => proto::SimilarityBand::Unspecified,
    }
}

/// The response to an assessment.
#[must_use]
pub fn assess(
    request_id: String,
    result: &SampleResult,
    told: &[ReasonCode],
) -> proto::AssessCaptureResponse {
    proto::AssessCaptureResponse {
        request_id,
        acceptable: told.is_empty(),
        reasons: reasons(told),
        sample: Some(sample_report(result)),
        times: Some(sample_times(&result.times)),
    }
}

/// The response that says what this server runs.
#[must_use]
pub fn service_info(info: &ServiceInfo, active: &Serving) -> proto::GetServiceInfoResponse {
    let image = &info.image_limits;
    proto::GetServiceInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runtime_version: info.runtime_version.clone(),
        execution_provider: info.execution_provider.to_owned(),
        lanes: saturate(info.engine.lanes.get()),
        models: vec![model_info(active.detector()), model_info(active.embedder())],
        policies: active.policies().iter().map(policy_info).collect(),
        limits: Some(proto::Limits {
            image_bytes_max: image.image_bytes_max as u64,
            image_pixels_max: image.image_pixels_max,
            image_side_px_max: image.image_side_px_max,
            message_bytes_max: info.message_bytes_max() as u64,
            queue_length_max: saturate(info.engine.queue_length_max.get()),
            image_formats: crate::sample::decode::ImageFormat::ALL
                .map(|format| format.media_type().to_owned())
                .into(),
        }),
    }
}

pub(super) fn model_info(model: &ModelFacts) -> proto::ModelInfo {
    proto::ModelInfo {
        id: model.id.clone(),
        task: model.task.to_owned(),
        sha256: model.sha256.clone(),
        licence: model.licence.clone(),
        contract_id: model.contract_id.clone().unwrap_or_default(),
        dimension: saturate(model.dimension.unwrap_or_default()),
    }
}

pub(super) fn policy_info(policy: &Policy) -> proto::PolicyInfo {
    proto::PolicyInfo {
        id: policy.id.clone(),
        version: policy.version.clone(),
        model_contract_id: policy.contract_id.to_string(),
        threshold: policy.threshold.value(),
        fmr: policy.fmr,
        fmr_low: policy.fmr_interval.0,
        fmr_high: policy.fmr_interval.1,
        review_from: policy.review_from.value(),
        impostor_count: policy.impostor_count,
        data_sha256: policy.data_sha256.clone(),
    }
}

fn sample_report(result: &SampleResult) -> proto::SampleReport {
    let faces = result.faces.iter().enumerate();
    proto::SampleReport {
        width: result.width,
        height: result.height,
        faces: faces
            .map(|(n, face)| wire_face(face, result.selected == Some(n)))
            .collect(),
        quality: result.quality.iter().map(measure).collect(),
        faults: result
            .faults
            .iter()
            .map(|fault| reason_code(*fault).into())
            .collect(),
        quarter_turns: result.quarter_turns.into(),
    }
}

fn wire_face(face: &Face, selected: bool) -> proto::Face {
    let point = |Point { x, y }| Some(proto::Point { x, y });
    let landmarks = &face.landmarks;
    proto::Face {
        r#box: Some(proto::Box {
            x: face.rect.x,
            y: face.rect.y,
            width: face.rect.width,
            height: face.rect.height,
        }),
        landmarks: Some(proto::Landmarks {
            right_eye: point(landmarks.right_eye),
            left_eye: point(landmarks.left_eye),
            nose_tip: point(landmarks.nose_tip),
            right_mouth_corner: point(landmarks.right_mouth_corner),
            left_mouth_corner: point(landmarks.left_mouth_corner),
        }),
        confidence: face.confidence,
        selected,
    }
}

fn measure(measure: &QualityMeasure) -> proto::QualityMeasure {
    let verdict = match measure.verdict() {
        QualityVerdict::Pass => proto::QualityVerdict::Pass,
        QualityVerdict::Fail => proto::QualityVerdict::Fail,
        QualityVerdict::NotAssessed => proto::QualityVerdict::NotAssessed,
    };
    proto::QualityMeasure {
        component: component(measure.component).into(),
        value: measure.value.map_or(-1, i32::from),
        limit: measure.limit.into(),
        verdict: verdict.into(),
        native: measure.native,
    }
}

fn component(component: Component) -> proto::QualityComponent {
    match component {
        Component::FaceSide => proto::QualityComponent::FaceSide,
        Component::InterEyeDistance => proto::QualityComponent::InterEyeDistance,
        Component::Margin => proto::QualityComponent::Margin,
        Component::Yaw => proto::QualityComponent::Yaw,
        Component::Pitch => proto::QualityComponent::Pitch,
        Component::Roll => proto::QualityComponent::Roll,
        Component::Sharpness => proto::QualityComponent::Sharpness,
        Component::Brightness => proto::QualityComponent::Brightness,
        Component::Contrast => proto::QualityComponent::Contrast,
        Component::OverExposure => proto::QualityComponent::OverExposure,
        Component::UnderExposure => proto::QualityComponent::UnderExposure,
        Component::Backlight => proto::QualityComponent::Backlight,
    }
}

pub(super) fn decision(decision: Decision) -> proto::Decision {
    match decision {
        Decision::Match => proto::Decision::Match,
        Decision::NoMatch => proto::Decision::NoMatch,
        Decision::RetryCapture => proto::Decision::RetryCapture,
        Decision::ManualReview => proto::Decision::ManualReview,
        Decision::CannotVerify => proto::Decision::CannotVerify,
    }
}

pub(super) fn reasons(reasons: &[ReasonCode]) -> Vec<proto::Reason> {
    let wire = |reason: &ReasonCode| proto::Reason {
        code: reason_code(*reason).into(),
        text_id: reason.text_id().to_owned(),
        text_en: reason.text_en().to_owned(),
    };
    reasons.iter().map(wire).collect()
}

fn reason_code(reason: ReasonCode) -> proto::ReasonCode {
    match reason {
        ReasonCode::NoFace => proto::ReasonCode::NoFace,
        ReasonCode::MultipleFaces => proto::ReasonCode::MultipleFaces,
        ReasonCode::FaceTooSmall => proto::ReasonCode::FaceTooSmall,
        ReasonCode::FaceCropped => proto::ReasonCode::FaceCropped,
        ReasonCode::Pose => proto::ReasonCode::Pose,
        ReasonCode::Blur => proto::ReasonCode::Blur,
        ReasonCode::TooDark => proto::ReasonCode::TooDark,
        ReasonCode::TooBrightBacklit => proto::ReasonCode::TooBrightBacklit,
        ReasonCode::Borderline => proto::ReasonCode::Borderline,
        ReasonCode::FaceMismatch => proto::ReasonCode::FaceMismatch,
        ReasonCode::ReferenceLowQuality => proto::ReasonCode::ReferenceLowQuality,
        ReasonCode::ReferenceNotFound => proto::ReasonCode::ReferenceNotFound,
        ReasonCode::ReferenceNotSynced => proto::ReasonCode::ReferenceNotSynced,
        ReasonCode::NikMalformed => proto::ReasonCode::NikMalformed,
        ReasonCode::NikStatusBlocked => proto::ReasonCode::NikStatusBlocked,
        ReasonCode::ConsentMissing => proto::ReasonCode::ConsentMissing,
        ReasonCode::AttemptsExceeded => proto::ReasonCode::AttemptsExceeded,
        ReasonCode::OperatorNotAllowed => proto::ReasonCode::OperatorNotAllowed,
    }
}

fn sample_times(times: &SampleTimes) -> proto::SampleTimes {
    proto::SampleTimes {
        decode_us: microseconds(times.decode),
        detect_us: microseconds(times.detect),
        assess_us: microseconds(times.assess),
        align_us: microseconds(times.align),
        embed_us: microseconds(times.embed),
        queue_us: microseconds(times.queue),
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn saturate(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_those_of_the_domain() {
        for reason in ReasonCode::SAMPLE_FAULTS {
            let wire = reason_code(reason).as_str_name();
            assert_eq!(wire, format!("REASON_CODE_{}", reason.name()));
        }
        for made in Decision::ALL {
            assert_eq!(
                decision(made).as_str_name(),
                format!("DECISION_{}", made.name())
            );
        }
        for assessed in Component::ALL {
            let expected = format!("QUALITY_COMPONENT_{}", assessed.name().to_uppercase());
            assert_eq!(component(assessed).as_str_name(), expected);
        }
    }
}

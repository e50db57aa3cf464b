//! Responses as JSON, with the field names of the contract and short enum names.

use serde_json::{Map, Value, json};

use super::{component_name, decision_name, reason_name, stages, verdict_name};
use crate::grpc::proto;

/// A verification.
#[must_use]
pub fn verify(response: &proto::VerifyResponse) -> Value {
    let times = response.times.unwrap_or_default();
    json!({
        "request_id": response.request_id,
        "decision": decision_name(response.decision()),
        "reasons": reasons(&response.reasons),
        "similarity": response.similarity,
        "threshold": response.threshold,
        "fmr": response.fmr,
        "review_from": response.review_from,
        "policy_version": response.policy_version,
        "model_contract_id": response.model_contract_id,
        "probe": response.probe.as_ref().map(sample),
        "reference": response.reference.as_ref().map(sample),
        "times": {
            "probe": times.probe.as_ref().map(sample_times),
            "reference": times.reference.as_ref().map(sample_times),
            "total_us": times.total_us,
        },
    })
}

/// An assessment.
#[must_use]
pub fn assess(response: &proto::AssessCaptureResponse) -> Value {
    json!({
        "request_id": response.request_id,
        "acceptable": response.acceptable,
        "reasons": reasons(&response.reasons),
        "sample": response.sample.as_ref().map(sample),
        "times": response.times.as_ref().map(sample_times),
    })
}

fn reasons(reasons: &[proto::Reason]) -> Vec<Value> {
    let one = |reason: &proto::Reason| {
        json!({
            "code": reason_name(reason.code),
            "text_id": reason.text_id,
            "text_en": reason.text_en,
        })
    };
    reasons.iter().map(one).collect()
}

fn sample(report: &proto::SampleReport) -> Value {
    json!({
        "width": report.width,
        "height": report.height,
        "quarter_turns": report.quarter_turns,
        "faults": report.faults.iter().map(|code| reason_name(*code)).collect::<Vec<_>>(),
        "faces": report.faces.iter().map(face).collect::<Vec<_>>(),
        "quality": report.quality.iter().map(measure).collect::<Vec<_>>(),
    })
}

fn face(face: &proto::Face) -> Value {
    let area = face.r#box.unwrap_or_default();
    let landmarks = face.landmarks.unwrap_or_default();
    let point = |point: Option<proto::Point>| point.map(|point| [point.x, point.y]);
    json!({
        "box": { "x": area.x, "y": area.y, "width": area.width, "height": area.height },
        "landmarks": {
            "right_eye": point(landmarks.right_eye),
            "left_eye": point(landmarks.left_eye),
            "nose_tip": point(landmarks.nose_tip),
            "right_mouth_corner": point(landmarks.right_mouth_corner),
            "left_mouth_corner": point(landmarks.left_mouth_corner),
        },
        "confidence": face.confidence,
        "selected": face.selected,
    })
}

fn measure(measure: &proto::QualityMeasure) -> Value {
    json!({
        "component": component_name(measure),
        "value": measure.value,
        "limit": measure.limit,
        "verdict": verdict_name(measure),
        "native": measure.native,
    })
}

fn sample_times(times: &proto::SampleTimes) -> Value {
    let named = stages(times).map(|(stage, took)| (format!("{stage}_us"), Value::from(took)));
    Value::Object(Map::from_iter(named))
}

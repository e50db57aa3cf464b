//! Results for people and programs: tables, JSON, Markdown, HTML. Those of a verification are made
//! from the wire's responses, so that a local run and a server's answer look the same.

pub mod compare;
pub mod evaluation;
pub mod html;
pub mod json;
pub mod load;
mod look;
pub mod plot;
pub mod table;

use bytes::Bytes;

use crate::grpc::proto;

/// A verification and the samples it was about.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Heading.
    pub title: String,
    /// What was answered.
    pub response: proto::VerifyResponse,
    /// The probe, encoded.
    pub probe: Bytes,
    /// The reference, encoded.
    pub reference: Bytes,
}

/// A name of the wire without its prefix, for example `MATCH` for `DECISION_MATCH`.
fn short<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// A decision as people read it.
#[must_use]
pub fn decision_name(decision: proto::Decision) -> &'static str {
    short(decision.as_str_name(), "DECISION_")
}

fn reason_name(code: i32) -> &'static str {
    let code = proto::ReasonCode::try_from(code).unwrap_or_default();
    short(code.as_str_name(), "REASON_CODE_")
}

fn component_name(measure: &proto::QualityMeasure) -> String {
    short(measure.component().as_str_name(), "QUALITY_COMPONENT_").to_lowercase()
}

fn verdict_name(measure: &proto::QualityMeasure) -> String {
    short(measure.verdict().as_str_name(), "QUALITY_VERDICT_").to_lowercase()
}

/// Stage names and microseconds of one sample, in order.
fn stages(times: &proto::SampleTimes) -> [(&'static str, u64); 6] {
    [
        ("queue", times.queue_us),
        ("decode", times.decode_us),
        ("detect", times.detect_us),
        ("align", times.align_us),
        ("assess", times.assess_us),
        ("embed", times.embed_us),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "times are far below 2^52 microseconds"
)]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e3
}

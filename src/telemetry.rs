//! Logs and metrics. One struct per event emits its log line and its metrics together, so that the
//! two cannot drift apart. No image, embedding, similarity or subject is in either; labels are
//! taken from closed lists.

mod exporter;
mod metrics;

use std::io::IsTerminal;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

pub use exporter::serve_metrics;
pub use metrics::{BuildLabels, Metrics};

use crate::config::LogFormat;
use crate::decision::{Decision, ReasonCode};
use crate::pipeline::SampleTimes;
use metrics::{DecisionLabels, ReasonLabels, RequestLabels, StageLabels};

/// What is logged unless told otherwise. ONNX Runtime tells of each node that it places, some
/// hundred lines a model.
pub const DEFAULT_FILTER: &str = "info,ort=warn";

/// Starts logging to standard error. A filter that does not parse falls back to
/// [`DEFAULT_FILTER`].
pub fn start_logging(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // An error means that a test of the same process was first; its logging serves as well.
    drop(match format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Pretty => builder.compact().with_target(false).try_init(),
    });
}

/// A gRPC request was answered.
pub struct RequestAnswered<'a> {
    /// Method without its service, for example `Verify`; from the service's own table.
    pub method: &'static str,
    /// gRPC status code by name, for example `OK`.
    pub code: &'static str,
    /// The caller's request id, already validated; empty when there is none.
    pub request_id: &'a str,
    /// From arrival to answer.
    pub took: Duration,
}

impl RequestAnswered<'_> {
    /// Logs and counts.
    pub fn emit(&self, metrics: &Metrics) {
        let Self {
            method,
            code,
            request_id,
            took,
        } = *self;
        let took_ms = took.as_secs_f64() * 1e3;
        tracing::info!(method, code, request_id, took_ms, "request answered");
        let labels = RequestLabels { method, code };
        metrics.requests.get_or_create(&labels).inc();
        metrics
            .request_seconds
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }
}

/// A verification was decided.
pub struct VerificationDecided<'a> {
    /// The decision.
    pub decision: Decision,
    /// Its reasons, worst first.
    pub reasons: &'a [ReasonCode],
    /// The policy that decided.
    pub policy_version: &'a str,
    /// The request's id.
    pub request_id: &'a str,
}

impl VerificationDecided<'_> {
    /// Logs and counts.
    pub fn emit(&self, metrics: &Metrics) {
        let decision = self.decision.name();
        let reasons: Vec<&str> = self.reasons.iter().map(|r| r.name()).collect();
        tracing::info!(
            decision,
            reasons = reasons.join(","),
            policy_version = self.policy_version,
            request_id = self.request_id,
            "verification decided"
        );
        metrics
            .decisions
            .get_or_create(&DecisionLabels { decision })
            .inc();
        count_reasons(metrics, self.reasons);
    }
}

/// A capture was assessed.
pub struct CaptureAssessed<'a> {
    /// What to tell the operator.
    pub reasons: &'a [ReasonCode],
    /// The request's id.
    pub request_id: &'a str,
}

impl CaptureAssessed<'_> {
    /// Logs and counts.
    pub fn emit(&self, metrics: &Metrics) {
        let reasons: Vec<&str> = self.reasons.iter().map(|r| r.name()).collect();
        tracing::info!(
            acceptable = reasons.is_empty(),
            reasons = reasons.join(","),
            request_id = self.request_id,
            "capture assessed"
        );
        count_reasons(metrics, self.reasons);
    }
}

fn count_reasons(metrics: &Metrics, reasons: &[ReasonCode]) {
    for reason in reasons {
        let labels = ReasonLabels {
            reason: reason.name(),
        };
        metrics.reasons.get_or_create(&labels).inc();
    }
}

/// A sample went through the stages.
pub struct SampleExamined<'a> {
    /// Time by stage.
    pub times: &'a SampleTimes,
}

impl SampleExamined<'_> {
    /// Counts; the request's own line is enough of a log.
    pub fn emit(&self, metrics: &Metrics) {
        for (stage, took) in self.times.stages() {
            if !took.is_zero() {
                metrics
                    .stage_seconds
                    .get_or_create(&StageLabels { stage })
                    .observe(took.as_secs_f64());
            }
        }
    }
}

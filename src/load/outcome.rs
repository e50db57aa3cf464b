//! What a run comes to.

use std::collections::BTreeMap;

use super::call::plain;
use super::ledger::{self, Totals, WindowFigures};
use super::record::{Counts, Failures, PARTS, Spread};
use super::settings::{Arrivals, Settings};
use crate::grpc::proto;

/// What a server says about itself; empty when it did not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// padan's version.
    pub version: String,
    /// Version of the inference runtime.
    pub runtime_version: String,
    /// Where it computes, for example "cpu".
    pub execution_provider: String,
    /// Threads that work on samples.
    pub lanes: u32,
    /// Samples that may wait for a lane.
    pub queue_length_max: u32,
    /// Models by id, with the SHA-256 of their files.
    pub models: Vec<(String, String)>,
}

impl From<&proto::GetServiceInfoResponse> for ServerInfo {
    fn from(response: &proto::GetServiceInfoResponse) -> Self {
        let limits = response.limits.as_ref();
        Self {
            version: plain(&response.version),
            runtime_version: plain(&response.runtime_version),
            execution_provider: plain(&response.execution_provider),
            lanes: response.lanes,
            queue_length_max: limits.map_or(0, |limits| limits.queue_length_max),
            models: response
                .models
                .iter()
                .map(|model| (plain(&model.id), plain(&model.sha256)))
                .collect(),
        }
    }
}

/// Figures of one run. Counts and latencies are of the calls that were due in the measured time,
/// throughput of the decisions that came in it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was asked for.
    pub arrivals: Arrivals,
    /// HTTP/2 connections.
    pub connections: usize,
    /// Time before measuring, seconds.
    pub warmup_s: f64,
    /// Share by which windows may differ.
    pub tolerance: f64,
    /// Longest time for a call, milliseconds.
    pub deadline_ms: u64,
    /// Number of different probes.
    pub probes: usize,
    /// The server.
    pub server: ServerInfo,
    /// Measured time, seconds.
    pub duration_s: f64,
    /// Calls due a second.
    pub offered_per_s: f64,
    /// Decisions a second.
    pub throughput_per_s: f64,
    /// Calls that ended.
    pub counts: Counts,
    /// Calls that were still on their way when the run was stopped from outside.
    pub abandoned: u64,
    /// It was stopped from outside.
    pub ended_early: bool,
    /// The complete windows.
    pub windows: Vec<WindowFigures>,
    /// The windows agree.
    pub is_stable: bool,
    /// Windows that were left behind since the run was not stable yet.
    pub windows_before: usize,
    /// Their calls.
    pub counts_before: Counts,
    /// From the moment a call was to be sent to its answer, ms; answered calls.
    pub latency: Option<Spread>,
    /// The same of refused calls.
    pub refused_latency: Option<Spread>,
    /// How late this generator sent calls, ms.
    pub delay: Option<Spread>,
    /// Where the time of answered calls went, ms, in the order of [`PARTS`].
    pub parts: [(&'static str, Option<Spread>); PARTS.len()],
    /// Answered calls by decision.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Failed calls by gRPC code; `UNSENT` are those beyond the bound of calls in flight.
    pub failed: BTreeMap<&'static str, Failures>,
}

impl Outcome {
    pub(super) fn new(
        settings: &Settings,
        server: ServerInfo,
        totals: Totals,
        ended_early: bool,
    ) -> Self {
        let Totals {
            recorder, measured, ..
        } = totals;
        let counts = recorder.counts();
        let mut parts = PARTS.map(|part| (part, None));
        for ((_, spread), times) in parts.iter_mut().zip(&recorder.parts) {
            *spread = times.spread();
        }
        Self {
            arrivals: settings.arrivals,
            connections: settings.connections.get(),
            warmup_s: settings.warmup.as_secs_f64(),
            tolerance: settings.tolerance,
            deadline_ms: u64::try_from(settings.deadline.as_millis()).unwrap_or(u64::MAX),
            probes: settings.workload.len(),
            server,
            duration_s: measured.as_secs_f64(),
            offered_per_s: ledger::per_second(totals.arrived, measured),
            throughput_per_s: ledger::per_second(totals.completed, measured),
            counts,
            abandoned: totals.arrived.saturating_sub(counts.all()),
            ended_early,
            is_stable: ledger::is_stable(&totals.windows, settings.tolerance, &settings.arrivals),
            windows: totals.windows,
            windows_before: totals.earlier,
            counts_before: totals.earlier_counts,
            latency: recorder.latency.spread(),
            refused_latency: recorder.refused.spread(),
            delay: recorder.delay.spread(),
            parts,
            decisions: recorder.decisions,
            failed: recorder.failed,
        }
    }

    /// The rate that was asked for: of arrivals in an open loop, of the calls that callers made in
    /// a closed one.
    #[must_use]
    pub fn rate(&self) -> f64 {
        match self.arrivals {
            Arrivals::Open { rate, .. } => rate,
            Arrivals::Closed { .. } => self.offered_per_s,
        }
    }
}

//! Counts and times of calls.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};

use super::call::{Answer, Call, Decided};
use crate::grpc::proto;

/// What a call's time goes to, in order: outside the server, waiting for a lane, then the stages.
pub const PARTS: [&str; 7] = [
    "client", "queue", "decode", "detect", "align", "assess", "embed",
];

/// Longest time that is told apart, microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Figures of three digits, so quantiles are within 0.1 %.
const DIGITS: u8 = 3;

/// A histogram of times.
#[derive(Debug, Clone)]
pub struct Times(Histogram<u64>);

impl Times {
    /// # Errors
    /// Never with these bounds; the histogram's type says so.
    fn new() -> Result<Self, CreationError> {
        Histogram::new_with_bounds(1, LONGEST_US, DIGITS).map(Self)
    }

    fn record(&mut self, took: Duration) {
        self.0.saturating_record(microseconds(took));
    }

    fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so that nothing can be out of range.
        let _ = self.0.add(&other.0);
    }

    /// The figures; `None` when nothing was recorded.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        let at = |quantile| milliseconds(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Spread {
            count: self.0.len(),
            mean: self.0.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: milliseconds(self.0.max()),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "an hour is far below 2^52 µs")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e3
}

/// Times in milliseconds, within 0.1 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90 % took no longer.
    pub p90: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Calls that failed with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// How many.
    pub count: u64,
    /// What the first of them said.
    pub first: String,
}

/// Everything recorded about some calls.
#[derive(Debug, Clone)]
pub struct Recorder {
    /// From the moment a call was to be sent to its answer; answered calls only.
    pub latency: Times,
    /// The same of refused calls.
    pub refused: Times,
    /// How late this generator itself sent calls.
    pub delay: Times,
    /// Where the time of answered calls went, in the order of [`PARTS`].
    pub parts: [Times; PARTS.len()],
    /// Answered calls by decision.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Failed calls by gRPC code.
    pub failed: BTreeMap<&'static str, Failures>,
}

impl Recorder {
    /// # Errors
    /// Never: the bounds are constants that are valid.
    pub fn new() -> Result<Self, CreationError> {
        let empty = Times::new()?;
        Ok(Self {
            latency: empty.clone(),
            refused: empty.clone(),
            delay: empty.clone(),
            parts: PARTS.map(|_| empty.clone()),
            decisions: BTreeMap::new(),
            failed: BTreeMap::new(),
        })
    }

    /// Takes a call's answer and times.
    pub fn record(&mut self, call: &Call) {
        self.delay
            .record(call.sent.saturating_duration_since(call.scheduled));
        let latency = call.done.saturating_duration_since(call.scheduled);
        match &call.answer {
            Answer::Ok(decided) => {
                self.latency.record(latency);
                self.record_parts(decided, call.done.saturating_duration_since(call.sent));
                let decision = decided.decision.as_str_name();
                let decision = decision.strip_prefix("DECISION_").unwrap_or(decision);
                *self.decisions.entry(decision).or_default() += 1;
            }
            Answer::Refused { .. } => self.refused.record(latency),
            Answer::Failed { code, text } => self.fail(code, text, 1),
        }
    }

    /// Counts failures that are alike.
    pub fn fail(&mut self, code: &'static str, text: &str, count: u64) {
        let failures = self.failed.entry(code).or_insert_with(|| Failures {
            count: 0,
            first: text.to_owned(),
        });
        failures.count += count;
    }

    /// The two samples of a call wait side by side, so the longer wait is its wait; the work on
    /// them adds up.
    fn record_parts(&mut self, decided: &Decided, took: Duration) {
        let none = proto::SampleTimes::default();
        let probe = decided.times.probe.as_ref().unwrap_or(&none);
        let reference = decided.times.reference.as_ref().unwrap_or(&none);
        let sum = |of: fn(&proto::SampleTimes) -> u64| of(probe).saturating_add(of(reference));
        let microseconds = [
            microseconds(took).saturating_sub(decided.times.total_us),
            probe.queue_us.max(reference.queue_us),
            sum(|times| times.decode_us),
            sum(|times| times.detect_us),
            sum(|times| times.align_us),
            sum(|times| times.assess_us),
            sum(|times| times.embed_us),
        ];
        for (part, microseconds) in self.parts.iter_mut().zip(microseconds) {
            part.0.saturating_record(microseconds);
        }
    }

    /// Adds what `other` recorded.
    pub fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.refused.merge(&other.refused);
        self.delay.merge(&other.delay);
        for (part, others) in self.parts.iter_mut().zip(&other.parts) {
            part.merge(others);
        }
        for (decision, count) in &other.decisions {
            *self.decisions.entry(decision).or_default() += count;
        }
        for (code, failures) in &other.failed {
            self.fail(code, &failures.first, failures.count);
        }
    }

    /// How many calls ended how.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            ok: self.latency.0.len(),
            refused: self.refused.0.len(),
            failed: self.failed.values().map(|failures| failures.count).sum(),
        }
    }
}

fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(LONGEST_US)
}

/// Calls by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered with a decision, whichever.
    pub ok: u64,
    /// `RESOURCE_EXHAUSTED`.
    pub refused: u64,
    /// Any other gRPC code, and calls that were due but could not be sent.
    pub failed: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.ok + self.refused + self.failed
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.refused += other.refused;
        self.failed += other.failed;
    }
}

#[cfg(test)]
mod tests;

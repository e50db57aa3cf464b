//! Holds what was measured against a gate.

use std::time::Duration;

use super::{Gate, GateError, JudgedBy, Verdict, VerdictLine};
use crate::evaluation::comparison::{Candidate, ModelResult};
use crate::evaluation::cost::Cost;
use crate::evaluation::result::is_same_target;

/// Rates are quotients of counts: what is equal on paper may differ in the last bits.
const ROUNDING: f64 = 1e-9;

/// Whether a difference keeps to its limit; equal does, and not a number never does.
fn keeps(difference: f64, most: f64) -> bool {
    difference.is_finite() && difference <= most + ROUNDING * most.abs().max(1.0)
}

/// By how many percent `candidate` is more than `baseline`.
fn percent_more(baseline: f64, candidate: f64) -> f64 {
    (candidate / baseline - 1.0) * 100.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// "+0.1 points" for people, with as many digits as matter.
fn signed(difference: f64, unit: &str) -> String {
    if difference.is_finite() {
        format!("{difference:+.3} {unit}")
    } else {
        "no number".to_owned()
    }
}

impl Gate {
    /// Holds a candidate against the baseline, limit by limit.
    ///
    /// # Errors
    /// When a limit speaks of something that was not measured: that is never a pass.
    pub fn judge(
        &self,
        baseline: &ModelResult,
        candidate: &Candidate,
    ) -> Result<Verdict, GateError> {
        let result = &candidate.result;
        let mut lines = Vec::new();
        lines.extend(self.fnmr_line(candidate)?);
        lines.extend(self.failure_to_acquire_line(baseline, result));
        lines.extend(self.degradation_lines(baseline, result)?);
        if self.needs_cost() {
            let measured = |model: &ModelResult| {
                model.cost.clone().ok_or_else(|| GateError::NotMeasured {
                    key: "[speed] and [cost]",
                    problem: "cost was not measured: leave --no-cost out".to_owned(),
                })
            };
            let (baseline, candidate) = (measured(baseline)?, measured(result)?);
            lines.extend(self.speed_lines(&baseline, &candidate)?);
            lines.extend(self.start_line(&baseline, &candidate));
            lines.extend(self.memory_line(&baseline, &candidate)?);
        }
        lines.extend(self.file_line(result));
        lines.extend(self.licence_line(result));
        Ok(Verdict { lines })
    }

    fn fnmr_line(&self, candidate: &Candidate) -> Result<Option<VerdictLine>, GateError> {
        let limits = &self.accuracy;
        let (Some(target), Some(most)) = (limits.fmr, limits.fnmr_worse_points_max) else {
            return Ok(None);
        };
        let mut paired = candidate.paired.iter();
        let paired = paired.find(|found| is_same_target(found.target, target));
        let Some(paired) = paired else {
            return Err(GateError::NotMeasured {
                key: "accuracy.fmr",
                problem: format!("nothing was measured at FMR {target:e}: name it in --fmr"),
            });
        };
        let (low, high) = (paired.interval.0 * 100.0, paired.interval.1 * 100.0);
        let difference = paired.difference * 100.0;
        let (judged, how) = match limits.judged_by {
            JudgedBy::Estimate => (difference, "judged by the difference seen"),
            JudgedBy::Interval => (high, "judged by the upper end of its 95 % interval"),
        };
        Ok(Some(VerdictLine {
            key: "accuracy.fnmr_worse_points_max",
            demanded: format!(
                "FNMR at FMR {target:e}: the baseline's {most:+} points at most, {how}"
            ),
            measured: format!(
                "{:.3} % against {:.3} %: {}, 95 % interval {low:+.3} to {high:+.3}",
                paired.candidate_fnmr * 100.0,
                paired.baseline_fnmr * 100.0,
                signed(difference, "points"),
            ),
            passed: keeps(judged, most) && difference.is_finite(),
        }))
    }

    fn failure_to_acquire_line(
        &self,
        baseline: &ModelResult,
        candidate: &ModelResult,
    ) -> Option<VerdictLine> {
        let most = self.accuracy.failure_to_acquire_worse_points_max?;
        let rates = [baseline, candidate].map(|model| model.evaluation.failure_to_acquire_rate());
        Some(points_line(
            "accuracy.failure_to_acquire_worse_points_max",
            "failures to acquire",
            rates,
            most,
        ))
    }

    fn degradation_lines(
        &self,
        baseline: &ModelResult,
        candidate: &ModelResult,
    ) -> Result<Vec<VerdictLine>, GateError> {
        let limits = &self.degradation;
        let (Some(target), Some(most)) = (limits.fmr, limits.fnmr_worse_points_max) else {
            return Ok(Vec::new());
        };
        let not_measured = |problem: String| GateError::NotMeasured {
            key: "degradation.fnmr_worse_points_max",
            problem,
        };
        let rate = |model: &ModelResult, name: &str| {
            let at = model.evaluation.measures.target_position(target)?;
            let mut degradations = model.evaluation.degradations.iter();
            let found = degradations.find(|degradation| degradation.name == name)?;
            found.fnmr.get(at).map(|fnmr| fnmr.rate)
        };
        let degradations = &baseline.evaluation.degradations;
        // One that only the candidate has is not left out silently.
        if degradations.is_empty() || degradations.len() != candidate.evaluation.degradations.len()
        {
            return Err(not_measured(
                "degradations were not measured for both: add --degradations".to_owned(),
            ));
        }
        let lines = degradations.iter().map(|degradation| {
            let name = degradation.name.as_str();
            match (rate(baseline, name), rate(candidate, name)) {
                (Some(one), Some(other)) => Ok(points_line(
                    "degradation.fnmr_worse_points_max",
                    &format!("FNMR at FMR {target:e} with {name}"),
                    [one, other],
                    most,
                )),
                _ => Err(not_measured(format!(
                    "{name} was not measured at FMR {target:e} for both models: name the rate in \
                     --fmr"
                ))),
            }
        });
        lines.collect()
    }

    fn speed_lines(
        &self,
        baseline: &Cost,
        candidate: &Cost,
    ) -> Result<Vec<VerdictLine>, GateError> {
        let limits = &self.speed;
        self.check_timed_samples(baseline.latency.count.min(candidate.latency.count))?;
        let median = limits.latency_median_worse_percent_max.map(|most| {
            let times = [baseline.latency.median, candidate.latency.median];
            let key = "speed.latency_median_worse_percent_max";
            percent_line(key, "median latency", "ms", times.map(milliseconds), most)
        });
        let p99 = limits.latency_p99_worse_percent_max.map(|most| {
            let times = [baseline.latency.p99, candidate.latency.p99];
            let key = "speed.latency_p99_worse_percent_max";
            percent_line(
                key,
                "99th percentile of latency",
                "ms",
                times.map(milliseconds),
                most,
            )
        });
        let throughput = limits.throughput_worse_percent_max.map(|most| {
            let rates = [&baseline.throughput, &candidate.throughput];
            throughput_line(rates.map(|throughput| throughput.samples_per_s), most)
        });
        Ok([median, p99, throughput].into_iter().flatten().collect())
    }

    fn start_line(&self, baseline: &Cost, candidate: &Cost) -> Option<VerdictLine> {
        let most = self.cost.start_time_worse_percent_max?;
        let times = [baseline.start.median, candidate.start.median].map(milliseconds);
        let key = "cost.start_time_worse_percent_max";
        Some(percent_line(
            key,
            "median time to be ready",
            "ms",
            times,
            most,
        ))
    }

    fn memory_line(
        &self,
        baseline: &Cost,
        candidate: &Cost,
    ) -> Result<Option<VerdictLine>, GateError> {
        let Some(most) = self.cost.memory_worse_percent_max else {
            return Ok(None);
        };
        let key = "cost.memory_worse_percent_max";
        let (Some(one), Some(other)) = (baseline.memory, candidate.memory) else {
            return Err(GateError::NotMeasured {
                key,
                problem: "this system does not tell how much memory a process holds: judge on \
                          Linux"
                    .to_owned(),
            });
        };
        let held = [one.worked_bytes, other.worked_bytes].map(mebibytes);
        Ok(Some(percent_line(
            key,
            "memory of a working process",
            "MiB",
            held,
            most,
        )))
    }

    fn file_line(&self, candidate: &ModelResult) -> Option<VerdictLine> {
        let most = self.cost.file_bytes_max?;
        let bytes = candidate.facts.file_bytes;
        Some(VerdictLine {
            key: "cost.file_bytes_max",
            demanded: format!("a file of at most {most} bytes"),
            measured: format!("{bytes} bytes"),
            passed: bytes <= most,
        })
    }

    fn licence_line(&self, candidate: &ModelResult) -> Option<VerdictLine> {
        self.licence.commercial_use?;
        let facts = &candidate.facts;
        Some(VerdictLine {
            key: "licence.commercial_use",
            demanded: "a licence that allows commercial use".to_owned(),
            measured: if facts.commercial_use {
                format!("{} allows it", facts.licence)
            } else {
                format!("{} does not allow it", facts.licence)
            },
            passed: facts.commercial_use,
        })
    }
}

/// A line about two rates, baseline first.
fn points_line(key: &'static str, what: &str, rates: [f64; 2], most: f64) -> VerdictLine {
    let [baseline, candidate] = rates.map(|rate| rate * 100.0);
    let difference = candidate - baseline;
    VerdictLine {
        key,
        demanded: format!("{what}: the baseline's {most:+} points at most"),
        measured: format!(
            "{candidate:.3} % against {baseline:.3} %: {}",
            signed(difference, "points")
        ),
        passed: keeps(difference, most),
    }
}

/// A line about two amounts of which less is better, baseline first.
fn percent_line(
    key: &'static str,
    what: &str,
    unit: &str,
    amounts: [f64; 2],
    most: f64,
) -> VerdictLine {
    let [baseline, candidate] = amounts;
    let difference = percent_more(baseline, candidate);
    VerdictLine {
        key,
        demanded: format!("{what}: the baseline's {most:+} % at most"),
        measured: format!(
            "{candidate:.1} {unit} against {baseline:.1} {unit}: {}",
            signed(difference, "%")
        ),
        passed: keeps(difference, most),
    }
}

/// Of throughput, more is better.
fn throughput_line(rates: [f64; 2], most: f64) -> VerdictLine {
    let [baseline, candidate] = rates;
    let lower = -percent_more(baseline, candidate);
    VerdictLine {
        key: "speed.throughput_worse_percent_max",
        demanded: format!("throughput: lower than the baseline's by {most} % at most"),
        measured: format!(
            "{candidate:.1} samples/s against {baseline:.1} samples/s: {}",
            signed(-lower, "%")
        ),
        passed: keeps(lower, most),
    }
}

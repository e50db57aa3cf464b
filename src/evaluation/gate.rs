//! What a candidate must keep to replace the baseline, as a file for a build server.

mod judge;

use serde::Deserialize;

use super::result::is_same_target;

/// A 99th percentile of fewer times is hardly more than the longest.
const P99_TIMES_MIN: usize = 100;

/// A gate that cannot be used, or cannot be judged by what was measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// The text is no gate.
    #[error("{0}")]
    Malformed(String),
    /// A value makes no sense.
    #[error("{key} {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what it takes.
        problem: &'static str,
    },
    /// No limit at all.
    #[error(
        "the gate demands nothing: give it at least one limit, for example \
         accuracy.fnmr_worse_points_max with accuracy.fmr"
    )]
    Empty,
    /// A limit on something that was not measured.
    #[error("{key} cannot be judged: {problem}")]
    NotMeasured {
        /// The key.
        key: &'static str,
        /// What was not measured, and how it would be.
        problem: String,
    },
}

/// Which number of a paired difference is held against the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JudgedBy {
    /// The difference that was seen.
    #[default]
    Estimate,
    /// The upper end of its 95 % interval: the candidate must be shown to be good enough.
    Interval,
}

/// `[accuracy]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccuracyLimits {
    /// Target false match rate at which the false non-match rate is held against its limit.
    pub fmr: Option<f64>,
    /// Most percentage points by which the false non-match rate may be worse; below zero, it must
    /// be better.
    pub fnmr_worse_points_max: Option<f64>,
    /// What is held against that limit.
    pub judged_by: JudgedBy,
    /// Most percentage points by which the rate of failures to acquire may be worse.
    pub failure_to_acquire_worse_points_max: Option<f64>,
}

/// `[degradation]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DegradationLimits {
    /// Target false match rate.
    pub fmr: Option<f64>,
    /// Most percentage points by which the false non-match rate may be worse with each
    /// degradation.
    pub fnmr_worse_points_max: Option<f64>,
}

/// `[speed]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpeedLimits {
    /// Most percent by which the median time of a sample may be longer.
    pub latency_median_worse_percent_max: Option<f64>,
    /// The same for the 99th percentile.
    pub latency_p99_worse_percent_max: Option<f64>,
    /// Most percent by which throughput may be lower.
    pub throughput_worse_percent_max: Option<f64>,
}

/// `[cost]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostLimits {
    /// Most percent by which a working process may hold more memory.
    pub memory_worse_percent_max: Option<f64>,
    /// Most percent by which a process may take longer to be ready.
    pub start_time_worse_percent_max: Option<f64>,
    /// Largest file of the candidate, bytes.
    pub file_bytes_max: Option<u64>,
}

/// `[licence]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LicenceLimits {
    /// The candidate's licence must allow commercial use.
    pub commercial_use: Option<bool>,
}

/// Limits on a candidate. At least one is given, and all make sense.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    accuracy: AccuracyLimits,
    degradation: DegradationLimits,
    speed: SpeedLimits,
    cost: CostLimits,
    licence: LicenceLimits,
}

/// One limit, and how the candidate stands to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictLine {
    /// The limit's key in the file.
    pub key: &'static str,
    /// What was demanded, in words.
    pub demanded: String,
    /// What was measured, in words.
    pub measured: String,
    /// Whether the demand is met.
    pub passed: bool,
}

/// What a gate says of a candidate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// One line for each limit; for degradations, one for each of them.
    pub lines: Vec<VerdictLine>,
}

impl Verdict {
    /// Whether every demand is met. A verdict about nothing is none.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.lines.is_empty() && self.lines.iter().all(|line| line.passed)
    }
}

impl Gate {
    /// A gate from its text (TOML).
    ///
    /// # Errors
    /// When the text is malformed, has an unknown key or a senseless value, or demands nothing.
    pub fn parse(text: &str) -> Result<Self, GateError> {
        let gate: Self =
            toml::from_str(text).map_err(|error| GateError::Malformed(error.to_string()))?;
        gate.check_differences()?;
        gate.check_targets()?;
        gate.check_demands()?;
        Ok(gate)
    }

    /// Target false match rates that it speaks of.
    #[must_use]
    pub fn targets(&self) -> Vec<f64> {
        [self.accuracy.fmr, self.degradation.fmr]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether degradations must be measured to judge.
    #[must_use]
    pub fn needs_degradations(&self) -> bool {
        self.degradation.fnmr_worse_points_max.is_some()
    }

    /// Whether time or memory must be measured to judge.
    #[must_use]
    pub fn needs_cost(&self) -> bool {
        let cost = [
            self.cost.memory_worse_percent_max,
            self.cost.start_time_worse_percent_max,
        ];
        self.speed != SpeedLimits::default() || cost.iter().any(Option::is_some)
    }

    /// Whether it can be judged by an evaluation at these targets, before hours are spent on one.
    ///
    /// # Errors
    /// When one of its own targets is not among them.
    pub fn check_measured_targets(&self, measured: &[f64]) -> Result<(), GateError> {
        let keyed = [
            ("accuracy.fmr", self.accuracy.fmr),
            ("degradation.fmr", self.degradation.fmr),
        ];
        for (key, target) in keyed {
            let Some(target) = target else { continue };
            if !measured.iter().any(|found| is_same_target(*found, target)) {
                return Err(GateError::NotMeasured {
                    key,
                    problem: format!("nothing is measured at FMR {target:e}: name it in --fmr"),
                });
            }
        }
        Ok(())
    }

    /// Whether so many times of each model are enough to judge: before the work as many as there
    /// can be, after it as many as there are.
    ///
    /// # Errors
    /// When it has a limit on a percentile that takes more.
    pub fn check_timed_samples(&self, times: usize) -> Result<(), GateError> {
        if self.speed.latency_p99_worse_percent_max.is_none() || times >= P99_TIMES_MIN {
            return Ok(());
        }
        Err(GateError::NotMeasured {
            key: "speed.latency_p99_worse_percent_max",
            problem: format!(
                "a 99th percentile takes {P99_TIMES_MIN} timed samples, and there are {times}: \
                 raise --cost-samples or --cost-rounds"
            ),
        })
    }

    /// Differences are points and percentages that something can have.
    fn check_differences(&self) -> Result<(), GateError> {
        let points = "takes percentage points from -100 to 100, for example 0.1";
        let percent = "takes a percentage from -100 to 10000, for example 10";
        let accuracy = &self.accuracy;
        let differences = [
            (
                "accuracy.fnmr_worse_points_max",
                accuracy.fnmr_worse_points_max,
                points,
            ),
            (
                "accuracy.failure_to_acquire_worse_points_max",
                accuracy.failure_to_acquire_worse_points_max,
                points,
            ),
            (
                "degradation.fnmr_worse_points_max",
                self.degradation.fnmr_worse_points_max,
                points,
            ),
            (
                "speed.latency_median_worse_percent_max",
                self.speed.latency_median_worse_percent_max,
                percent,
            ),
            (
                "speed.latency_p99_worse_percent_max",
                self.speed.latency_p99_worse_percent_max,
                percent,
            ),
            (
                "speed.throughput_worse_percent_max",
                self.speed.throughput_worse_percent_max,
                percent,
            ),
            (
                "cost.memory_worse_percent_max",
                self.cost.memory_worse_percent_max,
                percent,
            ),
            (
                "cost.start_time_worse_percent_max",
                self.cost.start_time_worse_percent_max,
                percent,
            ),
        ];
        for (key, value, problem) in differences {
            let most = if problem == points { 100.0 } else { 10_000.0 };
            if value.is_some_and(|value| !(-100.0..=most).contains(&value)) {
                return Err(GateError::Value { key, problem });
            }
        }
        Ok(())
    }

    /// Targets are rates, and limits that take one have one.
    fn check_targets(&self) -> Result<(), GateError> {
        let (accuracy, degradation) = (&self.accuracy, &self.degradation);
        let keyed = [
            ("accuracy.fmr", accuracy.fmr, accuracy.fnmr_worse_points_max),
            (
                "degradation.fmr",
                degradation.fmr,
                degradation.fnmr_worse_points_max,
            ),
        ];
        for (key, target, limit) in keyed {
            let problem = match (target, limit) {
                (Some(target), _) if !(target > 0.0 && target < 1.0) => {
                    "takes a rate between 0 and 1, for example 1e-4"
                }
                (Some(_), None) => "says at which rate, but fnmr_worse_points_max is missing there",
                (None, Some(_)) => "is missing: fnmr_worse_points_max takes a false match rate",
                _ => continue,
            };
            return Err(GateError::Value { key, problem });
        }
        if accuracy.judged_by == JudgedBy::Interval && accuracy.fnmr_worse_points_max.is_none() {
            return Err(GateError::Value {
                key: "accuracy.judged_by",
                problem: "says how to judge, but fnmr_worse_points_max is missing",
            });
        }
        Ok(())
    }

    /// Something is demanded, and every demand can be met.
    fn check_demands(&self) -> Result<(), GateError> {
        if self.cost.file_bytes_max == Some(0) {
            return Err(GateError::Value {
                key: "cost.file_bytes_max",
                problem: "takes bytes, 1 or more: no model is smaller",
            });
        }
        if self.licence.commercial_use == Some(false) {
            return Err(GateError::Value {
                key: "licence.commercial_use",
                problem: "takes true; without the demand, leave it out",
            });
        }
        if *self == Self::default() {
            return Err(GateError::Empty);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

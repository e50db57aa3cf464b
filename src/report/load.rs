//! What a load on a server came to, as tables and JSON.

mod json;
mod table;

pub use json::json;
pub use table::table;

use std::collections::BTreeMap;

use crate::load::{Counts, Outcome, P99Limit, Series};

/// The runs of one command, at least one unless it was stopped at once.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// The runs.
    pub series: Series,
    /// The limit that rates were tried against, and the highest that kept it, calls a second.
    pub limit: Option<(P99Limit, Option<f64>)>,
}

impl LoadReport {
    /// One run.
    #[must_use]
    pub fn of(run: Outcome) -> Self {
        let series = Series {
            runs: vec![run],
            problem: None,
        };
        Self {
            series,
            limit: None,
        }
    }

    /// The run whose figures stand for all: that of the highest rate that kept the limit, or the
    /// one with the highest throughput.
    #[must_use]
    pub fn shown(&self) -> Option<&Outcome> {
        let highest = self.limit.and_then(|(_, highest)| highest);
        let mut runs = self.series.runs.iter();
        let kept = runs.find(|run| Some(run.rate()) == highest);
        let by_throughput =
            |a: &&Outcome, b: &&Outcome| a.throughput_per_s.total_cmp(&b.throughput_per_s);
        kept.or_else(|| self.series.runs.iter().max_by(by_throughput))
    }
}

/// Why a command has no figures: what most calls met.
#[must_use]
pub fn why_nothing(runs: &[Outcome]) -> String {
    let mut counts = Counts::default();
    for run in runs {
        counts.add(run.counts);
    }
    let mut by_code: BTreeMap<_, (u64, &str)> = BTreeMap::new();
    for (code, failures) in runs.iter().flat_map(|run| &run.failed) {
        by_code.entry(code).or_insert((0, &failures.first)).0 += failures.count;
    }
    let most = by_code.into_iter().max_by_key(|(_, (count, _))| *count);
    match most {
        Some((code, (_, first))) if counts.failed > counts.refused => format!(
            "no call was answered with a decision: {} failed, most with {code}: {first}",
            counts.failed
        ),
        _ if counts.refused > 0 => format!(
            "no call was answered with a decision: the server refused {}; ask for less, or raise \
             its engine.queue_length_max and server.requests_max",
            counts.refused
        ),
        _ => "no call was answered with a decision before the end: measure for longer".to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests;

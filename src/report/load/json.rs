//! A load as JSON.

use serde_json::{Map, Value, json};

use super::LoadReport;
use crate::load::{Arrivals, Failures, Outcome, Spread};

/// As JSON: the figures of [`LoadReport::shown`], and those of every run when there are several.
/// Times are milliseconds; what was not measured is `null`.
#[must_use]
pub fn json(report: &LoadReport) -> Value {
    let mut value = report.shown().map_or_else(|| json!({}), run_json);
    let Some(object) = value.as_object_mut() else {
        return value;
    };
    if let Some((limit, highest)) = report.limit {
        let limit = json!({
            "p99_ms": limit.p99.as_secs_f64() * 1e3,
            "lost_max": limit.lost_max,
            "highest_rate_per_s": highest,
        });
        object.insert("limit".to_owned(), limit);
    }
    if let Some(problem) = &report.series.problem {
        object.insert("problem".to_owned(), json!(problem));
    }
    if report.series.runs.len() > 1 || report.limit.is_some() {
        let runs = report.series.runs.iter().map(run_json).collect();
        object.insert("runs".to_owned(), runs);
    }
    value
}

fn run_json(run: &Outcome) -> Value {
    let mut value = json!({
        "throughput_per_s": rounded(run.throughput_per_s),
        "latency_ms": spread_json(run.latency),
        "ok": run.counts.ok,
        "refused": run.counts.refused,
        "failed": run.counts.failed,
        // Mean of each part; `stage_spread_ms` has the quantiles.
        "stage_ms": parts_json(run, |spread| json!(rounded(spread.mean))),
        "stage_spread_ms": parts_json(run, |spread| spread_json(Some(spread))),
        "refused_latency_ms": spread_json(run.refused_latency),
        "generator_delay_ms": spread_json(run.delay),
        "abandoned": run.abandoned,
        "ended_early": run.ended_early,
        "failed_by_code": by_code(run),
        "decisions": run.decisions,
        "offered_per_s": rounded(run.offered_per_s),
        "duration_s": rounded(run.duration_s),
        "warmup_s": run.warmup_s,
        "deadline_ms": run.deadline_ms,
        "connections": run.connections,
        "probes": run.probes,
        "stable": run.is_stable,
        "tolerance": run.tolerance,
        "windows": run.windows.iter().map(|window| json!({
            "arrived": window.arrived,
            "completed": window.completed,
            "throughput_per_s": rounded(window.throughput_per_s),
        })).collect::<Vec<_>>(),
        "before": {
            "windows": run.windows_before,
            "ok": run.counts_before.ok,
            "refused": run.counts_before.refused,
            "failed": run.counts_before.failed,
        },
        "server": {
            "version": run.server.version,
            "runtime_version": run.server.runtime_version,
            "execution_provider": run.server.execution_provider,
            "lanes": run.server.lanes,
            "queue_length_max": run.server.queue_length_max,
            "models": run.server.models.iter().map(|(id, sha256)| json!({
                "id": id,
                "sha256": sha256,
            })).collect::<Vec<_>>(),
        },
    });
    if let (Some(object), Value::Object(arrivals)) = (value.as_object_mut(), arrivals_json(run)) {
        object.extend(arrivals);
    }
    value
}

fn arrivals_json(run: &Outcome) -> Value {
    match run.arrivals {
        Arrivals::Closed { callers } => json!({
            "mode": "closed",
            "concurrency": callers,
            "rate": null,
            "seed": null,
        }),
        Arrivals::Open {
            rate,
            seed,
            in_flight_max,
        } => json!({
            "mode": "open",
            "concurrency": in_flight_max,
            "rate": rate,
            "seed": seed,
        }),
    }
}

fn by_code(run: &Outcome) -> Value {
    let one = |(code, failures): (&&str, &Failures)| {
        let value = json!({ "count": failures.count, "first": failures.first });
        ((*code).to_owned(), value)
    };
    Value::Object(run.failed.iter().map(one).collect())
}

fn parts_json(run: &Outcome, figure: impl Fn(Spread) -> Value) -> Value {
    let one = |(part, spread): &(&str, Option<Spread>)| {
        ((*part).to_owned(), spread.map_or(Value::Null, &figure))
    };
    Value::Object(run.parts.iter().map(one).collect::<Map<_, _>>())
}

/// `null` in place of each figure when there are none.
fn spread_json(spread: Option<Spread>) -> Value {
    json!({
        "p50": spread.map(|spread| rounded(spread.p50)),
        "p90": spread.map(|spread| rounded(spread.p90)),
        "p99": spread.map(|spread| rounded(spread.p99)),
        "max": spread.map(|spread| rounded(spread.max)),
    })
}

/// To three digits after the point: microseconds of milliseconds.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::load::{Arrivals, Failures, PARTS, ServerInfo, Spread, WindowFigures};

fn spread(p50: f64) -> Spread {
    Spread {
        count: 300,
        mean: p50,
        p50,
        p90: 2.0 * p50,
        p99: 3.0 * p50,
        max: 4.0 * p50,
    }
}

/// A run with figures of all kinds.
pub fn outcome(rate: f64, p50: f64) -> Outcome {
    let window = WindowFigures {
        arrived: 100,
        completed: 100,
        throughput_per_s: rate,
    };
    let mut parts = PARTS.map(|part| (part, None));
    for ((_, spread), mean) in parts.iter_mut().zip(1..) {
        *spread = Some(self::spread(f64::from(mean)));
    }
    Outcome {
        arrivals: Arrivals::Open {
            rate,
            seed: 7,
            in_flight_max: 512,
        },
        connections: 8,
        warmup_s: 2.0,
        tolerance: 0.05,
        deadline_ms: 10_000,
        probes: 3,
        server: ServerInfo {
            version: "1.2.3 <&> \"'".to_owned(),
            runtime_version: "1.24".to_owned(),
            execution_provider: "cpu".to_owned(),
            lanes: 2,
            queue_length_max: 64,
            models: vec![("sface".to_owned(), "00ff".to_owned())],
        },
        duration_s: 15.0,
        offered_per_s: rate,
        throughput_per_s: 0.9 * rate,
        counts: Counts {
            ok: 300,
            refused: 20,
            failed: 10,
        },
        abandoned: 1,
        ended_early: true,
        windows: vec![window; 3],
        is_stable: true,
        windows_before: 2,
        counts_before: Counts {
            ok: 5,
            refused: 6,
            failed: 7,
        },
        latency: Some(spread(p50)),
        refused_latency: Some(spread(1.0)),
        delay: Some(spread(0.1)),
        parts,
        decisions: BTreeMap::from([("MATCH", 300)]),
        failed: BTreeMap::from([(
            "INTERNAL",
            Failures {
                count: 10,
                first: "broke".to_owned(),
            },
        )]),
    }
}

fn nothing_answered() -> Outcome {
    let mut run = outcome(5.0, 1.0);
    run.counts = Counts::default();
    run.latency = None;
    run.refused_latency = None;
    run.parts = PARTS.map(|part| (part, None));
    run.failed.clear();
    run
}

fn report(runs: Vec<Outcome>) -> LoadReport {
    let series = Series {
        runs,
        problem: None,
    };
    LoadReport {
        series,
        limit: None,
    }
}

fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[test]
fn the_json_has_the_keys_of_the_contract() {
    let value = json(&report(vec![outcome(5.0, 20.0)]));
    assert_eq!(value["throughput_per_s"], 4.5);
    assert_eq!(
        value["latency_ms"],
        json!({ "p50": 20.0, "p90": 40.0, "p99": 60.0, "max": 80.0 })
    );
    assert_eq!(
        [&value["ok"], &value["refused"], &value["failed"]],
        [&json!(300), &json!(20), &json!(10)]
    );
    let mut parts = PARTS.to_vec();
    parts.sort_unstable();
    assert_eq!(keys(&value["stage_ms"]), parts);
    assert_eq!(value["stage_ms"]["client"], 1.0);
    assert_eq!(value["stage_ms"]["embed"], 7.0);
    assert_eq!(value["stage_spread_ms"]["embed"]["p99"], 21.0);
}

#[test]
fn the_json_says_how_it_came_about() {
    let value = json(&report(vec![outcome(5.0, 20.0)]));
    assert_eq!(value["mode"], "open");
    assert_eq!(value["rate"], 5.0);
    assert_eq!(value["seed"], 7);
    assert_eq!(value["concurrency"], 512);
    assert_eq!(value["stable"], true);
    assert_eq!(value["windows"].as_array().expect("a list").len(), 3);
    assert_eq!(value["before"]["failed"], 7);
    assert_eq!(value["failed_by_code"]["INTERNAL"]["count"], 10);
    assert_eq!(value["server"]["models"][0]["sha256"], "00ff");
    assert!(value.get("runs").is_none(), "one run has no list");
    let mut closed = outcome(5.0, 20.0);
    closed.arrivals = Arrivals::Closed { callers: 3 };
    let value = json(&report(vec![closed]));
    assert_eq!(value["mode"], "closed");
    assert_eq!(value["concurrency"], 3);
    assert_eq!(value["rate"], Value::Null);
}

#[test]
fn what_was_not_measured_is_null_and_a_dash() {
    let report = report(vec![nothing_answered()]);
    let value = json(&report);
    assert_eq!(keys(&value["latency_ms"]), ["max", "p50", "p90", "p99"]);
    assert_eq!(value["latency_ms"]["p99"], Value::Null);
    assert_eq!(value["stage_ms"]["decode"], Value::Null);
    assert!(table(&report).contains('–'));
}

#[test]
fn of_several_runs_the_one_with_the_highest_throughput_stands_for_all() {
    let runs = vec![outcome(5.0, 20.0), outcome(40.0, 90.0), outcome(20.0, 30.0)];
    let value = json(&report(runs));
    assert_eq!(value["rate"], 40.0);
    assert_eq!(value["runs"].as_array().expect("a list").len(), 3);
    assert_eq!(value["runs"][2]["latency_ms"]["p50"], 30.0);
}

#[test]
fn of_a_limit_the_highest_rate_that_kept_it_stands_for_all() {
    let limit = P99Limit {
        p99: Duration::from_millis(100),
        lost_max: 0.01,
    };
    let runs = vec![outcome(5.0, 20.0), outcome(40.0, 90.0), outcome(20.0, 30.0)];
    let mut report = report(runs);
    report.limit = Some((limit, Some(20.0)));
    let value = json(&report);
    assert_eq!(value["rate"], 20.0);
    assert_eq!(
        value["limit"],
        json!({ "p99_ms": 100.0, "lost_max": 0.01, "highest_rate_per_s": 20.0 })
    );
    assert!(table(&report).contains("20.0 calls a second"));
    report.limit = Some((limit, None));
    assert_eq!(json(&report)["limit"]["highest_rate_per_s"], Value::Null);
    assert!(table(&report).contains("No rate keeps"));
}

#[test]
fn the_table_says_what_a_reader_must_know() {
    let mut run = outcome(5.0, 20.0);
    run.counts.ok = 42;
    let text = table(&report(vec![run]));
    for needed in [
        "open loop, 5 calls a second",
        "seed 7",
        "2 lanes",
        "within 5 %",
        "INTERNAL",
        "broke",
        "abandoned",
        "embed",
        "until a refusal",
        "Stopped early",
        "2 windows came before",
        "measure for longer",
    ] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
}

#[test]
fn a_series_that_broke_off_says_why() {
    let mut report = report(vec![outcome(5.0, 20.0)]);
    assert!(json(&report).get("problem").is_none());
    report.series.problem = Some("no server answers".to_owned());
    assert_eq!(json(&report)["problem"], "no server answers");
    assert!(table(&report).contains("no more runs: no server answers"));
}

#[test]
fn no_runs_make_no_figures_and_no_panic() {
    let report = report(Vec::new());
    assert_eq!(json(&report), json!({}));
    assert!(table(&report).contains("stopped before"));
}

#[test]
fn why_there_are_no_figures_names_what_most_calls_met() {
    let mut run = nothing_answered();
    assert!(why_nothing(&[run.clone()]).contains("measure for longer"));
    run.counts.refused = 9;
    assert!(why_nothing(&[run.clone()]).contains("refused 9"));
    run.counts.failed = 10;
    run.failed = outcome(5.0, 1.0).failed;
    let text = why_nothing(&[run]);
    assert!(text.contains("INTERNAL: broke"), "{text}");
}

//! Made-up results for tests.

use std::time::Duration;

use super::*;
use crate::evaluation::cost::{Memory, Spread, StartTime, Throughput};
use crate::evaluation::disagreement::{Decided, agreements};
use crate::evaluation::made_up;

/// Paired rates at 1e-4 whose interval is a tenth of a point to both sides.
pub fn paired(baseline: f64, candidate: f64) -> PairedRates {
    let difference = candidate - baseline;
    PairedRates {
        target: 1e-4,
        baseline_fnmr: baseline,
        candidate_fnmr: candidate,
        difference,
        interval: (difference - 0.001, difference + 0.001),
        share_worse: 0.25,
    }
}

/// A cost whose median latency is so many milliseconds, and all else in proportion.
pub fn cost(latency_ms: u64) -> Cost {
    let spread = |median_ms: u64| Spread {
        count: 1000,
        median: Duration::from_millis(median_ms),
        p90: Duration::from_millis(median_ms * 3 / 2),
        p99: Duration::from_millis(median_ms * 2),
        longest: Duration::from_millis(median_ms * 4),
    };
    let per_s = 2000.0 / latency_ms as f64;
    Cost {
        latency: spread(latency_ms),
        embed: spread(latency_ms / 2),
        left_out: 1,
        throughput: Throughput {
            samples_per_s: per_s,
            turns: vec![per_s; 3],
            turn: Duration::from_secs(3),
            lanes: 2,
        },
        start: StartTime {
            median: Duration::from_millis(latency_ms * 10),
            starts: vec![Duration::from_millis(latency_ms * 10); 3],
        },
        memory: Some(Memory {
            ready_bytes: latency_ms << 20,
            worked_bytes: latency_ms << 21,
            samples: 200,
            lanes: 2,
        }),
    }
}

/// With one target and one degradation.
fn evaluation(name: &str, fnmr: f64) -> Evaluation {
    let mut made = made_up::evaluation(name, 0.05);
    (made.images, made.failure_to_acquire) = (1000, 10);
    "made up".clone_into(&mut made.data);
    let measures = &mut made.measures;
    measures.targets.retain(|at| at.target == 1e-4);
    for at in &mut measures.targets {
        (at.threshold, at.fnmr.rate) = (0.4, fnmr);
        at.fnmr_at_target = (fnmr * 0.8, fnmr * 1.2);
    }
    made.degradations.truncate(1);
    for degradation in &mut made.degradations {
        "blur".clone_into(&mut degradation.name);
        degradation.fnmr.truncate(1);
        degradation.fnmr[0].rate = fnmr * 2.0;
    }
    made
}

/// A model with one target and one degradation.
pub fn model(name: &str, fnmr: f64, latency_ms: u64) -> ModelResult {
    ModelResult {
        facts: ModelFacts {
            model: name.to_owned(),
            contract_id: format!("{name}:0123456789abcdef"),
            licence: "Apache-2.0".to_owned(),
            commercial_use: true,
            file_bytes: 10_000_000,
            dimension: 128,
            template_bytes: 513,
            source: "made up".to_owned(),
            sha256: "ab".repeat(32),
        },
        evaluation: evaluation(name, fnmr),
        cost: Some(cost(latency_ms)),
    }
}

/// A candidate with one paired rate and one disagreement.
pub fn candidate(name: &str, baseline_fnmr: f64, fnmr: f64) -> Candidate {
    let decided = |similarities| Decided {
        similarities,
        threshold: 0.5,
    };
    let found = agreements(decided(&[0.9, 0.1]), decided(&[0.1, 0.9]), &[true, false]);
    let name_of = |number| (format!("probe {number}"), format!("reference {number}"));
    let found = found.expect("of one length");
    Candidate {
        result: model(name, fnmr, 20),
        paired: vec![paired(baseline_fnmr, fnmr)],
        disagreements: vec![Disagreements::new(
            1e-4,
            "listed".to_owned(),
            found,
            name_of,
        )],
        verdict: None,
    }
}

/// A baseline and one candidate that is half a point worse and as fast.
pub fn comparison() -> ModelComparison {
    ModelComparison {
        environment: vec![("padan".to_owned(), "0.1.0".to_owned())],
        baseline: model("old", 0.02, 20),
        candidates: vec![candidate("new", 0.02, 0.025)],
    }
}

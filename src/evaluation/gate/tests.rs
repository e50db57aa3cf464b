//! What is a gate, and verdicts at the limits.

use super::*;
use crate::evaluation::comparison::{Candidate, made_up};

fn gate(text: &str) -> Gate {
    Gate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    match Gate::parse(text) {
        Ok(_) => panic!("{text} was taken"),
        Err(error) => error.to_string(),
    }
}

/// The verdict on a candidate, against a baseline of FNMR 2 % and 20 ms.
fn verdict(text: &str, candidate: &Candidate) -> Result<Verdict, GateError> {
    gate(text).judge(&made_up::model("old", 0.02, 20), candidate)
}

fn passes(text: &str, candidate: &Candidate) -> bool {
    verdict(text, candidate).expect("measured").passed()
}

#[test]
fn the_documented_example_is_a_gate() {
    let text = include_str!("../../../docs/gate.toml");
    let gate = gate(text);
    assert_eq!(gate.targets(), [1e-4, 1e-4]);
    assert!(gate.needs_cost() && gate.needs_degradations());
    let verdict = gate.judge(
        &made_up::model("old", 0.02, 20),
        &made_up::candidate("new", 0.02, 0.02),
    );
    let keys: Vec<&str> = verdict
        .expect("measured")
        .lines
        .iter()
        .map(|line| line.key)
        .collect();
    // Every limit that there is stands in the example, and every one is judged.
    assert_eq!(keys.len(), 10, "{keys:?}");
}

#[test]
fn what_is_no_gate_is_refused_by_the_name_of_its_key() {
    let fmr = "[accuracy]\nfmr = 1e-4\nfnmr_worse_points_max = ";
    for (text, says) in [
        ("", "demands nothing"),
        ("[accuracy]\njudged_by = \"estimate\"", "demands nothing"),
        ("[accuracy]\njudged_by = \"interval\"", "accuracy.judged_by"),
        ("[acuracy]\nfmr = 1e-4", "acuracy"),
        (
            "[speed]\nlatency_p98_worse_percent_max = 1",
            "latency_p98_worse_percent_max",
        ),
        (&format!("{fmr}nan"), "accuracy.fnmr_worse_points_max"),
        (&format!("{fmr}inf"), "accuracy.fnmr_worse_points_max"),
        (&format!("{fmr}100.1"), "accuracy.fnmr_worse_points_max"),
        (&format!("{fmr}\"low\""), "fnmr_worse_points_max"),
        (
            "[accuracy]\nfmr = 0\nfnmr_worse_points_max = 1",
            "accuracy.fmr",
        ),
        (
            "[accuracy]\nfmr = 1.0\nfnmr_worse_points_max = 1",
            "accuracy.fmr",
        ),
        (
            "[accuracy]\nfmr = nan\nfnmr_worse_points_max = 1",
            "accuracy.fmr",
        ),
        ("[accuracy]\nfmr = 1e-4", "accuracy.fmr"),
        ("[accuracy]\nfnmr_worse_points_max = 1", "accuracy.fmr"),
        (
            "[degradation]\nfnmr_worse_points_max = 1",
            "degradation.fmr",
        ),
        (
            "[speed]\nlatency_p99_worse_percent_max = -101",
            "speed.latency_p99",
        ),
        ("[cost]\nmemory_worse_percent_max = 1e9", "cost.memory"),
        ("[cost]\nfile_bytes_max = 0", "cost.file_bytes_max"),
        ("[cost]\nfile_bytes_max = -1", "file_bytes_max"),
        (
            "[licence]\ncommercial_use = false",
            "licence.commercial_use",
        ),
        ("\u{0}", ""),
    ] {
        let error = refused(text);
        assert!(error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn a_difference_that_equals_its_limit_passes_and_a_larger_one_fails() {
    let text = "[accuracy]\nfmr = 1e-4\nfnmr_worse_points_max = 0.1";
    // 0.021 - 0.020 is not 0.001 in floating point numbers.
    assert!(passes(text, &made_up::candidate("new", 0.02, 0.021)));
    assert!(passes(text, &made_up::candidate("new", 0.02, 0.01)));
    assert!(!passes(text, &made_up::candidate("new", 0.02, 0.021_01)));
}

#[test]
fn judged_by_the_interval_its_upper_end_must_keep_the_limit() {
    let by = |most: &str| {
        format!("[accuracy]\nfmr = 1e-4\njudged_by = \"interval\"\nfnmr_worse_points_max = {most}")
    };
    // The interval reaches a tenth of a point above the difference.
    let equal = made_up::candidate("new", 0.02, 0.02);
    assert!(passes(&by("0.1"), &equal));
    assert!(!passes(&by("0.099"), &equal));
    let line = verdict(&by("0.099"), &equal)
        .expect("measured")
        .lines
        .remove(0);
    assert!(line.demanded.contains("upper end"), "{}", line.demanded);
    assert!(
        line.measured.contains("-0.100 to +0.100"),
        "{}",
        line.measured
    );
}

#[test]
fn what_is_no_number_never_passes() {
    let estimate = "[accuracy]\nfmr = 1e-4\nfnmr_worse_points_max = 100";
    let interval = format!("{estimate}\njudged_by = \"interval\"");
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut candidate = made_up::candidate("new", 0.02, 0.02);
        candidate.paired[0].difference = wrong;
        assert!(
            !passes(estimate, &candidate) && !passes(&interval, &candidate),
            "{wrong}"
        );
        let mut candidate = made_up::candidate("new", 0.02, 0.02);
        candidate.paired[0].interval.1 = wrong;
        assert!(!passes(&interval, &candidate), "{wrong}");
    }
    let mut candidate = made_up::candidate("new", 0.02, 0.02);
    candidate.result.evaluation.images = 0;
    candidate.result.evaluation.failure_to_acquire = 0;
    assert!(!passes(
        "[accuracy]\nfailure_to_acquire_worse_points_max = 100",
        &candidate
    ));
    candidate.result.evaluation.degradations[0].fnmr[0].rate = f64::NAN;
    assert!(!passes(
        "[degradation]\nfmr = 1e-4\nfnmr_worse_points_max = 100",
        &candidate
    ));
    let cost = candidate.result.cost.as_mut().expect("measured");
    cost.throughput.samples_per_s = f64::NAN;
    assert!(!passes(
        "[speed]\nthroughput_worse_percent_max = 10000",
        &candidate
    ));
}

#[test]
fn each_limit_of_speed_and_cost_is_kept_at_the_limit_and_broken_beyond() {
    // 22 ms for 20 ms is 10 % more of everything; throughput falls by a tenth with 20/18.
    let mut candidate = made_up::candidate("new", 0.02, 0.02);
    candidate.result.cost = Some(made_up::cost(22));
    for key in [
        "[speed]\nlatency_median_worse_percent_max",
        "[speed]\nlatency_p99_worse_percent_max",
        "[cost]\nmemory_worse_percent_max",
        "[cost]\nstart_time_worse_percent_max",
    ] {
        assert!(passes(&format!("{key} = 10"), &candidate), "{key}");
        assert!(!passes(&format!("{key} = 9.99"), &candidate), "{key}");
    }
    candidate.result.cost = Some(made_up::cost(25));
    assert!(passes(
        "[speed]\nthroughput_worse_percent_max = 20",
        &candidate
    ));
    assert!(!passes(
        "[speed]\nthroughput_worse_percent_max = 19.9",
        &candidate
    ));
    assert!(passes("[cost]\nfile_bytes_max = 10000000", &candidate));
    assert!(!passes("[cost]\nfile_bytes_max = 9999999", &candidate));
    let licence = "[licence]\ncommercial_use = true";
    assert!(passes(licence, &candidate));
    candidate.result.facts.commercial_use = false;
    assert!(!passes(licence, &candidate));
}

#[test]
fn every_degradation_is_held_against_its_limit() {
    let text = "[degradation]\nfmr = 1e-4\nfnmr_worse_points_max = 1";
    // Blurred, 4 % of the baseline's genuine comparisons fail.
    assert!(passes(text, &made_up::candidate("new", 0.02, 0.025)));
    assert!(!passes(text, &made_up::candidate("new", 0.02, 0.026)));
}

#[test]
fn what_was_not_measured_is_an_error_and_never_a_pass() {
    let not_measured = |text: &str, candidate: &Candidate, says: &str| {
        let found = verdict(text, candidate);
        let Err(error @ GateError::NotMeasured { .. }) = found else {
            panic!("{text}: {found:?}");
        };
        assert!(error.to_string().contains(says), "{error}");
    };
    let whole = made_up::candidate("new", 0.02, 0.02);
    not_measured(
        "[accuracy]\nfmr = 1e-5\nfnmr_worse_points_max = 1",
        &whole,
        "--fmr",
    );
    not_measured(
        "[degradation]\nfmr = 1e-5\nfnmr_worse_points_max = 1",
        &whole,
        "--fmr",
    );
    let mut less = whole.clone();
    less.result.evaluation.degradations.clear();
    let text = "[degradation]\nfmr = 1e-4\nfnmr_worse_points_max = 1";
    not_measured(text, &less, "--degradations");
    let cost = less.result.cost.as_mut().expect("measured");
    cost.memory = None;
    cost.latency.count = 99;
    not_measured("[cost]\nmemory_worse_percent_max = 1", &less, "Linux");
    let p99 = "[speed]\nlatency_p99_worse_percent_max = 1";
    not_measured(p99, &less, "--cost-samples");
    less.result.cost = None;
    not_measured(p99, &less, "--no-cost");
    let gate = gate("[accuracy]\nfmr = 1e-4\nfnmr_worse_points_max = 1");
    assert!(gate.check_measured_targets(&[1e-3, 0.0001]).is_ok());
    assert!(gate.check_measured_targets(&[1e-3]).is_err());
    assert!(gate.check_timed_samples(0).is_ok(), "no limit on times");
    let gate = Gate::parse(p99).expect("a gate");
    assert!(gate.check_timed_samples(100).is_ok());
    assert!(gate.check_timed_samples(99).is_err());
}

#[test]
fn a_verdict_about_nothing_is_no_pass() {
    assert!(!Verdict::default().passed());
}

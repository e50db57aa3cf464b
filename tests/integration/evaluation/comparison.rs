//! `padan compare`: two models on the same samples, and what a gate says by its exit code.

use std::process::Command;

use serde_json::Value;

use super::report::{assert_loads_nothing, plots};
use super::{Faces, PAIRS, assert_has, assert_refused, count, json_of, list, number};
use crate::support::{assert_says, run};

const MODELS: &str = "sface_2021dec_int8,sface_2021dec";

/// A comparison of both models; costs are measured as briefly as can be asked for.
fn compare(faces: &Faces, further: &[&str]) -> Command {
    let mut command = faces.listed("compare", "pairs.txt", PAIRS);
    command.args(["--models", MODELS, "--fmr", "0.3"]);
    command.args([
        "--cost-samples",
        "10",
        "--cost-rounds",
        "1",
        "--cost-turn",
        "1",
    ]);
    command.args(further);
    command
}

fn with_gate(faces: &Faces, gate: &str, further: &[&str]) -> Command {
    let path = faces.write("gate.toml", gate);
    let mut command = compare(faces, further);
    command.arg("--gate").arg(path);
    command
}

#[test]
fn each_model_is_measured_as_by_itself_and_disagreements_add_up() {
    let faces = Faces::new("compare");
    let markdown = faces.path("compared.md");
    let mut command = compare(&faces, &["--no-cost", "--markdown"]);
    let answer = json_of(command.arg(&markdown));
    assert_eq!(answer["passed"], true, "nothing was demanded");
    let candidate = &answer["candidates"][0];
    for (model, of_model) in [
        ("sface_2021dec_int8", &answer["baseline"]),
        ("sface_2021dec", candidate),
    ] {
        assert_eq!(of_model["model"], model);
        assert!(of_model["cost"].is_null());
        let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
        let alone = json_of(command.args(["--fmr", "0.3", "--model", model]));
        assert_eq!(of_model["model_contract_id"], alone["model_contract_id"]);
        let accuracy = &of_model["accuracy"];
        for key in [
            "images",
            "failure_to_acquire",
            "genuine",
            "impostor",
            "accuracy",
        ] {
            assert_eq!(accuracy[key], alone[key], "{model}: {key}");
        }
        assert_eq!(accuracy["eer"], alone["eer"]["rate"]);
        let (here, there) = (&accuracy["targets"][0], &alone["at_fmr"]["0.3"]);
        assert_eq!(
            (&here["threshold"], &here["fnmr"]),
            (&there["threshold"], &there["fnmr"])
        );
    }
    let paired = &candidate["paired"][0];
    assert_has(paired, &["difference", "difference_interval", "in_words"]);
    let rates = ["candidate_fnmr", "baseline_fnmr", "difference"].map(|key| number(&paired[key]));
    assert!((rates[0] - rates[1] - rates[2]).abs() < 1e-12, "{paired:#}");
    let disagreements = &candidate["disagreements"][0];
    for kind in ["genuine", "impostor"] {
        let of_kind = &disagreements[kind];
        let parts = ["both", "neither", "only_baseline", "only_candidate"];
        let parts: u64 = parts.iter().map(|key| count(of_kind, key)).sum();
        assert_eq!((parts, count(of_kind, "compared")), (2, 2), "{of_kind:#}");
    }
    let text = std::fs::read_to_string(markdown).expect("is written");
    assert_says(
        &text,
        &[
            "sface\\_2021dec",
            "pairs.txt",
            "No gate was given",
            "Apache-2.0",
        ],
    );
}

#[test]
fn a_gate_that_is_kept_exits_0_and_one_that_is_not_1() {
    let faces = Faces::new("compare-gates");
    let kept = "[accuracy]\nfmr = 0.3\nfnmr_worse_points_max = 0.0\n\
                failure_to_acquire_worse_points_max = 0.0\n[licence]\ncommercial_use = true\n";
    let answer = json_of(&mut with_gate(&faces, kept, &["--no-cost"]));
    assert_eq!(answer["passed"], true, "{answer:#}");
    let verdict = &answer["candidates"][0]["verdict"];
    let lines = list(&verdict["lines"]);
    assert_eq!(lines.len(), 3, "{verdict:#}");
    // No rate is below zero, and the baseline's is zero.
    let unkept = "[accuracy]\nfmr = 0.3\nfnmr_worse_points_max = -1.0\n";
    let (json, markdown) = (faces.path("unkept.json"), faces.path("unkept.md"));
    let mut command = with_gate(&faces, unkept, &["--no-cost"]);
    command.arg("--json").arg(&json);
    command.arg("--markdown").arg(&markdown);
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert_says(&stdout, &["FAILED"]);
    let read = |path| std::fs::read_to_string(path).expect("is written all the same");
    let answer = super::json(&read(json));
    assert_eq!(answer["passed"], false);
    let line = &answer["candidates"][0]["verdict"]["lines"][0];
    assert_eq!(line["key"], "accuracy.fnmr_worse_points_max");
    assert_eq!(line["passed"], false);
    assert_says(&read(markdown), &["FAILED"]);
}

#[test]
fn a_gate_that_cannot_be_judged_exits_2_before_the_work() {
    let faces = Faces::new("compare-unjudged");
    let speed = "[speed]\nlatency_median_worse_percent_max = 10\n";
    for (gate, says) in [
        (
            "[accuracy]\nfmr = 1e-3\nfnmr_worse_points_max = 0.1\n",
            "nothing is measured at FMR 1e-3",
        ),
        (speed, "--no-cost"),
        ("[cost]\nmemory_worse_percent_max = 10\n", "--no-cost"),
        (
            "[degradation]\nfmr = 0.3\nfnmr_worse_points_max = 1\n",
            "--degradations",
        ),
        ("[accuracy]\nfmr = 0.3\nfnmr_worse = 0.1\n", "fnmr_worse"),
        ("[accuracy]\nfmr = 0.3\n", "fnmr_worse_points_max"),
        ("", "demands nothing"),
        ("no TOML", "gate.toml"),
    ] {
        let mut command = with_gate(&faces, gate, &["--no-cost"]);
        assert_refused(&mut command, &["gate", says]);
    }
    // Six samples in one round are too few for a percentile; no embedding was made to find out.
    let cache = faces.path("cache");
    let gate = "[speed]\nlatency_p99_worse_percent_max = 10\n";
    let mut command = with_gate(&faces, gate, &[]);
    command.arg("--cache").arg(&cache);
    assert_refused(&mut command, &["99th percentile", "there are 6"]);
    assert!(!cache.exists());
    // Nor is a usual rate measured that the data do not support.
    let gate = "[accuracy]\nfmr = 1e-3\nfnmr_worse_points_max = 0.1\n";
    let mut command = faces.command("compare");
    command.args(["--models", MODELS, "--gate"]);
    command.arg(faces.write("gate.toml", gate));
    assert_refused(&mut command, &["nothing is measured at FMR 1e-3"]);
    let mut command = compare(&faces, &["--no-cost", "--gate"]);
    assert_refused(
        command.arg(faces.path("none.toml")),
        &["none.toml", "cannot read"],
    );
}

#[test]
fn models_that_are_none_or_no_two_are_refused() {
    let faces = Faces::new("compare-models");
    for (models, says) in [
        ("sface_2021dec", "2 to 8"),
        ("sface_2021dec,sface_2021dec", "twice"),
        ("sface_2021dec,nobody", "nobody"),
        ("sface_2021dec,yunet_2023mar", "yunet_2023mar"),
    ] {
        let mut command = faces.command("compare");
        command.args(["--models", models, "--fmr", "0.3", "--no-cost"]);
        assert_refused(&mut command, &[says]);
    }
}

#[test]
fn time_and_memory_are_measured_in_turns() {
    let faces = Faces::new("compare-cost");
    let page = faces.path("compared.html");
    // What a model may cost at most here is far from what any machine takes.
    let gate = "[cost]\nmemory_worse_percent_max = 10000\nfile_bytes_max = 100_000_000\n\
                [accuracy]\nfmr = 0.3\nfnmr_worse_points_max = 100\n";
    let mut command = with_gate(&faces, gate, &[]);
    let answer = json_of(command.arg("--report").arg(&page));
    assert_eq!(answer["passed"], true, "{answer:#}");
    for model in [&answer["baseline"], &answer["candidates"][0]] {
        assert_costs(&model["cost"]);
    }
    let page = std::fs::read_to_string(page).expect("is written");
    assert_says(&page, &["sface_2021dec_int8", "throughput", "PASSED"]);
    assert_loads_nothing(&page);
    assert!(!page.contains("<img"));
    plots(&page);
}

fn assert_costs(cost: &Value) {
    for times in ["latency", "embed"] {
        let times = &cost[times];
        assert_eq!(count(times, "count"), 6, "one round of six samples");
        let [median, p90, p99, max] =
            ["median_ms", "p90_ms", "p99_ms", "max_ms"].map(|key| number(&times[key]));
        assert!(0.0 < median && median <= p90 && p90 <= p99 && p99 <= max);
    }
    assert!(number(&cost["embed"]["median_ms"]) < number(&cost["latency"]["median_ms"]));
    assert_eq!(count(cost, "samples_left_out"), 0);
    assert!(number(&cost["throughput"]["samples_per_s"]) > 0.0);
    assert_eq!(list(&cost["start"]["starts_ms"]).len(), 1);
    let memory = &cost["memory"];
    let [ready, worked] = ["ready_bytes", "worked_bytes"].map(|key| count(memory, key));
    // A model of ten million bytes is in there.
    assert!(ready > 10_000_000 && worked > 10_000_000, "{memory:#}");
}

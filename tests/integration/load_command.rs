//! `padan load`: its counts add up, and it says what it met. Nothing here depends on how fast the
//! machine is: calls have a minute each.

mod in_process;
mod stub;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use padan::load::Schedule;
use serde_json::Value;

use crate::support::{self, SharedServer, TestFolder, padan, run};

static SERVER: SharedServer = SharedServer::new();

fn file(name: &str) -> PathBuf {
    support::repository().join("tests/portraits").join(name)
}

/// `padan load` at `url` with a genuine pair.
fn load_at(url: &str) -> Command {
    let mut command = padan();
    command
        .args(["load", "--server", url, "--deadline-ms", "60000"])
        .arg("--probe")
        .arg(file("person_a_2.jpg"))
        .arg("--reference")
        .arg(file("person_a_1.jpg"));
    command
}

/// What a run that ends well prints with `--json -`.
fn json_of(command: &mut Command) -> Value {
    let (code, stdout, stderr) = run(command.args(["--json", "-"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

fn count(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key}: {value}"))
}

fn all_calls(value: &Value) -> u64 {
    ["ok", "refused", "failed", "abandoned"]
        .iter()
        .map(|key| count(value, key))
        .sum()
}

fn decisions(value: &Value) -> u64 {
    let decisions = value["decisions"].as_object().expect("an object");
    decisions.values().filter_map(Value::as_u64).sum()
}

#[test]
fn a_closed_loop_measures_a_real_server_and_its_counts_add_up() {
    let url = &SERVER.get().url;
    let value = json_of(
        load_at(url)
            .args(["--mode", "closed", "--concurrency", "2"])
            .args(["--duration", "1", "--warmup", "0"]),
    );
    let ok = count(&value, "ok");
    assert!(ok >= 2, "{value}");
    assert_eq!(
        (count(&value, "refused"), count(&value, "failed")),
        (0, 0),
        "{value}"
    );
    assert_eq!(value["decisions"]["MATCH"], ok);
    let latency = |key: &str| value["latency_ms"][key].as_f64().expect("a number");
    assert!(latency("p50") <= latency("p90") && latency("p90") <= latency("p99"));
    assert!(0.0 < latency("p50") && latency("p99") <= latency("max"));
    for stage in ["decode", "detect", "align", "assess", "embed"] {
        let mean = value["stage_ms"][stage].as_f64().expect("a number");
        // Of both samples, which two lanes work on at a time.
        assert!(
            0.0 < mean && mean < 2.0 * latency("max"),
            "{stage}: {value}"
        );
    }
    assert_eq!(value["server"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(value["server"]["lanes"], 2);
}

#[test]
fn an_open_loop_sends_what_its_seed_says_and_its_counts_add_up() {
    let (rate, seed, duration) = (6.0, 3, Duration::from_millis(1500));
    let due = Schedule::new(rate, seed)
        .take_while(|at| *at < duration)
        .count();
    let folder = TestFolder::new("load-open");
    let (json, plot) = (
        folder.path().join("load.json"),
        folder.path().join("load.svg"),
    );
    let url = &SERVER.get().url;
    let (code, stdout, stderr) = run(load_at(url)
        .args(["--mode", "open", "--rate", "6", "--seed", "3"])
        .args(["--duration", "1.5", "--warmup", "0"])
        .arg("--json")
        .arg(&json)
        .arg("--plot")
        .arg(&plot));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(
        stdout.contains("throughput/s") && stdout.contains("embed"),
        "{stdout}"
    );
    let text = std::fs::read_to_string(json).expect("is written");
    let value: Value = serde_json::from_str(&text).expect("is JSON");
    assert_eq!(all_calls(&value), due as u64, "{value}");
    assert_eq!(count(&value, "ok"), decisions(&value));
    assert_eq!(value["mode"], "open");
    let svg = std::fs::read_to_string(plot).expect("is written");
    assert!(roxmltree::Document::parse(&svg).is_ok(), "{svg}");
}

#[test]
fn the_stages_are_those_of_the_responses() {
    let stub = stub::start(stub::Behaviour::Answer {
        after: Duration::ZERO,
    });
    let value = json_of(load_at(&stub).args(["--duration", "0.3", "--warmup", "0"]));
    assert!(count(&value, "ok") > 0);
    // The stub says: probe 1, 2, … ms and reference 10, 20, … ms; the longer wait is 60 ms.
    let expected = [
        ("decode", 11.0),
        ("detect", 22.0),
        ("assess", 33.0),
        ("align", 44.0),
        ("embed", 55.0),
        ("queue", 60.0),
    ];
    for (stage, expected) in expected {
        let mean = value["stage_ms"][stage].as_f64().expect("a number");
        assert!((mean / expected - 1.0).abs() < 0.002, "{stage}: {mean}");
    }
}

#[test]
fn calls_beyond_the_bound_in_flight_are_counted_as_failed() {
    let after = Duration::from_millis(400);
    let stub = stub::start(stub::Behaviour::Answer { after });
    let value = json_of(
        load_at(&stub)
            .args(["--rate", "40", "--concurrency", "1"])
            .args(["--duration", "1", "--warmup", "0"]),
    );
    let due = Schedule::new(40.0, 1)
        .take_while(|at| *at < Duration::from_secs(1))
        .count();
    assert_eq!(all_calls(&value), due as u64, "{value}");
    // One at a time, 400 ms each: at most three begin within a second.
    assert!((1..=3).contains(&count(&value, "ok")), "{value}");
    assert_eq!(value["failed_by_code"]["UNSENT"]["count"], value["failed"]);
}

#[test]
fn a_server_that_refuses_everything_is_told_apart_from_one_that_fails() {
    let stub = stub::start(stub::Behaviour::Refuse);
    let mut command = load_at(&stub);
    command.args(["--duration", "0.5", "--warmup", "0", "--json", "-"]);
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, 3, "{stdout}{stderr}");
    let value: Value = serde_json::from_str(&stdout).expect("is JSON");
    assert!(count(&value, "refused") > 0, "{value}");
    assert_eq!((count(&value, "ok"), count(&value, "failed")), (0, 0));
    assert!(value["refused_latency_ms"]["p99"].is_f64(), "{value}");
    assert!(stderr.contains("the server refused"), "{stderr}");
    // It asks for a pause of 200 ms: each of two callers calls at most three times in 500 ms.
    assert!(
        count(&value, "refused") <= 6,
        "refused callers wait: {value}"
    );
}

#[test]
fn a_request_that_the_server_does_not_take_is_told_before_the_load() {
    let url = &SERVER.get().url;
    let (code, _, stderr) = run(load_at(url).args(["--policy", "lax"]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("no policy named \"lax\""), "{stderr}");
}

#[test]
fn a_silent_port_exits_3_and_a_wrong_flag_2() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}");
    let (code, _, stderr) = run(&mut load_at(&url));
    assert_eq!(code, 3, "{stderr}");
    assert!(
        stderr.contains("no server answers") && stderr.contains("padan serve"),
        "{stderr}"
    );
    let wrong = [
        "--tolerance=0",
        "--duration=0",
        "--concurrency=0",
        "--rate=0",
    ];
    for flag in wrong {
        let (code, _, stderr) = run(load_at(&url).arg(flag));
        assert_eq!(code, 2, "{flag}: {stderr}");
        let name = flag.split('=').next().expect("a name");
        assert!(stderr.contains(name), "{flag}: {stderr}");
    }
    let (code, _, stderr) = run(&mut load_at("localhost"));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("http://HOST:PORT"), "{stderr}");
}

#[test]
fn what_hangs_up_is_not_taken_for_a_server() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let (code, _, stderr) = run(&mut load_at(&format!("http://{address}")));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("padan serve"), "{stderr}");
}

#[test]
fn a_sweep_makes_a_run_for_each_rate() {
    let stub = stub::start(stub::Behaviour::Answer {
        after: Duration::ZERO,
    });
    let value =
        json_of(load_at(&stub).args(["--rates", "20,40", "--duration", "0.6", "--warmup", "0"]));
    let runs = value["runs"].as_array().expect("a list");
    let rates: Vec<_> = runs.iter().map(|run| run["rate"].as_f64()).collect();
    assert_eq!(rates, [Some(20.0), Some(40.0)]);
    assert!(runs.iter().all(|run| all_calls(run) > 0));
}

#[test]
fn a_run_that_does_not_get_stable_goes_on_to_its_longest_and_shows_the_last_windows() {
    let stub = stub::start(stub::Behaviour::Refuse);
    let mut command = load_at(&stub);
    command
        .args(["--duration", "0.3", "--until-stable", "0.9"])
        .args(["--warmup", "0", "--json", "-"]);
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, 3, "nothing was answered: {stdout}{stderr}");
    let value: Value = serde_json::from_str(&stdout).expect("is JSON");
    // Windows of 0.1 s: nine in all, of which the last three are reported.
    assert_eq!(value["before"]["windows"], 6, "{value}");
    assert_eq!(value["stable"], false);
    assert_eq!(value["windows"].as_array().expect("a list").len(), 3);
    assert!(count(&value["before"], "refused") > 0, "{value}");
}

use clap::Parser;

use super::*;
use crate::config::{Args, Command};

/// The arguments of `padan load` with `further` ones.
fn args(further: &str) -> LoadArgs {
    let portraits = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/portraits");
    let reference = format!("{portraits}/person_a_1.jpg");
    let needed = [
        "padan",
        "load",
        "--server",
        "http://127.0.0.1:1",
        "--probe",
        portraits,
        "--reference",
        &reference,
    ];
    let words = needed.into_iter().chain(further.split_whitespace());
    match Args::try_parse_from(words).expect("parses").command {
        Command::Load(args) => args,
        command => panic!("{command:?}"),
    }
}

fn usage(failure: Failure) -> String {
    match failure {
        Failure::Usage(text) => text,
        Failure::Technical(text) => panic!("technical: {text}"),
    }
}

#[test]
fn the_defaults_are_modest_and_valid() {
    let args = args("");
    assert_eq!(task(&args).expect("is valid"), Task::Once);
    let settings = settings(&args).expect("is valid");
    assert_eq!(settings.arrivals, Arrivals::Closed { callers: 2 });
    assert_eq!(settings.workload.len(), 6, "every portrait is a probe");
    settings.check().expect("is valid");
    let open = self::settings(&self::args("--mode open")).expect("is valid");
    let expected = Arrivals::Open {
        rate: 5.0,
        seed: 1,
        in_flight_max: 512,
    };
    assert_eq!(open.arrivals, expected);
    open.check().expect("512 in flight have enough connections");
}

#[test]
fn a_rate_makes_an_open_loop_and_contradicts_a_closed_one() {
    for given in ["--rate 3", "--rates 1,2", "--find-limit-p99 100"] {
        let is_open = matches!(arrivals(&args(given)), Arrivals::Open { .. });
        assert!(is_open, "{given}");
        let closed = args(&format!("--mode closed {given}"));
        let text = usage(task(&closed).expect_err(given));
        assert!(text.contains("--mode open"), "{text}");
    }
}

#[test]
fn what_to_run_is_read_from_the_flags() {
    let sweep = task(&args("--rates 1,2.5,40")).expect("is valid");
    assert_eq!(sweep, Task::Sweep(vec![1.0, 2.5, 40.0]));
    let find = task(&args("--find-limit-p99 250 --lost-max 2")).expect("is valid");
    let limit = P99Limit {
        p99: Duration::from_millis(250),
        lost_max: 0.02,
    };
    assert_eq!(find, Task::Find(limit));
    for (wrong, flag) in [
        ("--rates 1,0", "--rates"),
        ("--rates 1,NaN", "--rates"),
        ("--find-limit-p99 0", "--find-limit-p99"),
        ("--find-limit-p99=-1", "--find-limit-p99"),
        ("--find-limit-p99 NaN", "--find-limit-p99"),
        ("--find-limit-p99 9 --lost-max 100", "--lost-max"),
    ] {
        let text = usage(task(&args(wrong)).expect_err(wrong));
        assert!(text.contains(flag), "{wrong}: {text}");
    }
}

#[test]
fn the_probes_of_a_folder_are_its_images_by_name() {
    let portraits = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/portraits");
    let files = probe_files(Path::new(portraits)).expect("has images");
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    let expected = [
        "impostor_1.jpg",
        "impostor_2.jpg",
        "person_a_1.jpg",
        "person_a_2.jpg",
        "person_b_1.jpg",
        "person_b_2.jpg",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_folder_without_images_and_an_output_without_a_folder_are_told_before_the_run() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let text = usage(probe_files(Path::new(sources)).expect_err("has none"));
    assert!(text.contains("name a photograph"), "{text}");
    let text = usage(check_output(Path::new("no/such/folder/a.json")).expect_err("has none"));
    assert!(text.contains("no folder no/such/folder"), "{text}");
    check_output(Path::new("-")).expect("standard output");
    check_output(Path::new("here.svg")).expect("this folder");
}

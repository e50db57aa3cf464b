//! The workbench as people run it: `padan evaluate`, `padan calibrate` and `padan compare`, on the
//! six portraits. They are of four people: 15 pairs, of which two are genuine and 13 impostor ones,
//! enough for false match rates from 3/13 on.

mod by_hand;
mod cache;
mod calibrate;
mod comparison;
mod lists;
mod report;
mod samples;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{TestFolder, assert_says, padan, repository, run};

/// The samples as LFW would name them, and the portraits that they are.
const FACES: [(&str, &str); 6] = [
    ("A/A_0001.jpg", "person_a_1.jpg"),
    ("A/A_0002.jpg", "person_a_2.jpg"),
    ("B/B_0001.jpg", "person_b_1.jpg"),
    ("B/B_0002.jpg", "person_b_2.jpg"),
    ("C/C_0001.jpg", "impostor_1.jpg"),
    ("D/D_0001.jpg", "impostor_2.jpg"),
];

/// Two folds of a genuine and an impostor pair each.
const PAIRS: &str = "2\t1\nA\t1\t2\nA\t1\tC\t1\nB\t1\t2\nB\t1\tD\t1\n";

/// The samples in a folder of their own, one folder for each person, and room beside them.
struct Faces(TestFolder);

impl Faces {
    fn new(name: &str) -> Self {
        let faces = Self(TestFolder::unique(name));
        for (sample, portrait) in FACES {
            let path = faces.sample(sample);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            symlink(repository().join("tests/portraits").join(portrait), path).expect("links");
        }
        faces
    }

    /// Where the samples lie.
    fn images(&self) -> PathBuf {
        self.path("faces")
    }

    /// Where this sample lies.
    fn sample(&self, name: &str) -> PathBuf {
        self.images().join(name)
    }

    /// A path beside them.
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file beside them.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("writes");
        path
    }

    /// A command of the workbench on these samples: without a list, folders of people.
    fn command(&self, name: &str) -> Command {
        let mut command = padan();
        command.args([name, "--resamples", "100", "--images"]);
        command.arg(self.images());
        command
    }

    /// The same with a list, which is written first.
    fn listed(&self, name: &str, list: &str, content: impl AsRef<[u8]>) -> Command {
        let mut command = self.command(name);
        command.arg("--pairs").arg(self.write(list, content));
        command
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a command that does its work prints with `--json -`.
fn json_of(command: &mut Command) -> Value {
    let (code, stdout, stderr) = run(command.args(["--json", "-"]));
    assert_eq!(code, 0, "{stdout}{stderr}");
    json(&stdout)
}

/// That a command refuses what it was given, prints nothing, and says all this.
fn assert_refused(command: &mut Command, says: &[&str]) {
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, 2, "{command:?}: {stdout}{stderr}");
    assert_says(&stderr, says);
    assert!(stdout.is_empty(), "{command:?}: {stdout}");
    assert!(!stderr.contains("panicked"), "{command:?}: {stderr}");
}

/// That an object has all these keys, whatever else it has.
fn assert_has(value: &Value, keys: &[&str]) {
    let has = |key: &&str| value.get(key).is_some_and(|value| !value.is_null());
    let missing: Vec<_> = keys.iter().filter(|key| !has(key)).collect();
    assert!(missing.is_empty(), "no {missing:?} in {value:#}");
}

fn count(value: &Value, key: &str) -> u64 {
    let count = value[key].as_u64();
    count.unwrap_or_else(|| panic!("{key}: {value:#}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value:#}"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value:#}"))
}

/// An evaluation without what is another one each time: how long it took.
fn without_speed(mut answer: Value) -> Value {
    answer["speed"].take();
    answer
}

#[test]
fn an_evaluation_prints_the_documented_keys() {
    let faces = Faces::new("evaluate-keys");
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    let answer = json_of(command.args(["--fmr", "0.3,0.5"]));
    let of_evaluation = "model model_contract_id data data_sha256 gated images failure_to_acquire \
                         accuracy accuracy_std genuine genuine_lost impostor at_fmr eer curve \
                         histogram columns degradations speed resampling";
    assert_has(&answer, &of_evaluation.split(' ').collect::<Vec<_>>());
    // All cross pairs, by hand: 15, of which A and B have one genuine pair each.
    let counts = ["images", "failure_to_acquire", "genuine", "impostor"];
    let counts = counts.map(|key| count(&answer, key));
    assert_eq!(counts, [6, 0, 2, 13]);
    let at_fmr = answer["at_fmr"].as_object().expect("an object");
    assert_eq!(at_fmr.keys().collect::<Vec<_>>(), ["0.3", "0.5"]);
    let intervals = [
        "fmr_wilson",
        "fmr_bootstrap",
        "fnmr_wilson",
        "fnmr_bootstrap",
        "fnmr_at_target",
    ];
    for rates in at_fmr.values() {
        let of_rates = "threshold threshold_interval false_matches false_non_matches fmr fnmr";
        assert_has(rates, &of_rates.split(' ').collect::<Vec<_>>());
        for key in intervals {
            let [low, high] = [0, 1].map(|end| number(&rates[key][end]));
            assert!(0.0 <= low && low <= high && high <= 1.0, "{key}: {rates:#}");
        }
    }
    assert_has(&answer["eer"], &["rate", "threshold", "bootstrap"]);
    assert_has(
        &answer["speed"],
        &["computed", "remembered", "seconds", "lanes"],
    );
    let accuracy = number(&answer["accuracy"]);
    assert!(
        (0.5..=1.0).contains(&accuracy) && answer["accuracy_std"].is_f64(),
        "{answer:#}"
    );
    let resampling = &answer["resampling"];
    assert_eq!(
        (count(resampling, "units"), count(resampling, "resamples")),
        (4, 100),
        "people, and what was asked for"
    );
    assert_eq!(resampling["of_people"], true);
}

#[test]
fn a_rate_that_the_data_cannot_support_is_refused_with_the_number_needed() {
    let faces = Faces::new("evaluate-unsupported");
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    let says = ["0.000001", "3000000", "there are 13"];
    assert_refused(command.args(["--fmr", "1e-6"]), &says);
    // Nor is one of several.
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    assert_refused(command.args(["--fmr", "0.3,0.2"]), &["0.2", "15", "13"]);
}

#[test]
fn without_a_supported_rate_the_rest_is_measured_and_that_is_told() {
    let faces = Faces::new("evaluate-no-rate");
    let (markdown, page) = (faces.path("result.md"), faces.path("result.html"));
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    command.args(["--json", "-", "--markdown"]).arg(&markdown);
    let (code, stdout, stderr) = run(command.arg("--report").arg(&page));
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stderr, &["the impostor comparisons (13)", "3000", "--fmr"]);
    let answer = json(&stdout);
    assert_eq!(answer["at_fmr"], json("{}"));
    assert_eq!(answer["eer"]["rate"], 0.0);
    for path in [markdown, page] {
        let text = std::fs::read_to_string(path).expect("is written");
        assert_says(&text, &["pairs.txt", "FMR and FNMR are the same"]);
    }
}

/// Similarities of two genuine comparisons and so many impostor ones.
fn score_file(impostors: usize) -> String {
    let line = |number: usize| format!("0.{:03},0\n", number % 500);
    let lines: String = (0..impostors).map(line).collect();
    format!("similarity,genuine\n0.9,1\n0.6,1\n{lines}")
}

#[test]
fn an_fmr_of_1e_6_on_3000_impostor_similarities_is_refused_and_1e_3_is_supported() {
    let folder = TestFolder::unique("evaluate-scores");
    let evaluate = |impostors: usize, fmr: &str| {
        let path = folder.path().join(format!("{impostors}.csv"));
        std::fs::write(&path, score_file(impostors)).expect("writes");
        let mut command = padan();
        command.args(["evaluate", "--fmr", fmr, "--scores"]);
        command.arg(path);
        command
    };
    let says = ["3000000", "there are 3000"];
    assert_refused(&mut evaluate(3000, "1e-6"), &says);
    assert_refused(&mut evaluate(2999, "1e-3"), &["3000", "there are 2999"]);
    let answer = json_of(&mut evaluate(3000, "1e-3"));
    assert_eq!(
        (count(&answer, "genuine"), count(&answer, "impostor")),
        (2, 3000)
    );
    // Six similarities each: 0.499 would be six false matches, of which three are allowed.
    let rates = &answer["at_fmr"]["0.001"];
    assert_eq!(count(rates, "false_matches"), 0, "{rates:#}");
    assert!((0.499..0.6).contains(&number(&rates["threshold"])));
    assert_eq!(rates["fnmr"], 0.0);
}

#[test]
fn folders_without_a_list_are_the_same_data_and_what_is_no_sample_is_told() {
    let faces = Faces::new("evaluate-folders");
    let mut listed = faces.listed("evaluate", "pairs.txt", PAIRS);
    let listed = json_of(listed.args(["--fmr", "0.3,0.5"]));
    std::fs::write(faces.sample("A/notes.txt"), "not a sample").expect("writes");
    std::fs::write(faces.sample("readme.md"), "nor this").expect("writes");
    std::fs::create_dir(faces.sample("E")).expect("a folder");
    let mut command = faces.command("evaluate");
    command.args(["--fmr", "0.3,0.5", "--json", "-"]);
    let (code, stdout, stderr) = run(&mut command);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stderr, &["2 files and folders are not read"]);
    let answer = json(&stdout);
    for key in [
        "genuine",
        "impostor",
        "at_fmr",
        "eer",
        "curve",
        "data_sha256",
    ] {
        assert_eq!(answer[key], listed[key], "{key}");
    }
    assert!(answer["accuracy"].is_null(), "there are no folds");
}

#[test]
fn what_was_mistyped_is_told_before_the_work() {
    let faces = Faces::new("evaluate-mistyped");
    for (command, out) in [("evaluate", "--json"), ("calibrate", "--out")] {
        let mut command = faces.command(command);
        command.args(["--fmr", "0.3", "--model", "nobody", out]);
        command.arg(faces.path("out"));
        assert_refused(&mut command, &["nobody", "sface_2021dec_int8"]);
    }
    for option in ["--json", "--markdown", "--report"] {
        let mut command = faces.command("evaluate");
        command.args(["--fmr", "0.3", option]);
        command.arg(faces.path("nowhere/out"));
        assert_refused(&mut command, &["cannot write", "nowhere/out"]);
    }
    let mut command = faces.command("calibrate");
    command.args(["--fmr", "0.3", "--out"]).arg(faces.images());
    assert_refused(&mut command, &["cannot write"]);
    let mut command = padan();
    command.args(["evaluate", "--fmr", "0.3"]);
    assert_refused(&mut command, &["--images"]);
    let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
    command.args(["--fmr", "0.3", "--format", "folders"]);
    assert_refused(&mut command, &["--pairs"]);
}

//! The binary as people run it: exit codes, output, files.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{self, TestFolder, assert_says, padan, run};

fn portrait(name: &str) -> PathBuf {
    support::repository().join("tests/portraits").join(name)
}

/// `padan verify` of two portraits with further arguments.
pub fn verify(probe: &str, reference: &str, further: &[&str]) -> (i32, String, String) {
    run(padan()
        .arg("verify")
        .arg(portrait(probe))
        .arg(portrait(reference))
        .args(further))
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// An address where nothing listens: a port that was free a moment ago.
pub fn silent_address() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_genuine_pair_exits_0_and_an_impostor_pair_1() {
    let (code, stdout, stderr) = verify("person_a_2.jpg", "person_a_1.jpg", &[]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(
        stdout.contains("MATCH") && !stdout.contains("NO_MATCH"),
        "{stdout}"
    );
    let (code, stdout, stderr) = verify("impostor_1.jpg", "person_a_1.jpg", &[]);
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("NO_MATCH"), "{stdout}");
}

#[test]
fn the_json_of_a_verification_has_the_keys_of_the_contract() {
    let (code, stdout, stderr) = verify("person_b_2.jpg", "person_b_1.jpg", &["--json"]);
    assert_eq!(code, 0, "{stderr}");
    let answer = json(&stdout);
    let expected = [
        "decision",
        "fmr",
        "model_contract_id",
        "policy_version",
        "probe",
        "reasons",
        "reference",
        "request_id",
        "review_from",
        "similarity",
        "threshold",
        "times",
    ];
    assert_eq!(keys(&answer), expected);
    assert_eq!(answer["decision"], "MATCH");
    assert_eq!(answer["reasons"], Value::Array(Vec::new()));
    assert!((answer["fmr"].as_f64().expect("a number") - 1e-4).abs() < 1e-12);
    let similarity = answer["similarity"].as_f64().expect("was compared");
    assert!(similarity >= answer["threshold"].as_f64().expect("a number"));
    let expected = [
        "faces",
        "faults",
        "height",
        "quality",
        "quarter_turns",
        "width",
    ];
    assert_eq!(keys(&answer["probe"]), expected);
    let face = &answer["probe"]["faces"][0];
    assert_eq!(keys(face), ["box", "confidence", "landmarks", "selected"]);
    let measures = answer["reference"]["quality"].as_array().expect("measures");
    assert!(measures.len() >= 10, "{measures:?}");
    for measure in measures {
        assert_eq!(
            keys(measure),
            ["component", "limit", "native", "value", "verdict"]
        );
    }
}

#[test]
fn what_the_caller_got_wrong_exits_2_and_says_what() {
    let (code, _, stderr) = verify("nobody.jpg", "person_a_1.jpg", &[]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["cannot read", "nobody.jpg"]);
    let (code, _, stderr) = verify("person_a_2.jpg", "person_a_1.jpg", &["--best-of-all-pairs"]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["--best-of-all-pairs"]);
    let (code, _, stderr) = verify("person_a_2.jpg", "CREDITS.md", &[]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["reference", "JPEG, PNG and WebP"]);
    let (code, _, stderr) = verify("person_a_2.jpg", "person_a_1.jpg", &["--policy", "lax"]);
    assert_eq!(code, 2);
    assert_says(&stderr, &["no policy named \"lax\""]);
    let (code, _, stderr) = run(padan().arg("identify"));
    assert_eq!(code, 2);
    assert_says(&stderr, &["identify"]);
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let folder = TestFolder::new("bad-configuration");
    let file = folder.path().join("padan.toml");
    let text = "[engine]\nqueue_length_max = 1\n[server]\ntls_key = 'key.pem'\n";
    std::fs::write(&file, text).expect("writes");
    let (code, _, stderr) = run(padan().arg("serve").arg("--config").arg(&file));
    assert_eq!(code, 2, "{stderr}");
    assert_says(
        &stderr,
        &["engine.queue_length_max", "server.tls_certificate"],
    );
}

#[test]
fn what_broke_exits_3_and_says_what_to_do() {
    let url = format!("http://{}", silent_address());
    let (code, _, stderr) = verify("person_a_2.jpg", "person_a_1.jpg", &["--server", &url]);
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &[&url, "padan serve"]);
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, stdout, stderr) = run(padan().args(["serve", "--listen", &address]));
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &[&address, "--listen"]);
    assert!(!stdout.contains("listens"), "{stdout}");
}

#[test]
fn a_missing_or_broken_runtime_library_exits_3_and_names_make_setup() {
    let folder = TestFolder::new("no-library");
    let not_a_library = folder.path().join("libonnxruntime.so");
    std::fs::write(&not_a_library, "not a library").expect("writes");
    for library in [folder.path().join("missing.so"), not_a_library] {
        let mut command = padan();
        command
            .args(["models", "check", "--runtime-library"])
            .arg(&library);
        let (code, _, stderr) = run(&mut command);
        assert_eq!(code, 3, "{stderr}");
        let named = library.display().to_string();
        assert_says(
            &stderr,
            &["ONNX Runtime", &named, "make setup", "--runtime-library"],
        );
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn models_are_listed_and_checked() {
    let (code, stdout, stderr) = run(padan().args(["models", "check"]));
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["yunet_2023mar", "sface_2021dec_int8:"]);
    let (code, stdout, _) = run(padan().args(["models", "list", "--json"]));
    assert_eq!(code, 0);
    let models = json(&stdout)["models"].as_array().expect("a list").clone();
    let licences: Vec<_> = models.iter().map(|model| &model["licence"]).collect();
    assert_eq!(
        licences,
        ["MIT", "Apache-2.0", "Apache-2.0", "LicenseRef-unknown"]
    );
}

#[test]
fn an_assessment_exits_0_when_acceptable_and_1_when_not() {
    let (code, stdout, stderr) = run(padan()
        .arg("assess")
        .arg(portrait("person_a_2.jpg"))
        .arg("--json"));
    assert_eq!(code, 0, "{stdout}{stderr}");
    let answer = json(&stdout);
    assert_eq!(
        keys(&answer),
        ["acceptable", "reasons", "request_id", "sample", "times"]
    );
    assert_eq!(answer["acceptable"], true);
    let folder = TestFolder::new("assess");
    let grey = folder.path().join("grey.jpg");
    let picture = image::RgbImage::from_pixel(640, 480, image::Rgb([127; 3]));
    std::fs::write(&grey, support::jpeg(&picture)).expect("writes");
    let (code, stdout, stderr) = run(padan().arg("assess").arg(&grey).arg("--json"));
    assert_eq!(code, 1, "{stderr}");
    let answer = json(&stdout);
    assert_eq!(answer["acceptable"], false);
    let reason = &answer["reasons"][0];
    assert_eq!(reason["code"], "NO_FACE");
    assert!(
        reason["text_id"]
            .as_str()
            .is_some_and(|text| text.contains("Wajah"))
    );
}

#[test]
fn a_report_is_one_html_file_with_both_pictures_and_the_decision() {
    let folder = TestFolder::new("report");
    let file = folder.path().join("report.html");
    let name = file.to_str().expect("UTF-8");
    let (code, _, stderr) = verify("person_a_2.jpg", "person_a_1.jpg", &["--report", name]);
    assert_eq!(code, 0, "{stderr}");
    let mode = std::fs::metadata(&file).expect("was written").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600, "it shows faces");
    let page = std::fs::read_to_string(&file).expect("was written");
    assert_says(&page, &["<html", "</html>", "MATCH"]);
    let pictures: Vec<_> = page.split("data:image/jpeg;base64,").skip(1).collect();
    assert!(
        pictures.len() >= 4,
        "both samples and both crops, not {}",
        pictures.len()
    );
    for picture in pictures {
        use base64::Engine;
        let encoded = picture.split(['"', '\'', ')']).next().expect("has an end");
        let decoder = base64::engine::general_purpose::STANDARD;
        let bytes = decoder.decode(encoded).expect("is base64");
        image::load_from_memory(&bytes).expect("is a picture");
    }
    // It opens without a network, and loads nothing from one.
    for outside in [
        "src=\"http",
        "href=\"http",
        "@import",
        "url(http",
        "<script",
    ] {
        assert!(!page.contains(outside), "the report loads {outside}");
    }
}

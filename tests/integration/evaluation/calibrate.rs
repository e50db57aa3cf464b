//! `padan calibrate`: the file serves its model and no other, and promises what the data support.

use std::path::{Path, PathBuf};

use padan::app::App;
use padan::config::Config;
use padan::decision::{Calibration, PolicySpec};

use super::{Faces, PAIRS, assert_refused, count, json_of};
use crate::support::{TestServer, portrait};
use crate::support::{assert_says, config, full_precision, padan, refusal, run, verify_request};

/// Calibrates the default model for these rates; the file, and what was printed.
fn calibrate(faces: &Faces, fmr: &str, further: &[&str]) -> (PathBuf, String) {
    let out = faces.path("calibration.toml");
    let mut command = faces.command("calibrate");
    command.args(["--fmr", fmr]).args(further);
    let (code, stdout, stderr) = run(command.arg("--out").arg(&out));
    assert_eq!(code, 0, "{stdout}{stderr}");
    (out, stdout)
}

/// A configuration that decides by a calibration of these faces.
fn decides(mut config: Config, calibration: &Path, fmr: f64, review_fmr: Option<f64>) -> Config {
    calibration.clone_into(&mut config.calibration);
    config.policies = vec![PolicySpec {
        id: "activation".to_owned(),
        fmr,
        review_fmr,
    }];
    config
}

#[tokio::test]
async fn a_calibration_serves_its_model_and_no_other() {
    let faces = Faces::new("calibrate");
    let words = "Six portraits";
    let (file, stdout) = calibrate(
        &faces,
        "0.3,0.5",
        &["--data", words, "--review-fnmr", "0.7"],
    );
    assert_says(&stdout, &["review from", "sface_2021dec_int8"]);
    let found = Calibration::read(&file).expect("is a calibration");
    assert_eq!((found.genuine_count, found.impostor_count), (2, 13));
    assert!(found.data.starts_with(words), "{}", found.data);
    assert_eq!(
        found.tool_version,
        format!("padan {}", env!("CARGO_PKG_VERSION"))
    );
    let fmr: Vec<f64> = found.target.iter().map(|target| target.fmr).collect();
    assert_eq!(fmr, [0.3, 0.5]);
    let [strict, lax] = &found.target[..] else {
        panic!("two targets");
    };
    assert_eq!((strict.false_matches, lax.false_matches), (3, 6));
    assert!(strict.threshold > lax.threshold);
    for target in &found.target {
        assert!(target.fmr_low <= target.fmr_high && target.fnmr_high > 0.5);
    }

    let server = TestServer::start(&decides(config(), &file, 0.3, Some(0.5))).await;
    let request = verify_request(portrait("person_a_2.jpg"), portrait("person_a_1.jpg"));
    let answer = server.verify(request).await.expect("decides");
    assert_eq!(answer.model_contract_id, found.model_contract_id);
    let decided_by = answer.threshold;
    assert!((decided_by - strict.threshold).abs() < 1e-6);
    server.stop().await.expect("stops");

    let refused = refusal(&decides(full_precision(), &file, 0.3, Some(0.5)));
    let says = [
        "sface_2021dec_int8:",
        "sface_2021dec:",
        "does not carry over",
        "padan calibrate",
    ];
    assert_says(&refused, &says);
}

#[test]
fn a_server_takes_no_rate_that_was_not_measured_or_is_not_supported() {
    let faces = Faces::new("calibrate-rates");
    let (file, stdout) = calibrate(&faces, "0.3", &["--review-fnmr", "0.1"]);
    // Two genuine comparisons leave an FNMR of 66 % possible.
    assert_says(&stdout, &["no threshold for reviews"]);
    let found = Calibration::read(&file).expect("is a calibration");
    assert_eq!(found.review, None);
    let of = |fmr, review| refusal(&decides(config(), &file, fmr, review));
    assert_says(&of(0.3, Some(0.5)), &["no threshold for FMR 0.5", "0.3"]);
    assert_says(&of(0.2, Some(0.3)), &["0.2", "15", "13"]);
    assert_says(&of(0.3, None), &["review_fmr", "--review-fnmr"]);
    let (file, _) = calibrate(&faces, "0.3", &["--review-fnmr", "0.7"]);
    assert!(App::start(&decides(config(), &file, 0.3, None)).is_ok());
}

#[test]
fn nothing_is_written_for_a_rate_that_the_data_cannot_support() {
    let faces = Faces::new("calibrate-unsupported");
    let out = faces.path("calibration.toml");
    for fmr in [&["--fmr", "1e-4"][..], &["--fmr", "0.3,0.2"], &[]] {
        let mut command = faces.command("calibrate");
        command.args(fmr).arg("--out").arg(&out);
        assert_refused(&mut command, &["13", "impostor comparisons"]);
        assert!(!out.exists());
    }
    let mut command = faces.command("calibrate");
    command.args(["--fmr", "0.3", "--review-fnmr", "2", "--out"]);
    assert_refused(command.arg(&out), &["--review-fnmr", "between 0 and 1"]);
}

#[test]
fn a_policy_is_measured_at_its_own_threshold() {
    let faces = Faces::new("evaluate-policy");
    let (file, _) = calibrate(&faces, "0.3,0.5", &[]);
    let calibration = Calibration::read(&file).expect("is a calibration");
    let configuration = faces.write(
        "padan.toml",
        "[models]\ncalibration = \"calibration.toml\"\n\
         [[policy]]\nid = \"desk\"\nfmr = 0.3\nreview_fmr = 0.5\n",
    );
    let evaluate = |policy: &str, further: &[&str]| {
        let mut command = faces.listed("evaluate", "pairs.txt", PAIRS);
        command.args(["--policy", policy]).args(further);
        command.arg("--config").arg(&configuration);
        command
    };
    // Another target than the policy's.
    let answer = json_of(&mut evaluate("desk", &["--fmr", "0.4"]));
    let at_policy = &answer["at_policy"];
    let same = |key: &str, expected: f32| {
        let found = at_policy[key].as_f64().expect("a number");
        assert!((found - f64::from(expected)).abs() < 1e-6, "{at_policy:#}");
    };
    same("threshold", calibration.target[0].threshold);
    same("review_from", calibration.target[1].threshold);
    // 3 of 13 match at FMR 0.3, and 6 at 0.5: the other three are reviewed.
    let errors = |key: &str| count(&at_policy[key], "errors");
    assert_eq!((errors("fmr"), errors("impostor_reviewed")), (3, 3));
    assert_eq!((errors("fnmr"), errors("genuine_reviewed")), (0, 0));
    let version = at_policy["policy_version"].as_str().expect("text");
    assert!(version.starts_with("desk@"), "{version}");
    assert_eq!(count(&answer["at_fmr"]["0.4"], "false_matches"), 5);
    let (code, stdout, stderr) = run(&mut evaluate("desk", &["--fmr", "0.4"]));
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &[version, "impostors that a human sees"]);

    let mut unknown = evaluate("nobody", &["--fmr", "0.4"]);
    assert_refused(&mut unknown, &["no policy named nobody", "desk"]);
    // Its own calibration does not know the policy's rates.
    let mut other = evaluate("desk", &["--fmr", "0.4", "--model", "sface_2021dec"]);
    assert_refused(&mut other, &["policy desk", "0.3"]);
}

#[test]
fn the_command_line_decides_by_a_calibration_as_well() {
    let faces = Faces::new("calibrate-verify");
    let (file, _) = calibrate(&faces, "0.3,0.5", &[]);
    let text = |embedder: &str| {
        format!(
            "[models]\nembedder = \"{embedder}\"\ncalibration = \"{}\"\n\
             [[policy]]\nid = \"activation\"\nfmr = 0.3\nreview_fmr = 0.5\n",
            file.display()
        )
    };
    for (embedder, expected) in [("sface_2021dec_int8", 0), ("sface_2021dec", 3)] {
        let mut command = padan();
        command.arg("--config");
        command.arg(faces.write("padan.toml", text(embedder)));
        command
            .arg("verify")
            .args(["A/A_0001.jpg", "A/A_0002.jpg"].map(|it| faces.sample(it)));
        let (code, stdout, stderr) = run(&mut command);
        assert_eq!(code, expected, "{stdout}{stderr}");
        let refused = stderr.contains("does not carry over");
        assert_eq!(refused, expected != 0, "{stderr}");
    }
}

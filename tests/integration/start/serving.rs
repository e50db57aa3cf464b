//! `padan serve` as a process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use padan::grpc::proto;

use super::command_line::{json, silent_address, verify};
use crate::support::{self, ServerProcess, WAIT_MAX, assert_says, padan, run, spawn_server};

#[test]
fn a_command_ends_well_when_nobody_reads_its_standard_output() {
    let mut command = padan();
    command.args(["models", "list"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[test]
fn a_server_goes_on_when_nobody_reads_its_standard_output() {
    let mut child = spawn_server(&mut padan());
    drop(child.stdout.take());
    let stderr = BufReader::new(child.stderr.take().expect("is piped"));
    let (line, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for read in stderr.lines() {
            // The test may have failed meanwhile.
            drop(line.send(read.expect("UTF-8") + "\n"));
        }
    });
    let mut told = String::new();
    while !told.contains("padan is ready") {
        match lines.recv_timeout(WAIT_MAX) {
            Ok(line) => told.push_str(&line),
            Err(error) => {
                drop(child.kill());
                panic!("{error}: {told}");
            }
        }
    }
    let mut kill = Command::new("kill");
    kill.args(["-TERM", &child.id().to_string()]);
    assert!(kill.status().expect("there is a `kill`").success());
    let status = child.wait().expect("ends");
    told.extend(lines);
    assert_eq!(status.code(), Some(0), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

#[tokio::test]
async fn a_server_announces_its_address_answers_and_exits_0_on_sigterm() {
    let server = ServerProcess::start(padan());
    let mut client = server.client().await;
    let answer = client
        .verify(support::genuine())
        .await
        .expect("answers")
        .into_inner();
    assert_eq!(answer.decision(), proto::Decision::Match);
    let (code, stdout, stderr) = verify(
        "person_a_2.jpg",
        "person_a_1.jpg",
        &["--json", "--server", &server.url],
    );
    assert_eq!(code, 0, "{stderr}");
    let from_command_line = json(&stdout)["similarity"].as_f64().expect("was compared");
    let from_client = f64::from(answer.similarity.expect("was compared"));
    assert!((from_command_line - from_client).abs() < 1e-6);
    let metrics = server.metrics();
    assert_says(&metrics, &["padan_decisions_total{decision=\"MATCH\"} 2"]);
    assert_says(
        &metrics,
        &[
            "padan_requests_total{method=\"Verify\",code=\"OK\"} 2",
            "# EOF",
        ],
    );
    let (code, stdout, stderr) = server.terminate();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(
        stdout.lines().count(),
        0,
        "nothing but the addresses on standard output"
    );
    assert_says(
        &stderr,
        &["padan is ready", "every request in flight was answered"],
    );
}

#[test]
fn a_spoilt_model_folder_keeps_the_server_from_listening() {
    let models = super::Models::new("serve-spoilt");
    models.change_line(super::MANIFEST, super::GOLDEN, "golden_similarity = 0.7");
    let address = silent_address();
    let mut command = padan();
    command.args([
        "serve",
        "--listen",
        &address,
        "--metrics-listen",
        "127.0.0.1:0",
        "--models",
    ]);
    let (code, stdout, stderr) = run(command.arg(models.path("")));
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &["golden faces", "0.7000"]);
    assert_eq!(stdout.as_bytes().lines().count(), 0, "{stdout}");
}

//! What a verification by NIK leaves behind, in every place: logs, metrics, database, write-ahead
//! log, temporary files and whatever else lies in the folders of a server that was killed. No NIK,
//! no image, no embedding.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use padan::grpc::proto::Decision;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{self, face_verification_client::FaceVerificationClient};
use tonic::transport::Channel;

use crate::crash::configuration;
use crate::enrolled::{
    MAN, STRANGER, WOMAN, activation_request, config_of, enrol, subject_of, template_of,
};
use crate::store::{Home, on_both};
use crate::support::{ServerProcess, TestFolder, TestServer, padan, portrait};

on_both!(duties_2_and_3_nothing_of_a_person_is_left_in_any_file_log_or_metric);

/// A number that is no NIK, as somebody may mistype one.
const MISTYPED: &str = "3171013299887766";

/// Bytes that must not be found, by what they are.
type Needles = Vec<(String, Vec<u8>)>;

async fn duties_2_and_3_nothing_of_a_person_is_left_in_any_file_log_or_metric(home: &Home) {
    let folder = TestFolder::unique("canaries");
    let (needles, subject) = prepare(home, &folder).await;
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).expect("a folder");
    let mut command = padan();
    command
        .args(["--log", "trace", "--log-format", "json", "--config"])
        .arg(configuration(home, &folder))
        .env("TMPDIR", &temporary)
        .env("HOME", &temporary)
        .current_dir(&temporary);
    let server = ServerProcess::start(command);
    let errors = use_it(&server).await;
    let metrics = server.metrics();
    // Killed, so that nothing is tidied up.
    let (stdout, log) = server.kill();
    assert!(log.contains("request-match"), "no log to look at");
    let mut places = vec![
        ("standard output".to_owned(), stdout.into_bytes()),
        ("the log".to_owned(), log.into_bytes()),
        ("the metrics".to_owned(), metrics.into_bytes()),
        ("an error".to_owned(), errors.into_bytes()),
    ];
    read_all(folder.path(), &mut places);
    read_all(&home.folder(), &mut places);
    assert!(
        places.iter().any(|(_, bytes)| contains(bytes, &subject)),
        "the rows of the subject are not among {} places: this test is blind",
        places.len()
    );
    for (place, bytes) in &places {
        for (what, needle) in &needles {
            assert!(!contains(bytes, needle), "{what} in {place}");
        }
    }
}

/// Enrols two people in a server of its own, and says what must not be found, and what must.
async fn prepare(home: &Home, folder: &TestFolder) -> (Needles, Vec<u8>) {
    let server = TestServer::start(&config_of(home, folder)).await;
    let activation = server.activation.clone().expect("references are kept");
    let (records, verifier) = (activation.records(), activation.verifier());
    let mut needles = Needles::new();
    for nik in [WOMAN, MAN, STRANGER, MISTYPED] {
        needles.push((format!("the NIK {nik}"), nik.as_bytes().to_vec()));
    }
    for name in [
        "person_a_1.jpg",
        "person_a_2.jpg",
        "person_b_1.jpg",
        "impostor_1.jpg",
    ] {
        let image: Bytes = portrait(name);
        // Somewhere in the middle, where every picture differs.
        for at in [image.len() / 3, image.len() / 2, 2 * image.len() / 3] {
            needles.push((format!("{name} from {at} on"), image[at..at + 32].to_vec()));
        }
        let template = template_of(verifier, name).await.to_bytes();
        for at in [1, 129, 257, 385] {
            let number = format!("the template of {name} from {at} on");
            needles.push((number, template[at..at + 16].to_vec()));
        }
    }
    for (nik, name) in [(WOMAN, "person_a_1.jpg"), (MAN, "person_b_1.jpg")] {
        enrol(records, nik, &template_of(verifier, name).await).await;
    }
    let subject = subject_of(records, WOMAN).as_bytes().to_vec();
    server.stop().await.expect("stops");
    (needles, subject)
}

/// One of each: a match, a non-match, an unknown and a mistyped number, a used token, a picture
/// that is none. Returns what errors said.
async fn use_it(server: &ServerProcess) -> String {
    let channel = Channel::from_shared(server.url.clone()).expect("a URL");
    let channel = channel.connect().await.expect("connects");
    let mut client = FaceVerificationClient::new(channel.clone());
    let mut errors = String::new();
    let mut token = String::new();
    for (id, nik, probe, expected) in [
        ("request-match", WOMAN, "person_a_2.jpg", Decision::Match),
        ("request-other", MAN, "impostor_1.jpg", Decision::NoMatch),
        (
            "request-unknown",
            STRANGER,
            "person_a_2.jpg",
            Decision::CannotVerify,
        ),
        (
            "request-mistyped",
            MISTYPED,
            "person_a_2.jpg",
            Decision::CannotVerify,
        ),
    ] {
        let response = client.verify(activation_request(id, nik, probe)).await;
        let response = response.expect("a decision").into_inner();
        assert_eq!(response.decision(), expected, "{id}");
        if expected == Decision::Match {
            token = response.result_token;
        }
    }
    let mut results = ResultsClient::new(channel);
    for _ in 0..2 {
        let request = proto::RedeemResultRequest {
            result_token: token.clone(),
            device: "counter-2".to_owned(),
        };
        if let Err(status) = results.redeem_result(request).await {
            write!(errors, "{status:?}").expect("memory");
        }
    }
    let mut broken = activation_request("request-broken", WOMAN, "person_a_2.jpg");
    let image = portrait("person_a_2.jpg");
    broken.probe = Some(crate::support::sample(image.slice(image.len() / 4..)));
    let status = client.verify(broken).await.expect_err("no picture");
    write!(errors, "{status:?}").expect("memory");
    let mut other_body = activation_request("request-match", STRANGER, "person_a_2.jpg");
    other_body.consent = None;
    let status = client.verify(other_body).await.expect_err("another body");
    write!(errors, "{status:?}").expect("memory");
    errors
}

/// All files below a folder but the keys, which are secrets of another kind.
fn read_all(folder: &Path, places: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, places);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // What is gone meanwhile, or a socket, holds nothing.
            places.push((path.display().to_string(), bytes));
        }
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn duty_2_a_killed_server_dumps_no_memory() {
    let server = ServerProcess::start(padan());
    let limits = server.limits();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let numbers: Vec<&str> = line.expect("Linux").split_whitespace().collect();
    assert_eq!(numbers[4..6], ["0", "0"], "{limits}");
}

//! What an enrolment, verifications by NIK, an export and an erasure leave behind, in every place:
//! logs, metrics, database, write-ahead log, temporary files and whatever else lies in the folders
//! of a server that was killed. No NIK, no image, no embedding, in no shape; and no similarity but
//! in the trail, whose entries tell it.

mod forms;

use std::fmt::Write as _;
use std::path::Path;

use padan::grpc::proto::enrollment_client::EnrollmentClient;
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::privacy_client::PrivacyClient;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{self, Decision, EnrollmentOutcome, ReasonCode};
use tonic::transport::Channel;

use self::forms::{Needle, Sieve, forms};
use crate::activation::reason;
use crate::crash::configuration;
use crate::enrolled::{
    MAN, STRANGER, WOMAN, activation_request, config_of, enrol, subject_of, template_of,
};
use crate::people::{meta, subject};
use crate::privacy::writings_of_number;
use crate::store::{Home, on_both};
use crate::support::{ServerProcess, TestFolder, TestServer, padan, portrait};

on_both!(duties_2_and_3_nothing_of_a_person_is_left_in_any_file_log_or_metric);

/// A number that is no NIK, as somebody may mistype one.
const MISTYPED: &str = "3171013299889998";

/// Put, verified, exported and erased by the server that is looked at.
const ERASED: &str = "3174125703589997";

/// What the registry says of that woman: compared with her NIK, and not kept.
const BIRTH_DATE: &str = "1958-03-17";

/// Bytes, by where they were.
type Places = Vec<(String, Vec<u8>)>;

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
    let seen = use_it(&server).await;
    let metrics = server.metrics();
    // Killed, so that nothing is tidied up.
    let (stdout, log) = server.kill();
    assert!(log.contains("request-match"), "no log to look at");
    // Entries of the trail hold similarities: there, and nowhere else.
    let mut records = vec![("the export".to_owned(), seen.export.into_bytes())];
    read_all(&home.folder(), &mut records);
    let mut others = vec![
        ("standard output".to_owned(), stdout.into_bytes()),
        ("the log".to_owned(), log.into_bytes()),
        ("the metrics".to_owned(), metrics.into_bytes()),
        ("an error".to_owned(), seen.errors.into_bytes()),
    ];
    read_all(folder.path(), &mut others);
    assert!(
        records.iter().any(|(_, bytes)| contains(bytes, &subject)),
        "the rows of the subject are not among {} places: this test is blind",
        records.len()
    );
    let similarities = of_similarities(&seen.similarities);
    assert_in_none(needles.clone(), &records);
    assert_in_none([needles, similarities].concat(), &others);
}

fn assert_in_none(needles: Vec<Needle>, places: &[(String, Vec<u8>)]) {
    let sieve = Sieve::new(needles);
    for (place, bytes) in places {
        let found = sieve.found(bytes);
        assert!(found.is_empty(), "{found:?} in {place}");
    }
}

/// Enrols two people in a server of its own, and says what must not be found, and what must.
async fn prepare(home: &Home, folder: &TestFolder) -> (Vec<Needle>, Vec<u8>) {
    let server = TestServer::start(&config_of(home, folder)).await;
    let activation = server.activation.clone().expect("references are kept");
    let (records, verifier) = (activation.records(), activation.verifier());
    let mut needles = vec![Needle::new("the birth date", BIRTH_DATE)];
    for nik in [WOMAN, MAN, STRANGER, MISTYPED, ERASED] {
        needles.extend(of_nik(nik));
    }
    for name in [
        "person_a_1.jpg",
        "person_a_2.jpg",
        "person_b_1.jpg",
        "person_b_2.jpg",
        "impostor_1.jpg",
    ] {
        let image = portrait(name);
        // Somewhere in the middle, where every picture differs.
        for at in [image.len() / 3, image.len() / 2, 2 * image.len() / 3] {
            needles.extend(forms(&format!("{name} from {at} on"), &image[at..at + 32]));
        }
        let template = template_of(verifier, name).await;
        let bytes = template.to_bytes();
        for at in [1, 129, 257, 385] {
            let what = format!("the template of {name} from {at} on");
            needles.extend(forms(&what, &bytes[at..at + 16]));
        }
        needles.extend(of_numbers(name, template.embedding.as_slice()));
    }
    for (nik, name) in [(WOMAN, "person_a_1.jpg"), (MAN, "person_b_1.jpg")] {
        enrol(records, nik, &template_of(verifier, name).await).await;
    }
    let subject = subject_of(records, WOMAN).as_bytes().to_vec();
    server.stop().await.expect("stops");
    (needles, subject)
}

/// A NIK as digits in every shape, and as a number in either order of its bytes.
fn of_nik(nik: &str) -> Vec<Needle> {
    let what = format!("the NIK {nik}");
    let number: i64 = nik.parse().expect("digits");
    let mut needles = forms(&what, nik.as_bytes());
    needles.push(Needle::new(&what, number.to_le_bytes()));
    needles.push(Needle::new(&what, number.to_be_bytes()));
    needles
}

/// Some of an embedding's numbers as text; of small ones too few digits would be left.
fn of_numbers(name: &str, numbers: &[f32]) -> Vec<Needle> {
    let large = numbers.iter().filter(|number| number.abs() > 0.05);
    let large: Vec<f32> = large.copied().take(8).collect();
    assert!(!large.is_empty(), "no number of {name} is large enough");
    let texts = large.iter().flat_map(|&it| writings_of_number(it, 8));
    texts
        .map(|text| Needle::new(&format!("a number of the embedding of {name}"), text))
        .collect()
}

fn of_similarities(similarities: &[f32]) -> Vec<Needle> {
    let texts = similarities
        .iter()
        .flat_map(|&it| writings_of_number(it, 6));
    texts
        .map(|text| Needle::new("a similarity", text))
        .collect()
}

/// What callers were told.
#[derive(Default)]
struct Seen {
    errors: String,
    export: String,
    similarities: Vec<f32>,
}

/// One of each: an enrolment, matches, a non-match, an unknown and a mistyped number, a used token,
/// a picture that is none, an export and an erasure.
async fn use_it(server: &ServerProcess) -> Seen {
    let channel = Channel::from_shared(server.url.clone()).expect("a URL");
    let channel = channel.connect().await.expect("connects");
    let mut seen = Seen::default();
    put(&channel).await;
    let token = verify_some(&channel, &mut seen).await;
    let mut results = ResultsClient::new(channel.clone());
    for _ in 0..2 {
        let request = proto::RedeemResultRequest {
            result_token: token.clone(),
            device: "counter-2".to_owned(),
        };
        if let Err(status) = results.redeem_result(request).await {
            write!(seen.errors, "{status:?}").expect("memory");
        }
    }
    provoke(&channel, &mut seen.errors).await;
    export_and_erase(&channel, &mut seen).await;
    seen
}

async fn put(channel: &Channel) {
    let image = crate::support::sample(portrait("person_b_1.jpg"));
    let request = proto::PutRequest {
        meta: Some(meta("request-put")),
        subject: Some(subject(ERASED)),
        reference: Some(proto::put_request::Reference::Portrait(image)),
        captured_on: "2014-05-20".to_owned(),
        source: proto::ReferenceSource::Registry.into(),
        biodata: Some(proto::Biodata {
            birth_date: BIRTH_DATE.to_owned(),
            sex: proto::Sex::Female.into(),
        }),
    };
    let answer = EnrollmentClient::new(channel.clone()).put(request).await;
    let answer = answer.expect("an answer").into_inner();
    assert_eq!(answer.outcome(), EnrollmentOutcome::Done, "{answer:?}");
}

/// The token of a match.
async fn verify_some(channel: &Channel, seen: &mut Seen) -> String {
    let mut client = FaceVerificationClient::new(channel.clone());
    let mut token = String::new();
    for (id, nik, probe, expected) in [
        ("request-put", ERASED, "person_b_2.jpg", Decision::Match),
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
        let id = format!("{id}-verified");
        let response = client.verify(activation_request(&id, nik, probe)).await;
        let response = response.expect("a decision").into_inner();
        assert_eq!(response.decision(), expected, "{id}");
        seen.similarities.extend(response.similarity);
        if expected == Decision::Match {
            token = response.result_token;
        }
    }
    assert_eq!(seen.similarities.len(), 3, "this caller is told them");
    token
}

/// What errors say to pictures and requests that are refused.
async fn provoke(channel: &Channel, errors: &mut String) {
    let mut client = FaceVerificationClient::new(channel.clone());
    let mut broken = activation_request("request-broken", WOMAN, "person_a_2.jpg");
    let image = portrait("person_a_2.jpg");
    broken.probe = Some(crate::support::sample(image.slice(image.len() / 4..)));
    let status = client.verify(broken).await.expect_err("no picture");
    write!(errors, "{status:?}").expect("memory");
    let mut other_body = activation_request("request-match-verified", STRANGER, "person_a_2.jpg");
    other_body.consent = None;
    let status = client.verify(other_body).await.expect_err("another body");
    write!(errors, "{status:?}").expect("memory");
}

async fn export_and_erase(channel: &Channel, seen: &mut Seen) {
    let mut privacy = PrivacyClient::new(channel.clone());
    let export = proto::ExportSubjectRequest {
        meta: Some(meta("request-export")),
        subject: Some(subject(ERASED)),
    };
    let lines = privacy.export_subject(export).await.expect("is exported");
    let mut lines = lines.into_inner();
    while let Some(line) = lines.message().await.expect("is whole") {
        seen.export.push_str(&line.line);
    }
    assert!(seen.export.contains("request-put-verified"), "its decision");
    let erase = proto::EraseRequest {
        meta: Some(meta("request-erase")),
        subject: Some(subject(ERASED)),
    };
    let erased = privacy.erase(erase).await.expect("is erased").into_inner();
    assert!(erased.had_key && erased.references_deleted == 1);
    let gone = activation_request("request-gone", ERASED, "person_b_2.jpg");
    let mut client = FaceVerificationClient::new(channel.clone());
    let gone = client.verify(gone).await.expect("a decision").into_inner();
    assert_eq!(reason(&gone), [ReasonCode::ReferenceNotFound]);
}

/// All files below a folder.
fn read_all(folder: &Path, places: &mut Places) {
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

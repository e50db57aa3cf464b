//! No image, embedding or similarity reaches a log, a metric, an error text or a file.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use padan::app::ModelSet;
use padan::compare::Similarity;
use padan::embed::{Embedding, Template};
use padan::engine::Checkpoint;
use padan::grpc::proto;
use padan::pipeline::{Goal, SampleTask};
use padan::sample::SampleRole;
use padan::sample::detect::FaceChoice;
use padan::verify::{Reference, VerifyTask};
use tonic::{Request, Status};

use crate::support::{self, ServerProcess, TestFolder, padan};

/// Stands for what a picture's file may carry: a name, a place, a NIK.
const CANARY: &str = "CANARY-NIK-3174091203859999";

/// The portrait with the canary in a JPEG comment, right at its start.
fn with_canary(name: &str) -> Bytes {
    let portrait = support::portrait(name);
    let length = u16::try_from(CANARY.len() + 2)
        .expect("short")
        .to_be_bytes();
    let (start, rest) = portrait.split_at(2);
    [start, &[0xFF, 0xFE], &length, CANARY.as_bytes(), rest]
        .concat()
        .into()
}

/// The embedding that padan makes of a sample.
fn template_of(image: &Bytes) -> Template {
    let config = support::config();
    let models = ModelSet::select(&config).expect("the models are there");
    let mut pipeline = models
        .pipeline(&Arc::new(config.pipeline.clone()))
        .expect("is made");
    let task = SampleTask {
        cascade: None,
        image: image.clone(),
        role: SampleRole::Reference,
        choice: FaceChoice::Largest,
        goal: Goal::EmbedAnyway,
    };
    let result = pipeline.run(&task, &Checkpoint::always()).expect("works");
    result.template.expect("a face")
}

/// Ways in which the bytes of a file could be written.
fn writings_of(image: &[u8]) -> Vec<String> {
    let start = &image[..24];
    let hexadecimal = start
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    let numbers: Vec<String> = start.iter().take(6).map(ToString::to_string).collect();
    vec![
        STANDARD.encode(start),
        URL_SAFE.encode(start),
        hexadecimal.to_uppercase(),
        hexadecimal,
        numbers.join(", "),
        format!("{start:?}").trim_matches(['[', ']']).to_owned(),
        start[..4].escape_ascii().to_string(),
    ]
}

/// `number` with so many digits after the point, cut and rounded.
pub fn writings_of_number(number: f32, digits: usize) -> [String; 2] {
    let number = f64::from(number.abs());
    let whole = format!("{number:.12}");
    [whole[..digits + 2].to_owned(), format!("{number:.digits$}")]
}

/// What must not turn up.
struct Secrets {
    texts: Vec<String>,
    similarities: Vec<f32>,
    embeddings: Vec<Embedding>,
}

impl Secrets {
    fn of(images: &[Bytes], similarities: Vec<f32>) -> Self {
        let mut texts = vec![CANARY.to_owned(), CANARY.to_lowercase()];
        texts.extend(images.iter().flat_map(|image| writings_of(image)));
        texts.sort_unstable();
        texts.dedup();
        let embeddings = images.iter().map(|image| template_of(image).embedding);
        Self {
            texts,
            similarities,
            embeddings: embeddings.collect(),
        }
    }

    /// What is found in `text`, where numbers with this many digits are suspicious.
    fn found_in(
        &self,
        text: &str,
        similarity_digits: usize,
        embedding_digits: usize,
    ) -> Vec<String> {
        // JSON doubles backslashes.
        let text = text.replace("\\\\", "\\");
        let similarities = self
            .similarities
            .iter()
            .flat_map(|&number| writings_of_number(number, similarity_digits));
        let numbers = self
            .embeddings
            .iter()
            .flat_map(padan::embed::Embedding::as_slice);
        let numbers = numbers.filter(|number| number.abs() > 0.01);
        let numbers = numbers.flat_map(|&number| writings_of_number(number, embedding_digits));
        let texts = self.texts.iter().cloned();
        let needles = texts.chain(similarities).chain(numbers);
        needles
            .filter(|needle| text.contains(needle.as_str()))
            .collect()
    }
}

/// Sends pairs that are decided; notes their similarities.
async fn send_good_requests(server: &ServerProcess, images: &[Bytes; 3]) -> Vec<f32> {
    let [probe, reference, impostor] = images;
    let mut client = server.client().await;
    let mut similarities = Vec::new();
    for (id, probe) in [("genuine-1", probe), ("impostor-1", impostor)] {
        let mut request = support::verify_request(probe.clone(), reference.clone());
        request.meta = Some(proto::RequestMeta {
            request_id: id.to_owned(),
            deadline_class: 0,
        });
        let answer = client
            .verify(request)
            .await
            .expect("is decided")
            .into_inner();
        similarities.push(answer.similarity.expect("was compared"));
    }
    let grey = support::jpeg(&image::RgbImage::from_pixel(320, 240, image::Rgb([127; 3])));
    for image in [probe.clone(), grey] {
        client
            .assess_capture(support::assess_request(image))
            .await
            .expect("is assessed");
    }
    client
        .get_service_info(proto::GetServiceInfoRequest {})
        .await
        .expect("answers");
    similarities
}

/// Sends what must fail; returns everything that the errors say.
async fn send_bad_requests(server: &ServerProcess, images: &[Bytes; 3]) -> Vec<Status> {
    let [probe, reference, _] = images;
    let mut client = server.client().await;
    let mut errors = Vec::new();
    let cut_off = probe.slice(..probe.len() / 2);
    let text = Bytes::from(format!("{CANARY} is not an image"));
    let gif = Bytes::from(format!("GIF89a{CANARY}"));
    let mut damaged = probe.to_vec();
    // Nonsense in place of the tables that follow the comment.
    damaged[40..400].fill(0x41);
    let too_large = Bytes::from([probe.as_ref(), &vec![0; 9 << 20]].concat());
    for image in [cut_off, text, gif, damaged.into(), too_large, Bytes::new()] {
        let request = support::verify_request(image.clone(), reference.clone());
        errors.push(client.verify(request).await.expect_err("is no image"));
        let request = support::assess_request(image);
        errors.push(
            client
                .assess_capture(request)
                .await
                .expect_err("is no image"),
        );
    }
    let mut request = support::verify_request(probe.clone(), reference.clone());
    "no-such-policy".clone_into(&mut request.policy);
    errors.push(client.verify(request).await.expect_err("no such policy"));
    let mut request = support::assess_request(probe.clone());
    request.role = 99;
    errors.push(
        client
            .assess_capture(request)
            .await
            .expect_err("no such role"),
    );
    let mut request = Request::new(support::verify_request(probe.clone(), reference.clone()));
    request.set_timeout(Duration::from_millis(1));
    errors.push(client.verify(request).await.expect_err("too late"));
    errors
}

/// The log without the fields that hold times, whose digits mean nothing.
fn log_without_times(log: &str) -> String {
    let mut lines = Vec::new();
    for line in log.lines() {
        let mut entry: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let fields = entry.as_object_mut().expect("an object a line");
        for field in ["timestamp", "took_ms", "time.busy", "time.idle"] {
            fields.remove(field);
        }
        lines.push(entry.to_string());
    }
    lines.join("\n")
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .collect()
}

#[tokio::test]
async fn nothing_of_a_face_reaches_a_log_a_metric_or_an_error() {
    let images = ["person_a_2.jpg", "person_a_1.jpg", "impostor_1.jpg"].map(with_canary);
    let mut command = padan();
    command.args(["--log", "trace", "--log-format", "json"]);
    let server = ServerProcess::start(command);
    let similarities = send_good_requests(&server, &images).await;
    let errors = send_bad_requests(&server, &images).await;
    let metrics = server.metrics();
    let (code, stdout, log) = server.terminate();
    assert_eq!(code, Some(0));

    let secrets = Secrets::of(&images, similarities);
    let none = Vec::<String>::new();
    // The test would see a leak: it reads the lines of these very requests, down to traces.
    assert!(
        log.contains("genuine-1") && log.contains("\"level\":\"TRACE\""),
        "no log to look at"
    );
    let planted = format!("{log}\nsimilarity={}", secrets.similarities[0]);
    assert_ne!(secrets.found_in(&planted, 4, 6), none, "this test is blind");

    println!(
        "looked at {} lines of logs, {} errors",
        log.lines().count(),
        errors.len()
    );
    assert_eq!(
        secrets.found_in(&log_without_times(&log), 4, 6),
        none,
        "in the log"
    );
    assert_eq!(secrets.found_in(&stdout, 4, 6), none, "on standard output");
    // Sums of times are in the metrics: only a number with all its digits is suspicious.
    assert_eq!(secrets.found_in(&metrics, 7, 7), none, "in the metrics");
    for error in &errors {
        let said = format!("{} {error:?}", error.message());
        assert_eq!(
            secrets.found_in(&said, 4, 6),
            none,
            "in an error: {}",
            error.message()
        );
        let details = String::from_utf8_lossy(error.details());
        assert_eq!(
            secrets.found_in(&details, 4, 6),
            none,
            "in the details of an error"
        );
    }
}

/// Not of a face, and not of anything else: ONNX Runtime's own telemetry, where a build has it,
/// keeps an identifier of the machine in HOME and TMPDIR, and sends it to its maker.
#[tokio::test]
async fn a_server_leaves_no_file_behind() {
    let folders = ["tmpdir", "home", "cache", "cwd"].map(TestFolder::new);
    let [temporary, home, cache, current] = &folders;
    let mut command = padan();
    command
        .env("TMPDIR", temporary.path())
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", cache.path())
        .env_remove("ORT_DISABLE_TELEMETRY")
        .current_dir(current.path());
    let server = ServerProcess::start(command);
    let mut client = server.client().await;
    client.verify(support::genuine()).await.expect("is decided");
    let (code, ..) = server.terminate();
    assert_eq!(code, Some(0));
    for folder in &folders {
        assert_eq!(files_in(folder.path()), Vec::<String>::new());
    }
}

/// The labels of the metrics come from closed lists: nothing a caller sends becomes one.
#[tokio::test]
async fn what_a_caller_sends_is_no_label_of_a_metric() {
    let server = support::TestServer::with_defaults().await;
    let mut client = server.client().await;
    let mut request = support::genuine();
    request.policy = "callers-own-policy".to_owned();
    request.meta = Some(proto::RequestMeta {
        request_id: "callers-own-id".to_owned(),
        deadline_class: 0,
    });
    client
        .verify(request.clone())
        .await
        .expect_err("no such policy");
    request.policy.clear();
    client.verify(request).await.expect("is decided");
    let metrics = (server.app_metrics)();
    assert!(
        metrics.contains("padan_decisions_total{decision=\"MATCH\"} 1"),
        "{metrics}"
    );
    assert!(!metrics.contains("callers-own"), "{metrics}");
    server.stop().await.expect("stops");
}

fn assert_shows_nothing(shown: &dyn Debug, secrets: &[&str]) {
    for text in [format!("{shown:?}"), format!("{shown:#?}")] {
        for secret in secrets {
            assert!(!text.contains(secret), "Debug shows {secret}: {text:.200}");
        }
    }
}

#[test]
fn debug_of_pictures_embeddings_and_similarities_shows_no_content() {
    let image = support::portrait("person_a_1.jpg");
    let picture = support::decoded(&image);
    let pixels: Vec<String> = picture.rgb()[..4].iter().map(ToString::to_string).collect();
    assert_shows_nothing(&picture, &[&pixels.join(", ")]);
    let template = template_of(&image);
    let number = template.embedding.as_slice()[0].to_string();
    assert_shows_nothing(&template, &[&number]);
    assert_shows_nothing(&template.embedding, &[&number]);
    assert_shows_nothing(&Some(Similarity::new(0.4321)), &["4321"]);
}

#[test]
fn debug_of_tasks_and_requests_shows_no_image() {
    let image = with_canary("person_a_1.jpg");
    let task = SampleTask {
        cascade: None,
        image: image.clone(),
        role: SampleRole::Probe,
        choice: FaceChoice::Largest,
        goal: Goal::Embed,
    };
    assert_shows_nothing(&task, &[CANARY]);
    let task = VerifyTask {
        probe: image.clone(),
        reference: Reference::Sample(image.clone()),
        policy: String::new(),
    };
    assert_shows_nothing(&task, &[CANARY]);
    assert_shows_nothing(
        &support::verify_request(image.clone(), image.clone()),
        &[CANARY],
    );
    assert_shows_nothing(&support::assess_request(image), &[CANARY]);
}

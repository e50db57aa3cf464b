//! The accelerator's way on a real accelerator library: ONNX Runtime's `OpenVINO` provider, on the
//! processor. A binary of its own, since a process has one library: `make test-openvino` fetches it
//! and runs these, `make test` does not.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "the integration tests use the rest"
)]
mod support;

use std::num::NonZeroUsize;
use std::sync::Arc;

use padan::app::ModelSet;
use padan::config::{Config, SharedArgs};
use padan::digest::sha256_hex;
use padan::grpc::proto::{Decision, GetServiceInfoRequest, VerifyResponse};
use padan::model::{Provider, ProviderKind};
use support::batching::assert_batches_give_what_a_lane_gives;
use support::{TestFolder, TestServer, assert_says, portrait, refusal, repository, verify_request};

/// The default configuration with `OpenVINO`. A process has one library: all tests here use this
/// one, also for the CPU.
fn config() -> Config {
    let shared = SharedArgs {
        models: Some(repository().join("models")),
        embedder: Some(support::FULL_PRECISION.to_owned()),
        provider: Some(ProviderKind::OpenVino),
        ..SharedArgs::default()
    };
    let mut config = Config::load(&shared).expect("valid; run `make setup-openvino`");
    config.engine.lanes = NonZeroUsize::new(4).expect("not zero");
    config
}

/// The same on the CPU, with the same library.
fn on_cpu() -> Config {
    let provider = Provider {
        kind: ProviderKind::Cpu,
        ..config().provider
    };
    Config {
        provider,
        ..config()
    }
}

const GENUINE: [(&str, &str); 2] = [
    ("person_a_2.jpg", "person_a_1.jpg"),
    ("person_b_2.jpg", "person_b_1.jpg"),
];
const IMPOSTOR: [(&str, &str); 3] = [
    ("impostor_1.jpg", "person_a_1.jpg"),
    ("impostor_2.jpg", "person_b_1.jpg"),
    ("person_a_2.jpg", "person_b_1.jpg"),
];

async fn verify_all(server: &TestServer) -> Vec<VerifyResponse> {
    let pairs = GENUINE.into_iter().chain(IMPOSTOR);
    let calls = pairs.map(|(probe, reference)| {
        server.verify(verify_request(portrait(probe), portrait(reference)))
    });
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.expect("answered"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_openvino_decides_as_on_the_cpu_and_says_where_it_computes() {
    let server = TestServer::start(&config()).await;
    let info = server
        .client()
        .await
        .get_service_info(GetServiceInfoRequest {})
        .await
        .expect("answers")
        .into_inner();
    assert_eq!(info.execution_provider, "openvino");
    let answers = verify_all(&server).await;
    let batched = (1..=16).filter_map(|faces| {
        let name = format!("padan_device_batches_total{{faces=\"{faces}\"}}");
        Some(f64::from(faces) * server.metric(&name)?)
    });
    // Each of four lanes compared two golden faces before.
    let faces: f64 = batched.sum();
    assert!((faces - f64::from(2 * 4 + 2 * 5)).abs() < 0.5, "{faces}");
    assert_eq!(server.metric("padan_device_failures_total"), Some(0.0));
    server.assert_well().await;

    let on_cpu = verify_all(&TestServer::start(&on_cpu()).await).await;
    for (number, (answer, cpu)) in answers.iter().zip(&on_cpu).enumerate() {
        let expected = if number < GENUINE.len() {
            Decision::Match
        } else {
            Decision::NoMatch
        };
        assert_eq!(answer.decision(), expected, "pair {number}");
        assert_eq!(answer.model_contract_id, cpu.model_contract_id);
        let difference = answer.similarity.expect("compared") - cpu.similarity.expect("compared");
        println!("pair {number}: similarity differs by {difference:+.7}");
        assert!(difference.abs() <= 1e-4, "pair {number}: {difference}");
    }
}

#[test]
fn batches_on_openvino_give_what_a_lane_gives_on_the_cpu() {
    assert_batches_give_what_a_lane_gives(&config(), 1e-4);
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let mut config = config();
    config.provider.device = Some("GPU.63".to_owned());
    let parts = ["openvino (device GPU.63)", "did not take", "sface_2021dec"];
    assert_says(&refusal(&config), &parts);
}

#[test]
fn an_accelerator_of_another_library_is_refused() {
    for kind in [ProviderKind::Cuda, ProviderKind::TensorRt] {
        let mut config = config();
        config.provider.kind = kind;
        let parts = [kind.name(), "built without", "it has: cpu, openvino."];
        assert_says(&refusal(&config), &parts);
    }
}

/// ONNX Runtime's own rule is to run on the CPU what the provider does not take, in silence.
#[test]
fn a_model_that_openvino_takes_in_part_is_refused() {
    let folder = TestFolder::new("openvino-part");
    let content = std::fs::read(repository().join("tests/openvino/partly_supported.onnx"));
    let content = content.expect("is in the tree");
    std::fs::write(folder.path().join("part.onnx"), &content).expect("writes");
    let models = repository().join("models");
    for name in ["yunet_2023mar.onnx", "golden"] {
        std::os::unix::fs::symlink(models.join(name), folder.path().join(name)).expect("links");
    }
    let manifest = std::fs::read_to_string(models.join("manifest.toml")).expect("readable");
    // From the embedder in 32 bits on.
    let at = manifest.find("[[model]]\nid = \"sface_2021dec\"\n");
    let (before, embedder) = manifest.split_at(at.expect("has it"));
    let sha256 = embedder
        .lines()
        .find(|line| line.starts_with("sha256 = "))
        .expect("is pinned");
    let embedder = embedder
        .replace("sface_2021dec.onnx", "part.onnx")
        .replace("\"sface_2021dec\"", "\"part\"")
        .replace(sha256, &format!("sha256 = \"{}\"", sha256_hex(&content)));
    assert!(embedder.contains("id = \"part\"") && embedder.contains("part.onnx"));
    let manifest = format!("{before}{embedder}");
    std::fs::write(folder.path().join("manifest.toml"), manifest).expect("writes");
    let refused = |mut config: Config| {
        folder.path().clone_into(&mut config.models);
        "part".clone_into(&mut config.embedder);
        let models = ModelSet::select(&config).expect("nothing is wrong so far");
        let pipeline = models.pipeline(&Arc::new(config.pipeline.clone()));
        pipeline.err().expect("it was made")
    };
    // The CPU computes it, which is found out only by the golden faces.
    assert_says(&refused(on_cpu()), &["golden faces"]);
    let parts = ["provider openvino", "did not take the whole model part"];
    assert_says(&refused(config()), &parts);
}

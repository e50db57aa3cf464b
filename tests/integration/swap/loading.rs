//! A model that is not as it should be is not loaded, and what served before serves on.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use padan::app::App;
use padan::config::Config;
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::models_client::ModelsClient;
use padan::grpc::{self, proto};
use padan::model::Profile;
use tokio::net::TcpListener;
use tonic::Code;
use tonic::transport::Channel;

use super::{
    NEW, OLD, activate, contract_of, listed, load, patient, refusal, roll_back, start, unload,
};
use crate::support::{TestFolder, TestServer, assert_says, bad_fields, config, repository};

const MANIFEST: &str = "manifest.toml";

/// A folder of models like the repository's, for a test to spoil. The large files are links.
struct Models(TestFolder);

impl Models {
    fn new(name: &str) -> Self {
        let (folder, models) = (TestFolder::unique(name), repository().join("models"));
        for entry in [
            "yunet_2023mar.onnx",
            &format!("{OLD}.onnx"),
            &format!("{NEW}.onnx"),
            "golden",
        ] {
            symlink(models.join(entry), folder.path().join(entry)).expect("links");
        }
        std::fs::create_dir(folder.path().join("calibration")).expect("a folder");
        for file in [MANIFEST.to_owned(), calibration(OLD), calibration(NEW)] {
            std::fs::copy(models.join(&file), folder.path().join(&file)).expect("copies");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("readable")
    }

    /// Puts `content` in the place of a file, or of the link to one.
    fn write(&self, name: &str, content: &[u8]) {
        std::fs::remove_file(self.path(name)).expect("was there");
        std::fs::write(self.path(name), content).expect("writes");
    }

    /// The manifest with `from` replaced in the entry of the new model.
    fn manifest(&self, from: &str, to: &str) -> Vec<u8> {
        let text = String::from_utf8(self.read(MANIFEST)).expect("UTF-8");
        let at = text.find(&format!("id = \"{NEW}\"")).expect("its entry");
        let (before, entry) = text.split_at(at);
        assert!(entry.contains(from), "this test spoils nothing");
        format!("{before}{}", entry.replacen(from, to, 1)).into_bytes()
    }

    fn config(&self) -> Config {
        let mut config = config();
        config.calibration = self.path(&calibration(OLD));
        self.0.path().clone_into(&mut config.models);
        assert_eq!(config.profile, Profile::Production);
        config
    }
}

fn calibration(id: &str) -> String {
    format!("calibration/{id}.toml")
}

fn with_one_bit_flipped(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_not_as_it_should_be_leaves_the_server_serving() {
    let models = Models::new("swap-broken");
    let server = TestServer::start(&patient(models.config())).await;
    let file = format!("{NEW}.onnx");
    let commercial = models.manifest("commercial_use = true", "commercial_use = false");
    let golden = models.manifest("golden_similarity = 0.5", "golden_similarity = 0.4");
    let other = models.read(&calibration(OLD));
    let spoilt: [(&str, Vec<u8>, &[&str]); 6] = [
        (
            &file,
            with_one_bit_flipped(models.read(&file)),
            &["SHA-256", NEW],
        ),
        (&file, b"no model".to_vec(), &["SHA-256", NEW]),
        (MANIFEST, commercial, &["production profile", NEW]),
        (MANIFEST, golden, &["golden faces", NEW]),
        (&calibration(NEW), other, &["calibration was made for", OLD]),
        (
            &calibration(NEW),
            b"no calibration".to_vec(),
            &["malformed"],
        ),
    ];
    for (name, content, parts) in spoilt {
        let sound = models.read(name);
        models.write(name, &content);
        let refused = load(&server, NEW).await.expect_err("is refused");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
        assert_says(refused.message(), parts);
        assert_eq!(refusal::<()>(Err(refused)), "MODEL_REFUSED");
        assert_eq!(listed(&server).await.len(), 1);
        server.assert_well().await;
        models.write(name, &sound);
    }
    std::fs::remove_file(models.path(&calibration(NEW))).expect("was there");
    let refused = load(&server, NEW).await.expect_err("is refused");
    assert_says(refused.message(), &["cannot read the calibration", NEW]);
    let unknown = load(&server, "no_such_model")
        .await
        .expect_err("is refused");
    assert_eq!(unknown.code(), Code::InvalidArgument);
    assert_eq!(bad_fields(&unknown), ["id"]);
    assert_says(unknown.message(), &["no_such_model", OLD]);
    server.assert_well().await;
    // Nothing of all this keeps a sound one from being loaded.
    let from = repository().join("models").join(calibration(NEW));
    std::fs::copy(from, models.path(&calibration(NEW))).expect("copies");
    let loaded = load(&server, NEW).await.expect("is as it should be");
    let active = activate(&server, NEW, &contract_of(&loaded)).await;
    active.expect("is loaded");
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_this_machine_nobody_changes_models_without_a_certificate() {
    let config = config();
    let app = App::start(&config).expect("the app starts");
    let listener = TcpListener::bind(("0.0.0.0", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (server, served) = (config.server.clone(), app.served());
    let forever = std::future::pending();
    tokio::spawn(async move { grpc::serve(listener, &server, served, forever).await });
    let url = format!("http://127.0.0.1:{port}");
    let channel = Channel::from_shared(url).expect("a URL").connect().await;
    let channel = channel.expect("connects");
    let mut client = FaceVerificationClient::new(channel.clone());
    let info = client.get_service_info(proto::GetServiceInfoRequest {});
    info.await.expect("pairs are verified for everybody");
    let refused = ModelsClient::new(channel)
        .list_models(proto::ListModelsRequest {})
        .await;
    let refused = refused.expect_err("is not offered");
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_unloaded_when_nothing_needs_it() {
    let server = start().await;
    assert_eq!(refusal(unload(&server, OLD, true).await), "MODEL_IN_USE");
    assert_eq!(
        refusal(unload(&server, NEW, true).await),
        "MODEL_NOT_LOADED"
    );
    assert_eq!(refusal(roll_back(&server).await), "NO_PREVIOUS_MODEL");
    let loaded = load(&server, NEW).await.expect("loads");
    assert_eq!(loaded.lanes_alive, 2);
    assert_eq!(refusal(load(&server, NEW).await), "MODEL_LOADED");
    unload(&server, NEW, false).await.expect("nothing needs it");
    assert_eq!(listed(&server).await.len(), 1);
    let again = load(&server, NEW).await.expect("loads again");
    let active = activate(&server, NEW, &contract_of(&again)).await;
    active.expect("is loaded");
    assert_eq!(refusal(unload(&server, OLD, false).await), "MODEL_IN_USE");
    unload(&server, OLD, true).await.expect("may go");
    assert_eq!(refusal(roll_back(&server).await), "NO_PREVIOUS_MODEL");
    server.assert_well().await;
}

//! A server on a free port, a client, and the portraits.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use padan::app::App;
use padan::config::{Config, SharedArgs};
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::{self, Drained, ServeError, proto};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn portrait(name: &str) -> Bytes {
    let path = repository().join("tests/portraits").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

/// The default configuration with the repository's models and two lanes.
pub fn config() -> Config {
    let shared = SharedArgs {
        models: Some(repository().join("models")),
        ..SharedArgs::default()
    };
    let mut config = Config::load(&shared).expect("the defaults are valid; run `make setup`");
    config.engine.lanes = NonZeroUsize::new(2).expect("not zero");
    config
}

/// A running server. Dropping it without [`Self::stop`] leaves it to the test's end.
pub struct TestServer {
    pub url: String,
    pub app_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Drained, ServeError>>,
}

impl TestServer {
    pub async fn start(config: &Config) -> Self {
        let app = App::start(config).expect("the app starts");
        let scrape = app.scrape();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let server = config.server.clone();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            let verifier = Arc::clone(&app.verifier);
            grpc::serve(listener, &server, verifier, app.info, app.metrics, shutdown).await
        });
        Self {
            url: format!("http://{address}"),
            app_metrics: scrape,
            stop,
            task,
        }
    }

    pub async fn with_defaults() -> Self {
        Self::start(&config()).await
    }

    pub async fn client(&self) -> FaceVerificationClient<Channel> {
        FaceVerificationClient::connect(self.url.clone()).await.expect("connects")
    }

    /// Asks the server to stop; returns how it ended.
    pub async fn stop(self) -> Result<Drained, ServeError> {
        drop(self.stop);
        tokio::time::timeout(Duration::from_secs(60), self.task)
            .await
            .expect("the server ends")
            .expect("the server does not panic")
    }
}

pub fn sample(image: impl Into<Bytes>) -> proto::Sample {
    proto::Sample { image: image.into() }
}

pub fn verify_request(probe: impl Into<Bytes>, reference: impl Into<Bytes>) -> proto::VerifyRequest {
    proto::VerifyRequest {
        meta: None,
        probe: Some(sample(probe)),
        reference: Some(proto::verify_request::Reference::ReferenceSample(sample(reference))),
        policy: String::new(),
    }
}

pub fn assess_request(image: impl Into<Bytes>) -> proto::AssessCaptureRequest {
    proto::AssessCaptureRequest {
        meta: None,
        sample: Some(sample(image)),
        role: 0,
    }
}

/// The genuine pair: 2025 against 2014.
pub fn genuine() -> proto::VerifyRequest {
    verify_request(portrait("person_a_2.jpg"), portrait("person_a_1.jpg"))
}

/// The picture in a file of the portraits.
pub fn picture(name: &str) -> image::RgbImage {
    image::load_from_memory(&portrait(name)).expect("decodes").into_rgb8()
}

/// A picture as a file.
pub fn encode(picture: &image::RgbImage, format: image::ImageFormat) -> Bytes {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner().into()
}

pub fn jpeg(picture: &image::RgbImage) -> Bytes {
    encode(picture, image::ImageFormat::Jpeg)
}

/// A folder of its own that goes with the test.
pub struct TestFolder(PathBuf);

impl TestFolder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("padan-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

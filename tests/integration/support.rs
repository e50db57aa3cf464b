//! A server on a free port, a client, and the portraits.

pub mod batching;
pub mod postgres;
mod process;
pub mod records;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use padan::activation::Activation;
use padan::app::App;
use padan::config::{Config, SharedArgs};
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::{self, Drained, ServeError, proto};
use padan::model::{Manifest, ModelTask, OrtEmbedder, Profile, Runtime, YunetDetector};
use padan::sample::decode::ImageLimits;
use padan::sample::picture::Picture;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

pub use process::{ServerProcess, padan, run, spawn_server};

/// How long a test waits for what ought to come at once, on a machine that does much else.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// All portraits: two pairs of one person each, and two more people.
pub const PORTRAITS: [&str; 6] = [
    "person_a_1.jpg",
    "person_a_2.jpg",
    "person_b_1.jpg",
    "person_b_2.jpg",
    "impostor_1.jpg",
    "impostor_2.jpg",
];

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn portrait(name: &str) -> Bytes {
    let path = repository().join("tests/portraits").join(name);
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into()
}

/// The embedder in 32 bits: the one OpenCV has, and the one that runs in batches.
pub const FULL_PRECISION: &str = "sface_2021dec";

/// The default configuration with the repository's models and two lanes.
pub fn config() -> Config {
    config_with(SharedArgs::default())
}

/// The same with the embedder in 32 bits and its calibration.
pub fn full_precision() -> Config {
    config_with(SharedArgs {
        embedder: Some(FULL_PRECISION.to_owned()),
        ..SharedArgs::default()
    })
}

fn config_with(shared: SharedArgs) -> Config {
    let shared = SharedArgs {
        models: Some(repository().join("models")),
        ..shared
    };
    let mut config = Config::load(&shared).expect("the defaults are valid; run `make setup`");
    config.engine.lanes = NonZeroUsize::new(2).expect("not zero");
    config
}

/// A running server. Dropping it without [`Self::stop`] leaves it to the test's end.
pub struct TestServer {
    pub url: String,
    /// Where the configuration names a database.
    pub activation: Option<Arc<Activation>>,
    pub app_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<Drained, ServeError>>,
}

impl TestServer {
    pub async fn start(config: &Config) -> Self {
        let mut app = App::start(config).expect("the app starts");
        app.open_records(config).await.expect("the records open");
        let activation = app.activation().cloned();
        let scrape = app.scrape();
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let server = config.server.clone();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            let ended = grpc::serve(listener, &server, app.served(), shutdown).await;
            app.close_records().await;
            ended
        });
        Self {
            url: format!("http://{address}"),
            activation,
            app_metrics: scrape,
            stop,
            task,
        }
    }

    pub async fn with_defaults() -> Self {
        Self::start(&config()).await
    }

    pub async fn client(&self) -> FaceVerificationClient<Channel> {
        FaceVerificationClient::connect(self.url.clone())
            .await
            .expect("connects")
    }

    /// Asks the server to stop; returns how it ended.
    pub async fn stop(self) -> Result<Drained, ServeError> {
        drop(self.stop);
        tokio::time::timeout(WAIT_MAX, self.task)
            .await
            .expect("the server ends")
            .expect("the server does not panic")
    }
}

pub fn sample(image: impl Into<Bytes>) -> proto::Sample {
    proto::Sample {
        image: image.into(),
    }
}

pub fn verify_request(
    probe: impl Into<Bytes>,
    reference: impl Into<Bytes>,
) -> proto::VerifyRequest {
    proto::VerifyRequest {
        meta: None,
        probe: Some(sample(probe)),
        reference: Some(proto::verify_request::Reference::ReferenceSample(sample(
            reference,
        ))),
        ..Default::default()
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
    image::load_from_memory(&portrait(name))
        .expect("decodes")
        .into_rgb8()
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

    /// For a test of which several run at a time in this process.
    pub fn unique(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self::new(&format!("{name}-{number}"))
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

/// The repository's manifest and runtime, for tests that use a model directly.
fn models() -> (Runtime, Manifest) {
    let config = config();
    let runtime = Runtime::load(&config.runtime_library).expect("the library loads");
    let manifest = Manifest::read(&config.models).expect("the manifest is valid");
    (runtime, manifest)
}

/// The detector that the default configuration serves.
pub fn detector() -> YunetDetector {
    let (runtime, manifest) = models();
    let entry = manifest.select(&config().detector, ModelTask::Detector, Profile::Production);
    YunetDetector::load(&runtime, &manifest, entry.expect("is there")).expect("loads")
}

/// This embedder of the manifest.
pub fn embedder(id: &str) -> OrtEmbedder {
    let (runtime, manifest) = models();
    let entry = manifest.select(id, ModelTask::Embedder, Profile::Production);
    OrtEmbedder::load(&runtime, &manifest, entry.expect("is there")).expect("loads")
}

/// Bytes to pixels by padan's own decoder and default limits.
pub fn decoded(bytes: &[u8]) -> Picture {
    padan::sample::decode::decode(bytes, &ImageLimits::default()).expect("decodes")
}

/// The pixels of an `image` picture.
pub fn as_picture(image: &image::RgbImage) -> Picture {
    Picture::new(image.width(), image.height(), image.as_raw().clone()).expect("sizes agree")
}

/// A server that several tests share, with the default configuration. It has a runtime of its own,
/// since a test's runtime ends with the test.
pub struct SharedServer(OnceLock<(tokio::runtime::Runtime, TestServer)>);

impl SharedServer {
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub fn get(&self) -> &TestServer {
        let start = || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            let server = runtime.block_on(TestServer::with_defaults());
            (runtime, server)
        };
        // On a thread of its own: a runtime cannot block inside another one.
        let on_a_thread = || std::thread::spawn(start).join().expect("the server starts");
        &self.0.get_or_init(on_a_thread).1
    }
}

impl TestServer {
    /// A connection of its own.
    pub async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(self.url.clone());
        endpoint.expect("a URL").connect().await.expect("connects")
    }

    pub async fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel().await)
    }

    /// Verifies over a connection of its own.
    pub async fn verify(
        &self,
        request: impl tonic::IntoRequest<proto::VerifyRequest>,
    ) -> Result<proto::VerifyResponse, Status> {
        let answer = self.client().await.verify(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// A metric's value in a scrape; the name carries the labels, for example `a{b="c"}`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = (self.app_metrics)();
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Whatever was done to it, it serves: health says so, no lane crashed, a genuine pair matches.
    pub async fn assert_well(&self) {
        let request = HealthCheckRequest::default();
        let answer = self
            .health()
            .await
            .check(request)
            .await
            .expect("health answers");
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving);
        assert_eq!(self.metric("padan_lane_crashes_total"), Some(0.0));
        let answer = self
            .verify(genuine())
            .await
            .expect("a genuine pair is answered");
        assert_eq!(answer.decision(), proto::Decision::Match);
    }
}

/// The fields that an error's details name.
pub fn bad_fields(status: &Status) -> Vec<String> {
    let details = status.get_details_bad_request();
    let violations = details.map(|bad| bad.field_violations).unwrap_or_default();
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// The time after which an error's details say to try again.
pub fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

/// Waits until `holds` says so, at most a minute.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let polling = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(WAIT_MAX, polling).await;
    assert!(in_time.is_ok(), "within a minute: {what}");
}

/// Why an app of this configuration does not start.
pub fn refusal(config: &Config) -> String {
    match App::start(config) {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    }
}

/// Fails unless `text` says all of `parts`.
pub fn assert_says(text: &str, parts: &[&str]) {
    let missing: Vec<_> = parts.iter().filter(|part| !text.contains(**part)).collect();
    assert!(missing.is_empty(), "does not say {missing:?}: {text}");
}

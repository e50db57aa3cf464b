//! Real servers on loopback ports, in this process, and callers for them.
//!
//! Pairs and subjects go through `padan::grpc::serve`. Probes against a template in memory go
//! through a small service of the same generated trait, which hands the engine a template made
//! beforehand, behind the same door: what a stored reference costs is measured against it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use padan::access::Limiter;
use padan::access::RateLimits;
use padan::app::App;
use padan::audit::WriterId;
use padan::config::{Config, StoreConfig, TrailConfig};
use padan::embed::Template;
use padan::engine::Class;
use padan::grpc::proto::enrollment_client::EnrollmentClient;
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::face_verification_server::{FaceVerification, FaceVerificationServer};
use padan::grpc::{self, DoorLayer, proto, responses};
use padan::keys::KeySource;
use padan::store::{Location, Settings};
use padan::verify::{Reference, Urgency, Verifier, VerifyError, VerifyTask};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Server, server::TcpIncoming};
use tonic::{Request, Response, Status};

use super::drive::Call;
use super::models::Models;
use super::pictures;

const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Nobody waits longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a probe is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A photograph sent along.
    Pair,
    /// A template made beforehand.
    Template,
    /// The reference of a subject in SQLite, with consent, attempts, token and a durable entry.
    Subject,
}

impl Kind {
    /// Those that a server without records is measured with.
    pub const ALL: [Self; 2] = [Self::Template, Self::Pair];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair of photographs",
            Self::Template => "probe against template",
            Self::Subject => "probe against subject",
        }
    }

    /// For JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Template => "template",
            Self::Subject => "subject",
        }
    }
}

/// A server that serves until it is dropped.
pub struct BenchServer {
    kind: Kind,
    url: String,
    _stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Of its database and keys.
    _folder: Option<tempfile::TempDir>,
}

impl Drop for BenchServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl BenchServer {
    /// Starts a server of the default configuration.
    pub async fn start(models: &Models, kind: Kind) -> Self {
        let mut config = models.config.clone();
        let folder = (kind == Kind::Subject).then(|| with_records(&mut config));
        let app = tokio::task::block_in_place(|| App::start(&config));
        let mut app = app.expect("the app starts");
        app.open_records(&config).await.expect("the records open");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let config = config.server.clone();
        let task = match kind {
            Kind::Pair | Kind::Subject => tokio::spawn(async move {
                let served = grpc::serve(listener, &config, app.served(), shutdown);
                served.await.expect("serves");
            }),
            Kind::Template => {
                let verifier = app.verifier;
                let door = DoorLayer {
                    places: Arc::new(Semaphore::new(config.requests_max)),
                    verifier: Arc::clone(&verifier),
                    request_timeout: config.request_timeout,
                    message_bytes_max: MESSAGE_BYTES_MAX,
                    metrics: app.metrics,
                    directory: None,
                    limiter: Arc::new(Limiter::new(config.access.limits)),
                    records: None,
                };
                let template = reference_template(&verifier).await;
                let service = TemplateService { verifier, template };
                tokio::spawn(serve_template(listener, door, service, shutdown))
            }
        };
        Self {
            kind,
            url,
            _stop: stop,
            task,
            _folder: folder,
        }
    }

    /// Enrols the subject that callers of [`Kind::Subject`] verify.
    pub async fn enrol(&self) {
        let client = EnrollmentClient::connect(self.url.clone()).await;
        let request = proto::PutRequest {
            subject: Some(subject()),
            reference: Some(proto::put_request::Reference::Portrait(proto::Sample {
                image: pictures::reference(),
            })),
            source: proto::ReferenceSource::Registry.into(),
            ..Default::default()
        };
        let answer = client.expect("connects").put(request).await;
        let outcome = answer.expect("is answered").into_inner().outcome();
        assert_eq!(outcome, proto::EnrollmentOutcome::Done);
    }

    /// So many callers, each with a connection of its own.
    pub async fn callers(&self, number: usize) -> Vec<Caller> {
        let mut callers = Vec::with_capacity(number);
        for _ in 0..number {
            let client = FaceVerificationClient::connect(self.url.clone()).await;
            callers.push(Caller {
                client: client.expect("connects"),
                request: request(self.kind),
            });
        }
        callers
    }
}

/// A database and keys in a folder of their own, and limits that no bench reaches.
fn with_records(config: &mut Config) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    padan::keys::create_keys(&keys, OffsetDateTime::now_utc()).expect("keys");
    let writer = WriterId::new("bench").expect("a name");
    let location = Location::Sqlite(folder.path().join("padan.db"));
    config.store = Some(StoreConfig {
        database: Settings::new(location, writer),
        keys: vec![KeySource::Folder(keys)],
        trail: TrailConfig::beside(folder.path()),
    });
    config.limits.session_attempts_max = u32::MAX;
    config.limits.day_attempts_max = u32::MAX;
    let many = NonZeroU32::MAX;
    config.server.access.limits = RateLimits {
        caller: many,
        device: many,
        operator: many,
        subject: many,
    };
    folder
}

fn subject() -> proto::Subject {
    proto::Subject {
        nik: "3171014101909999".to_owned(),
    }
}

/// What a counter sends along.
fn circumstances(request: &mut proto::VerifyRequest) {
    request.context = Some(proto::VerificationContext {
        purpose: proto::Purpose::Activation.into(),
        channel: proto::Channel::Counter.into(),
        office: "3171".to_owned(),
        operator: "officer-7".to_owned(),
        device: "counter-2".to_owned(),
        session: String::new(),
    });
    request.consent = Some(proto::ConsentRecord {
        basis: proto::LegalBasis::Consent.into(),
        notice_version: "pemberitahuan-2026-03".to_owned(),
        given_at: Some(std::time::SystemTime::now().into()),
        ..Default::default()
    });
}

/// Another person's visit each time: a request id, a session and a consent of its own.
fn renew(request: &mut proto::VerifyRequest) {
    let id = uuid::Uuid::new_v4().to_string();
    if let (Some(context), Some(consent)) = (&mut request.context, &mut request.consent) {
        context.session.clone_from(&id);
        consent.id.clone_from(&id);
        request.meta = Some(proto::RequestMeta {
            request_id: id,
            ..Default::default()
        });
    }
}

fn request(kind: Kind) -> proto::VerifyRequest {
    let sample = |image| proto::Sample { image };
    let reference = || {
        let sample = sample(pictures::reference());
        proto::verify_request::Reference::ReferenceSample(sample)
    };
    let mut request = proto::VerifyRequest {
        meta: None,
        probe: Some(sample(pictures::selfie())),
        reference: match kind {
            Kind::Pair => Some(reference()),
            Kind::Template => None,
            Kind::Subject => Some(proto::verify_request::Reference::Subject(subject())),
        },
        ..Default::default()
    };
    if kind == Kind::Subject {
        circumstances(&mut request);
    }
    request
}

/// One connection, and the request it sends.
#[derive(Clone)]
pub struct Caller {
    client: FaceVerificationClient<Channel>,
    request: proto::VerifyRequest,
}

impl Caller {
    /// A caller that sends pairs over this connection.
    pub fn of_pairs(client: FaceVerificationClient<Channel>) -> Self {
        let request = request(Kind::Pair);
        Self { client, request }
    }
}

impl Call for Caller {
    async fn call(&mut self) -> Result<(), Status> {
        renew(&mut self.request);
        let mut request = Request::new(self.request.clone());
        request.set_timeout(TIMEOUT);
        let answer = self.client.verify(request).await?.into_inner();
        if answer.decision() == proto::Decision::Match {
            return Ok(());
        }
        // Speed counts only where the answer is right.
        Err(Status::internal(format!("decided {:?}", answer.decision())))
    }
}

async fn serve_template(
    listener: TcpListener,
    door: DoorLayer,
    service: TemplateService,
    shutdown: impl Future<Output = ()>,
) {
    let service = FaceVerificationServer::new(service);
    let served = Server::builder()
        .initial_stream_window_size(grpc::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(grpc::CONNECTION_WINDOW_BYTES)
        .layer(door)
        .add_service(service.max_decoding_message_size(MESSAGE_BYTES_MAX))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown,
        );
    served.await.expect("serves");
}

fn urgency() -> Urgency {
    Urgency {
        class: Class::Activation,
        deadline: Some(Instant::now() + TIMEOUT),
    }
}

async fn reference_template(verifier: &Verifier) -> Template {
    let task = VerifyTask {
        probe: pictures::selfie(),
        reference: Reference::Sample(pictures::reference()),
        policy: String::new(),
    };
    let verification = verifier.verify(task, urgency()).await.expect("a decision");
    let result = verification.reference.expect("a sample");
    result.template.expect("the reference is fit")
}

struct TemplateService {
    verifier: Arc<Verifier>,
    template: Template,
}

impl TemplateService {
    async fn decide(&self, probe: Bytes) -> Result<proto::VerifyResponse, VerifyError> {
        let task = VerifyTask {
            probe,
            reference: Reference::Template(self.template.clone()),
            policy: String::new(),
        };
        let verification = self.verifier.verify(task, urgency()).await?;
        Ok(responses::verify(String::new(), &verification))
    }
}

#[tonic::async_trait]
impl FaceVerification for TemplateService {
    async fn verify(
        &self,
        request: Request<proto::VerifyRequest>,
    ) -> Result<Response<proto::VerifyResponse>, Status> {
        let probe = request.into_inner().probe.unwrap_or_default();
        let decided = self.decide(probe.image).await;
        decided.map(Response::new).map_err(|error| match error {
            VerifyError::Busy { .. } => Status::resource_exhausted(error.to_string()),
            error => Status::internal(error.to_string()),
        })
    }

    async fn assess_capture(
        &self,
        _: Request<proto::AssessCaptureRequest>,
    ) -> Result<Response<proto::AssessCaptureResponse>, Status> {
        Err(Status::unimplemented("this service only verifies"))
    }

    async fn get_service_info(
        &self,
        _: Request<proto::GetServiceInfoRequest>,
    ) -> Result<Response<proto::GetServiceInfoResponse>, Status> {
        Err(Status::unimplemented("this service only verifies"))
    }
}

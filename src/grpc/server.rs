//! Bind, announce, serve, drain.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::admission::DoorLayer;
use super::audit::AuditService;
use super::enrollment::EnrollmentService;
use super::info::ServiceInfo;
use super::models::ModelsService;
use super::privacy::PrivacyService;
use super::proto::audit_server::AuditServer;
use super::proto::enrollment_server::EnrollmentServer;
use super::proto::models_server::ModelsServer;
use super::proto::privacy_server::PrivacyServer;
use super::proto::results_server::ResultsServer;
use super::proto::review_server::ReviewServer;
use super::proto::{self, face_verification_server::FaceVerificationServer};
use super::results::ResultsService;
use super::review::ReviewService;
use super::service::FaceVerificationService;
use crate::access::Limiter;
use crate::activation::Activation;
use crate::config::{CertifiedClients, ServerConfig, TlsFiles};
use crate::enrolment::Enrolment;
use crate::privacy::Privacy;
use crate::review::Reviews;
use crate::serving::Swap;
use crate::telemetry::Metrics;
use crate::trail::Trail;
use crate::verify::Verifier;

/// Streams on one connection.
pub const STREAMS_MAX: u32 = 256;

/// Flow-control windows: two selfies fit, so that a far client is not slowed by round trips.
pub const STREAM_WINDOW_BYTES: u32 = 512 * 1024;
/// The same for all streams of a connection together.
pub const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How often a silent connection is asked whether it lives, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Time for the last answers to leave the machine.
const ANSWER_FLUSH: Duration = Duration::from_millis(250);

/// How often readiness is looked at.
const READINESS_PERIOD: Duration = Duration::from_millis(250);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All requests in flight were answered.
    Clean,
    /// Some were cut off at the drain time-out.
    CutOff,
}

/// The server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A TLS file cannot be read.
    #[error("cannot read {path}: {cause}")]
    TlsFile {
        /// The file.
        path: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Everybody on a network could see and change the records.
    #[error(
        "the records are not served at {0}, beyond this machine, to clients without certificates: \
         set access.client_ca, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// The listener has no address any more.
    #[error("the listener has no address: {0}")]
    Listener(#[from] std::io::Error),
    /// TLS or the transport failed.
    #[error("the gRPC server failed: {0}")]
    Transport(String),
}

impl From<tonic::transport::Error> for ServeError {
    fn from(error: tonic::transport::Error) -> Self {
        // The outer text is "transport error"; the cause says what is wrong.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        Self::Transport(cause.unwrap_or_else(|| error.to_string()))
    }
}

/// What a server serves.
pub struct Served {
    /// Makes the decisions.
    pub verifier: Arc<Verifier>,
    /// Changes the models that it works on.
    pub swap: Arc<Swap>,
    /// Absent where no references are kept.
    pub kept: Option<Kept>,
    /// Says what runs.
    pub info: ServiceInfo,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// What a server that keeps references serves besides.
pub struct Kept {
    /// Verifies subjects.
    pub activation: Arc<Activation>,
    /// Enrols them.
    pub enrolment: Arc<Enrolment>,
    /// What they may ask for.
    pub privacy: Privacy,
    /// The queue of cases for a human.
    pub reviews: Reviews,
    /// The audit trail.
    pub trail: Arc<Trail>,
}

/// Serves on `listener` until `shutdown` is done, then answers what is in flight.
///
/// # Errors
/// When TLS cannot be set up, the listener fails, or records would be open to a network.
pub async fn serve(
    listener: TcpListener,
    config: &ServerConfig,
    served: Served,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Drained, ServeError> {
    check_exposure(&listener, config, &served)?;
    let mut builder = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE));
    if let Some(files) = &config.tls {
        builder = builder.tls_config(tls(files, config.access.certified.as_ref())?)?;
    }
    let door = door(config, &served);
    let (places, message_bytes_max) = (Arc::clone(&door.places), door.message_bytes_max);
    let models = models(&listener, config, &served)?;
    let Served {
        verifier,
        kept,
        info,
        metrics,
        ..
    } = served;
    let (reporter, health) = tonic_health::server::health_reporter();
    let service = FaceVerificationService {
        verifier: Arc::clone(&verifier),
        activation: kept.as_ref().map(|kept| Arc::clone(&kept.activation)),
        info,
        metrics: Arc::clone(&metrics),
    };
    let (stop, stopped) = watch::channel(false);
    let readiness = tokio::spawn(report_readiness(reporter, verifier, stopped.clone()));
    let mut until_stopped = stopped.clone();
    let verification =
        FaceVerificationServer::new(service).max_decoding_message_size(message_bytes_max);
    let router = builder.layer(door).add_service(verification);
    let router = match kept {
        Some(kept) => kept.add_to(router, metrics, message_bytes_max),
        None => router,
    };
    let router = match models {
        Some(models) => router.add_service(models.max_decoding_message_size(message_bytes_max)),
        None => router,
    };
    let router = router
        .add_service(health)
        .add_service(reflection()?.0)
        .add_service(reflection()?.1);
    let mut server = tokio::spawn(router.serve_with_incoming_shutdown(
        TcpIncoming::from(listener).with_nodelay(Some(true)),
        async move {
            // An error means that the sender is gone: stop as well.
            drop(until_stopped.wait_for(|stopped| *stopped).await);
        },
    ));
    let ended = tokio::select! {
        ended = &mut server => Some(ended),
        () = shutdown => None,
    };
    // Whoever watches health learns of the stop before connections close.
    stop.send_replace(true);
    drop(readiness.await);
    match ended {
        Some(ended) => ended_with(ended),
        None => drain(&mut server, &places, config).await,
    }
}

type Router =
    tonic::transport::server::Router<tower_layer::Stack<DoorLayer, tower_layer::Identity>>;

impl Kept {
    fn add_to(self, router: Router, metrics: Arc<Metrics>, message_bytes_max: usize) -> Router {
        let Self {
            activation,
            enrolment,
            privacy,
            reviews,
            trail,
        } = self;
        let results = ResultsServer::new(ResultsService { activation });
        let enrolment = EnrollmentServer::new(EnrollmentService { enrolment, metrics });
        let privacy = PrivacyServer::new(PrivacyService { privacy });
        let review = ReviewServer::new(ReviewService { reviews });
        let audit = AuditServer::new(AuditService::of(trail));
        router
            .add_service(results.max_decoding_message_size(message_bytes_max))
            .add_service(enrolment.max_decoding_message_size(message_bytes_max))
            .add_service(privacy.max_decoding_message_size(message_bytes_max))
            .add_service(review.max_decoding_message_size(message_bytes_max))
            .add_service(audit.max_decoding_message_size(message_bytes_max))
    }
}

/// The configuration was checked when it was read; this is the address that was really taken.
fn check_exposure(
    listener: &TcpListener,
    config: &ServerConfig,
    served: &Served,
) -> Result<(), ServeError> {
    if is_open(listener, config)? && served.kept.is_some() {
        return Err(ServeError::Exposed(listener.local_addr()?));
    }
    Ok(())
}

/// Whether everybody on a network may call.
fn is_open(listener: &TcpListener, config: &ServerConfig) -> Result<bool, ServeError> {
    let is_local = listener.local_addr()?.ip().is_loopback();
    Ok(config.access.certified.is_none() && !is_local)
}

/// The service that changes models; none where everybody on a network could.
fn models(
    listener: &TcpListener,
    config: &ServerConfig,
    served: &Served,
) -> Result<Option<ModelsServer<ModelsService>>, ServeError> {
    if is_open(listener, config)? {
        tracing::warn!(
            "models cannot be changed while this runs: clients beyond this machine are not asked \
             for certificates (access.client_ca)"
        );
        return Ok(None);
    }
    let swap = Arc::clone(&served.swap);
    Ok(Some(ModelsServer::new(ModelsService { swap })))
}

fn door(config: &ServerConfig, served: &Served) -> DoorLayer {
    let certified = config.access.certified.as_ref();
    let kept = served.kept.as_ref();
    DoorLayer {
        places: Arc::new(Semaphore::new(config.requests_max)),
        verifier: Arc::clone(&served.verifier),
        request_timeout: config.request_timeout,
        message_bytes_max: served.info.message_bytes_max(),
        metrics: Arc::clone(&served.metrics),
        directory: certified.map(|certified| Arc::new(certified.directory.clone())),
        limiter: Arc::new(Limiter::new(config.access.limits)),
        records: kept.map(|kept| Arc::clone(kept.activation.records())),
    }
}

type ServerTask = tokio::task::JoinHandle<Result<(), tonic::transport::Error>>;

/// Waits until every request in flight is answered. Streams are not waited for: those of health and
/// reflection stay open for as long as their clients like, and an import or a rotation of keys that
/// is cut off goes on where it was.
async fn drain(
    server: &mut ServerTask,
    places: &Semaphore,
    config: &ServerConfig,
) -> Result<Drained, ServeError> {
    let all = u32::try_from(config.requests_max).unwrap_or(u32::MAX);
    let answered = async {
        // The semaphore is never closed.
        drop(places.acquire_many(all).await);
        tokio::time::sleep(ANSWER_FLUSH).await;
    };
    let drained = tokio::select! {
        ended = &mut *server => return ended_with(ended),
        () = answered => Drained::Clean,
        () = tokio::time::sleep(config.drain_timeout) => Drained::CutOff,
    };
    server.abort();
    Ok(drained)
}

fn ended_with(
    ended: Result<Result<(), tonic::transport::Error>, tokio::task::JoinError>,
) -> Result<Drained, ServeError> {
    match ended {
        Ok(result) => Ok(result.map(|()| Drained::Clean)?),
        Err(panicked) => Err(ServeError::Transport(panicked.to_string())),
    }
}

fn tls(
    files: &TlsFiles,
    certified: Option<&CertifiedClients>,
) -> Result<ServerTlsConfig, ServeError> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).map_err(|cause| ServeError::TlsFile {
            path: path.display().to_string(),
            cause,
        })
    };
    let identity = Identity::from_pem(read(&files.certificate)?, read(&files.key)?);
    let tls = ServerTlsConfig::new().identity(identity);
    Ok(match certified {
        // Without such a certificate there is no connection.
        Some(certified) => tls.client_ca_root(Certificate::from_pem(read(&certified.ca)?)),
        None => tls,
    })
}

/// Reflection in both versions of its protocol: older clients know v1alpha only.
fn reflection() -> Result<
    (
        tonic_reflection::server::v1::ServerReflectionServer<
            impl tonic_reflection::server::v1::ServerReflection,
        >,
        tonic_reflection::server::v1alpha::ServerReflectionServer<
            impl tonic_reflection::server::v1alpha::ServerReflection,
        >,
    ),
    ServeError,
> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let failed = |error: tonic_reflection::server::Error| ServeError::Transport(error.to_string());
    Ok((
        builder().build_v1().map_err(failed)?,
        builder().build_v1alpha().map_err(failed)?,
    ))
}

/// Keeps health in step with readiness: serving while lanes work, not serving once stopped.
async fn report_readiness(
    reporter: HealthReporter,
    verifier: Arc<Verifier>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut announced = None;
    loop {
        let is_stopped = *stopped.borrow();
        let is_ready = !is_stopped && verifier.active().engine().lanes_alive() > 0;
        if announced != Some(is_ready) {
            let status = if is_ready {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            let service = proto::face_verification_server::SERVICE_NAME;
            reporter.set_service_status(service, status).await;
            reporter.set_service_status("", status).await;
            announced = Some(is_ready);
        }
        if is_stopped {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(READINESS_PERIOD) => {}
            _ = stopped.changed() => {}
        }
    }
}

//! The door: before a request's body is read, it gets a caller, a place and a deadline, or is
//! refused. A picture that no lane has room for is not worth receiving, nor one from somebody who
//! may not send it.
//!
//! Callers that may not call leave an entry in the trail. Those that call too often do not: they
//! could fill it.
//!
//! Holding the place until the answer bounds the memory that requests take together. Also the one
//! place that sees each answer, so it logs and counts them.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, http};
use tonic::{Code, Status};

use super::{certificate, deadline, status};
use crate::access::{self, Caller, Directory, Kind, Limiter, Method, Refusal};
use crate::audit::Text;
use crate::records::Records;
use crate::telemetry::{Metrics, RequestAnswered};
use crate::verify::Verifier;

/// The key of the metadata that narrows the caller of the development profile to one role.
const ROLE: &str = "padan-role";

/// When a place is likely to be free.
const NO_PLACE_RETRY: Duration = Duration::from_millis(200);

/// What the door tells the method.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Nobody waits after this.
    pub deadline: Instant,
    /// Filled by the method as soon as it knows the request's id, for the log.
    pub request_id: Arc<OnceLock<String>>,
}

/// Puts the door in front of services; all doors share the places.
#[derive(Clone)]
pub struct DoorLayer {
    /// Places for requests.
    pub places: Arc<Semaphore>,
    /// Says whether lanes have room.
    pub verifier: Arc<Verifier>,
    /// Longest time for a request.
    pub request_timeout: Duration,
    /// Most bytes of a message, for the error text.
    pub message_bytes_max: usize,
    /// Where answers are counted.
    pub metrics: Arc<Metrics>,
    /// Clients with certificates; none: the development profile.
    pub directory: Option<Arc<Directory>>,
    /// How often callers with certificates may call.
    pub limiter: Arc<Limiter>,
    /// Where refused calls leave their entries.
    pub records: Option<Arc<Records>>,
}

/// Why the door stays closed for a caller.
enum Closed {
    TooOften(Duration),
    Refused(Refusal),
}

impl DoorLayer {
    /// Who calls. Without certificates callers cannot be told apart, so that nobody is limited.
    fn caller(
        &self,
        request: &http::Request<Body>,
        method: &'static Method,
    ) -> Result<Caller, Closed> {
        let Some(directory) = &self.directory else {
            let role = request.headers().get(ROLE);
            let role = role.map(|role| role.to_str().unwrap_or_default());
            return access::development(role, method).map_err(Closed::Refused);
        };
        let name = certificate::common_name(request.extensions());
        // All that name nobody share one limit.
        let key = name.as_ref().map_or("", Text::as_str);
        let counted = self.limiter.check(Kind::Caller, key);
        counted.map_err(Closed::TooOften)?;
        let resolved = match &name {
            Some(name) => directory.resolve(name, method),
            None => Err(Refusal::UnreadableCertificate),
        };
        resolved.map_err(Closed::Refused)
    }

    /// When the queue is likely to have room for this method, if it has none now.
    fn no_room(&self, method: &Method) -> Option<Duration> {
        match method.samples(self.records.is_some()) {
            0 => None,
            samples => self.verifier.active().engine().no_room(samples),
        }
    }

    /// Answers with `status` at once.
    fn refuse<E: Send + 'static>(&self, status: Status, call: Call) -> Answer<E> {
        answered(&self.metrics, &call, status.code(), "");
        Box::pin(std::future::ready(Ok(status.into_http())))
    }

    /// Answers with the refusal as soon as its entry is durable, or cannot be.
    fn refuse_on_record<E: Send + 'static>(&self, refusal: &Refusal, call: Call) -> Answer<E> {
        let status = status::from_refusal(refusal);
        let Some(records) = &self.records else {
            return self.refuse(status, call);
        };
        // Entries that wait are bounded as requests are, and a stop waits for them.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.refuse(status::busy(NO_PLACE_RETRY), call);
        };
        let entry = records.refusal_entry(refusal, call.method);
        let (store, metrics) = (Arc::clone(records.store()), Arc::clone(&self.metrics));
        // A task of its own: hanging up does not keep the entry from being written.
        let written = tokio::spawn(async move {
            if let Err(error) = store.append(entry).await {
                tracing::error!(%error, "a refused call left no entry in the trail");
            }
            drop(place);
        });
        let written = tokio::time::timeout(self.request_timeout, written);
        Box::pin(async move {
            drop(written.await);
            answered(&metrics, &call, status.code(), "");
            Ok(status.into_http())
        })
    }
}

/// A call that arrived.
#[derive(Clone, Copy)]
struct Call {
    method: &'static Method,
    arrived: Instant,
}

impl<S> tower_layer::Layer<S> for DoorLayer {
    type Service = Door<S>;

    fn layer(&self, inner: S) -> Door<S> {
        Door {
            inner,
            layer: self.clone(),
        }
    }
}

/// The door in front of all services. Health and reflection pass freely.
#[derive(Clone)]
pub struct Door<S> {
    inner: S,
    layer: DoorLayer,
}

type Answer<E> = BoxFuture<http::Response<Body>, E>;

impl<S> tower_service::Service<http::Request<Body>> for Door<S>
where
    S: tower_service::Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Answer<S::Error> {
        let Some(method) = access::method(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        let arrived = Instant::now();
        let (layer, call) = (&self.layer, Call { method, arrived });
        let caller = match layer.caller(&request, method) {
            Ok(caller) => caller,
            Err(Closed::TooOften(wait)) => return layer.refuse(status::rate_limited(wait), call),
            Err(Closed::Refused(refusal)) => return layer.refuse_on_record(&refusal, call),
        };
        if let Some(retry_after) = layer.no_room(method) {
            return layer.refuse(status::busy(retry_after), call);
        }
        let Ok(place) = Arc::clone(&layer.places).try_acquire_owned() else {
            return layer.refuse(status::busy(NO_PLACE_RETRY), call);
        };
        let header = request
            .headers()
            .get("grpc-timeout")
            .and_then(|v| v.to_str().ok());
        let granted = deadline::granted(header, layer.request_timeout);
        if granted.is_zero() {
            // Nothing can be done in no time: it must not take a place in the queue.
            return layer.refuse(status::expired(), call);
        }
        let deadline = arrived + granted;
        let request_id = Arc::new(OnceLock::new());
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(Admitted {
            deadline,
            request_id: Arc::clone(&request_id),
        });
        let (metrics, message_bytes_max) = (Arc::clone(&layer.metrics), layer.message_bytes_max);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let result = tokio::time::timeout_at(deadline.into(), answer).await;
            drop(place);
            let response = match result {
                Ok(Ok(response)) => mend(response, message_bytes_max),
                Ok(Err(error)) => return Err(error),
                Err(_) => status::expired().into_http(),
            };
            let request_id = request_id.get().map_or("", String::as_str);
            answered(&metrics, &call, code_of(&response), request_id);
            Ok(response)
        })
    }
}

/// tonic answers `OUT_OF_RANGE` to a message over the limit; ours is `INVALID_ARGUMENT` that says
/// what to do. No method of ours uses `OUT_OF_RANGE`.
fn mend(response: http::Response<Body>, message_bytes_max: usize) -> http::Response<Body> {
    if code_of(&response) == Code::OutOfRange {
        let text = format!(
            "the message is larger than {message_bytes_max} bytes: crop or recompress the images"
        );
        return status::refused(Code::InvalidArgument, "MESSAGE_TOO_LARGE", &text).into_http();
    }
    response
}

/// The code of an answer; a successful one carries it at the end of its body.
fn code_of(response: &http::Response<Body>) -> Code {
    response
        .headers()
        .get("grpc-status")
        .map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

fn answered(metrics: &Metrics, call: &Call, code: Code, request_id: &str) {
    let event = RequestAnswered {
        method: call.method.name,
        code: status::code_name(code),
        request_id,
        took: call.arrived.elapsed(),
    };
    event.emit(metrics);
}

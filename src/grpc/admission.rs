//! The door: before a request's body is read, it gets a place and a deadline, or is refused. A
//! picture that no lane has room for is not worth receiving.
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

use super::deadline;
use super::status;
use crate::access::{self, Caller, Role};
use crate::audit::Text;
use crate::telemetry::{Metrics, RequestAnswered};
use crate::verify::Verifier;

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
}

impl DoorLayer {
    /// When the queue is likely to have room for this method, if it has none now.
    fn no_room(&self, method: &str) -> Option<Duration> {
        let samples = match method {
            "GetServiceInfo" => return None,
            "AssessCapture" => 1,
            // Only the body says whether it is a pair, and it mostly is.
            _ => 2,
        };
        self.verifier.engine().no_room(samples)
    }
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
        let Some(row) = access::method(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        let method = row.name;
        let arrived = Instant::now();
        let DoorLayer {
            places,
            request_timeout,
            message_bytes_max,
            metrics,
            ..
        } = self.layer.clone();
        let refuse = |refusal: Status| -> Self::Future {
            answered(&metrics, method, refusal.code(), "", arrived);
            Box::pin(std::future::ready(Ok(refusal.into_http())))
        };
        if let Some(retry_after) = self.layer.no_room(method) {
            return refuse(status::busy(retry_after));
        }
        let Ok(place) = places.try_acquire_owned() else {
            return refuse(status::busy(Duration::from_millis(200)));
        };
        let header = request
            .headers()
            .get("grpc-timeout")
            .and_then(|v| v.to_str().ok());
        let granted = deadline::granted(header, request_timeout);
        if granted.is_zero() {
            // Nothing can be done in no time: it must not take a place in the queue.
            return refuse(status::expired());
        }
        let deadline = arrived + granted;
        let request_id = Arc::new(OnceLock::new());
        request.extensions_mut().insert(Admitted {
            deadline,
            request_id: Arc::clone(&request_id),
        });
        request.extensions_mut().insert(Caller {
            name: Text::fitted("development"),
            role: Role::Backend,
            office: None,
            is_certified: false,
        });
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
            answered(&metrics, method, code_of(&response), request_id, arrived);
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
        return Status::invalid_argument(text).into_http();
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

fn answered(
    metrics: &Metrics,
    method: &'static str,
    code: Code,
    request_id: &str,
    arrived: Instant,
) {
    let event = RequestAnswered {
        method,
        code: status::code_name(code),
        request_id,
        took: arrived.elapsed(),
    };
    event.emit(metrics);
}

//! One call, from its moment to its answer.

use std::time::{Duration, Instant};

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::message::{Encoded, Message};
use crate::grpc::{code_name, proto};

const METHOD: &str = "/padan.v1.FaceVerification/Verify";

/// What a server that watches its deadlines gets to answer after one.
const GRACE: Duration = Duration::from_secs(1);

/// Characters of a server's message that are kept.
const TEXT_MAX: usize = 300;

/// A call that came to its end.
pub struct Call {
    /// When it was to be sent.
    pub scheduled: Instant,
    /// When it was sent.
    pub sent: Instant,
    /// When its answer was there.
    pub done: Instant,
    /// What came of it.
    pub answer: Answer,
}

/// What came of a call.
pub enum Answer {
    /// A decision, whichever.
    Ok(Box<Decided>),
    /// `RESOURCE_EXHAUSTED`: no capacity right now.
    Refused {
        /// After which time the server says to try again.
        retry_after: Option<Duration>,
    },
    /// Anything else.
    Failed {
        /// The gRPC code's name.
        code: &'static str,
        /// What the server or the transport said.
        text: String,
    },
}

/// What is kept of a response.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decided {
    /// Which decision.
    pub decision: proto::Decision,
    /// Where the time went.
    pub times: proto::StageTimes,
}

/// Sends `message` and waits for its answer, no longer than `deadline` and a grace.
pub(super) async fn call(
    channel: Channel,
    message: Message,
    deadline: Duration,
    scheduled: Instant,
) -> Call {
    let sent = Instant::now();
    let answered = tokio::time::timeout(deadline + GRACE, verify(channel, message, deadline));
    let answer = match answered.await {
        Ok(Ok(response)) => Answer::Ok(Box::new(Decided {
            decision: response.decision(),
            times: response.times.unwrap_or_default(),
        })),
        Ok(Err(status)) => from_status(&status, sent.elapsed() >= deadline),
        Err(_) => Answer::Failed {
            code: code_name(Code::DeadlineExceeded),
            text: "no answer within the deadline".to_owned(),
        },
    };
    Call {
        scheduled,
        sent,
        done: Instant::now(),
        answer,
    }
}

async fn verify(
    channel: Channel,
    message: Message,
    deadline: Duration,
) -> Result<proto::VerifyResponse, Status> {
    let mut client = Grpc::new(channel);
    let broken = |error: tonic::transport::Error| Status::unavailable(innermost(&error));
    client.ready().await.map_err(broken)?;
    let codec = Encoded::for_message(&message);
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    let path = PathAndQuery::from_static(METHOD);
    let response = client.unary(request, path, codec).await?;
    Ok(response.into_inner())
}

fn from_status(status: &Status, is_late: bool) -> Answer {
    let code = match status.code() {
        Code::ResourceExhausted => {
            let retry = status.get_details_retry_info();
            return Answer::Refused {
                retry_after: retry.and_then(|retry| retry.retry_delay),
            };
        }
        // tonic's own clock says so when the deadline passes here before an answer comes.
        Code::Cancelled if is_late => Code::DeadlineExceeded,
        // Nobody cancels here. With a cause it comes from the transport: the connection is lost.
        Code::Cancelled if std::error::Error::source(status).is_some() => Code::Unavailable,
        code => code,
    };
    let text = std::error::Error::source(status).map_or_else(|| plain(status.message()), innermost);
    Answer::Failed {
        code: code_name(code),
        text,
    }
}

/// What is at the bottom of an error: outer texts are of the kind "transport error".
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    plain(&error.to_string())
}

/// A text from elsewhere, fit for a terminal: no control characters, not long.
pub(super) fn plain(text: &str) -> String {
    let printable = text.chars().filter(|character| !character.is_control());
    printable.take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn the_method_is_the_contracts() {
        let service = proto::face_verification_server::SERVICE_NAME;
        assert_eq!(METHOD, format!("/{service}/Verify"));
    }

    #[test]
    fn only_no_capacity_is_a_refusal() {
        for code in 1..=16 {
            let status = Status::new(Code::from_i32(code), "text");
            let is_refusal = matches!(from_status(&status, false), Answer::Refused { .. });
            assert_eq!(is_refusal, status.code() == Code::ResourceExhausted);
        }
    }

    #[test]
    fn a_refusal_carries_the_servers_delay() {
        let delay = Duration::from_millis(250);
        let details = ErrorDetails::with_retry_info(Some(delay));
        let status = Status::with_error_details(Code::ResourceExhausted, "full", details);
        let Answer::Refused { retry_after } = from_status(&status, false) else {
            panic!("is a refusal");
        };
        assert_eq!(retry_after, Some(delay));
    }

    #[test]
    fn a_late_cancellation_is_a_passed_deadline() {
        for (is_late, expected) in [(true, "DEADLINE_EXCEEDED"), (false, "CANCELLED")] {
            let status = Status::cancelled("Timeout expired");
            let Answer::Failed { code, .. } = from_status(&status, is_late) else {
                panic!("is a failure");
            };
            assert_eq!(code, expected);
        }
    }

    #[test]
    fn a_cancellation_by_the_transport_is_a_lost_connection() {
        let mut status = Status::cancelled("operation was canceled");
        status.set_source(std::sync::Arc::new(std::io::Error::other(
            "connection closed",
        )));
        let Answer::Failed { code, text } = from_status(&status, false) else {
            panic!("is a failure");
        };
        assert_eq!((code, text.as_str()), ("UNAVAILABLE", "connection closed"));
    }

    #[test]
    fn texts_of_a_server_are_fit_for_a_terminal() {
        let text = format!("\u{1b}[31mred\n{}", "a".repeat(1000));
        let plain = plain(&text);
        assert!(plain.starts_with("[31mreda") && plain.chars().count() == TEXT_MAX);
    }
}

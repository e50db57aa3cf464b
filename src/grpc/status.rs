//! Errors to gRPC statuses with rich details: what is wrong, in which field, when to retry.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::access::Refusal;
use crate::activation::{ActivationError, RedeemError};
use crate::enrolment::EnrolmentError;
use crate::keys::WrapError;
use crate::records::RecordsError;
use crate::sample::SampleRole;
use crate::store::StoreError;
use crate::token::TokenError;
use crate::verify::VerifyError;

/// `ErrorInfo.domain` of all errors.
const DOMAIN: &str = "padan.v1";

/// When the database is likely to answer again.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// A field of a request and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `probe.image`.
    pub field: &'static str,
    /// What is wrong and what to do.
    pub description: String,
}

/// Names of the image fields of one method, by role.
#[derive(Debug, Clone, Copy)]
pub struct ImageFields {
    /// Field of the probe.
    pub probe: &'static str,
    /// Field of the reference.
    pub reference: &'static str,
}

/// `INVALID_ARGUMENT` naming every bad field.
#[must_use]
pub fn invalid(violations: Vec<Violation>) -> Status {
    let message = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description))
        .collect::<Vec<_>>()
        .join("; ");
    let mut details = error_info("INVALID_REQUEST");
    for Violation { field, description } in violations {
        details.add_bad_request_violation(field, description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// `RESOURCE_EXHAUSTED` with `RetryInfo`.
#[must_use]
pub fn busy(retry_after: Duration) -> Status {
    let milliseconds = retry_after.as_millis();
    let message = format!("no capacity now; try again in {milliseconds} ms");
    later(Code::ResourceExhausted, "BUSY", &message, retry_after)
}

/// `RESOURCE_EXHAUSTED` with `RetryInfo` for a caller that calls too often; others may go on.
#[must_use]
pub fn rate_limited(retry_after: Duration) -> Status {
    // Not before it can succeed.
    let milliseconds = retry_after.as_millis().saturating_add(1);
    let message = format!("too many calls a minute; try again in {milliseconds} ms");
    later(
        Code::ResourceExhausted,
        "RATE_LIMITED",
        &message,
        retry_after,
    )
}

/// A call that its caller may not make.
#[must_use]
pub fn from_refusal(refusal: &Refusal) -> Status {
    let code = match refusal {
        Refusal::UnreadableCertificate | Refusal::UnknownCertificate(_) => Code::Unauthenticated,
        Refusal::RoleNotAllowed { .. } => Code::PermissionDenied,
        Refusal::UnknownRole => Code::InvalidArgument,
    };
    Status::with_error_details(code, refusal.to_string(), error_info(refusal.reason()))
}

/// `DEADLINE_EXCEEDED`.
#[must_use]
pub fn expired() -> Status {
    // Where records are kept, the answer may be there soon after.
    let message = "the deadline passed before an answer was ready: ask again, with the same \
                   request id where there is one";
    Status::with_error_details(Code::DeadlineExceeded, message, error_info("EXPIRED"))
}

/// The one translation of domain errors; a new variant forces a decision here.
#[must_use]
pub fn from_error(error: &VerifyError, fields: ImageFields) -> Status {
    match error {
        VerifyError::UnknownPolicy { .. } => invalid(vec![Violation {
            field: "policy",
            description: error.to_string(),
        }]),
        VerifyError::Image { role, cause } => invalid(vec![Violation {
            field: match role {
                SampleRole::Probe => fields.probe,
                SampleRole::Reference => fields.reference,
            },
            description: cause.to_string(),
        }]),
        VerifyError::Busy { retry_after } => busy(*retry_after),
        VerifyError::Expired => expired(),
        VerifyError::Closed => {
            let message = "the server is shutting down, or its accelerator failed; ask another one";
            Status::with_error_details(Code::Unavailable, message, error_info("CLOSED"))
        }
        VerifyError::Internal(cause) => internal(cause),
    }
}

/// Errors of a verification by NIK.
#[must_use]
pub fn from_activation(error: &ActivationError, fields: ImageFields) -> Status {
    match error {
        ActivationError::Verify(error) => from_error(error, fields),
        ActivationError::Records(error) => from_records(error),
        ActivationError::TooOften { retry_after } => rate_limited(*retry_after),
        ActivationError::OtherBody => other_body(&error.to_string()),
        ActivationError::Overtaken => {
            later(Code::Aborted, "OVERTAKEN", &error.to_string(), STORE_RETRY)
        }
        ActivationError::ReplyGone => {
            refused(Code::FailedPrecondition, "ANSWER_GONE", &error.to_string())
        }
        ActivationError::Internal(cause) => internal(cause),
    }
}

/// Errors of redeeming a result token.
#[must_use]
pub fn from_redeem(error: &RedeemError) -> Status {
    match error {
        RedeemError::Records(error) => from_records(error),
        RedeemError::Token(TokenError::Malformed) => invalid(vec![Violation {
            field: "result_token",
            description: error.to_string(),
        }]),
        RedeemError::OtherOffice => {
            refused(Code::PermissionDenied, error.name(), &error.to_string())
        }
        RedeemError::Token(
            TokenError::Altered
            | TokenError::Expired
            | TokenError::OtherDevice
            | TokenError::NotYetValid,
        )
        | RedeemError::Used => refused(Code::FailedPrecondition, error.name(), &error.to_string()),
    }
}

/// Errors of enrolment.
#[must_use]
pub fn from_enrolment(error: &EnrolmentError) -> Status {
    const FIELDS: ImageFields = ImageFields {
        probe: "portrait.image",
        reference: "portrait.image",
    };
    match error {
        EnrolmentError::Verify(error) => from_error(error, FIELDS),
        EnrolmentError::Records(error) => from_records(error),
        EnrolmentError::Dimension { .. } => invalid(vec![Violation {
            field: "template.template",
            description: error.to_string(),
        }]),
        EnrolmentError::OtherBody => other_body(&error.to_string()),
        EnrolmentError::Contended => {
            later(Code::Aborted, "CONTENDED", &error.to_string(), STORE_RETRY)
        }
        EnrolmentError::Abandoned => Status::cancelled(error.to_string()),
        EnrolmentError::Internal(cause) => internal(cause),
    }
}

/// Errors of the database and of the keys.
#[must_use]
pub fn from_records(error: &RecordsError) -> Status {
    match error {
        RecordsError::Store(error) => from_store(error),
        RecordsError::Wrap(WrapError::Service { .. }) => {
            tracing::error!(%error, "the key service failed");
            let message = "the key service cannot be used now; ask again";
            later(Code::Unavailable, "KEY_SERVICE", message, STORE_RETRY)
        }
        RecordsError::Wrap(
            WrapError::UnknownMasterKey(_)
            | WrapError::DoesNotUnwrap(_)
            | WrapError::NoRandomness(_),
        )
        | RecordsError::Seal(_)
        | RecordsError::Template(_)
        | RecordsError::OtherNikKey { .. }
        | RecordsError::MasterKeyMissing(_) => internal(&error.to_string()),
    }
}

/// A failure of the store. What the database is and where it lies is for the log.
#[must_use]
pub fn from_store(error: &StoreError) -> Status {
    let message = match error {
        StoreError::Busy => return busy(STORE_RETRY),
        StoreError::Unknown => {
            "whether it was done is not known: ask again, with the same request id where there is one"
        }
        StoreError::Full => {
            "the database's disk is full or fails; nothing was done: free space on it, then ask again"
        }
        StoreError::Unavailable(_)
        | StoreError::TimedOut
        | StoreError::Conflict
        | StoreError::Closed => "the database cannot be used now; nothing was done, try again",
        StoreError::Damaged(_)
        | StoreError::Schema(_)
        | StoreError::Settings(_)
        | StoreError::Refused(_)
        | StoreError::Entry(_)
        | StoreError::Internal(_)
        | StoreError::NoPartition(_) => return internal(&error.to_string()),
    };
    tracing::error!(%error, "the store failed");
    later(Code::Unavailable, "STORE", message, STORE_RETRY)
}

/// A refusal that says when to try again.
fn later(code: Code, reason: &str, message: &str, after: Duration) -> Status {
    let mut details = error_info(reason);
    details.set_retry_info(Some(after));
    Status::with_error_details(code, message, details)
}

/// A refusal that names its reason for programs.
#[must_use]
pub fn refused(code: Code, reason: &str, message: &str) -> Status {
    Status::with_error_details(code, message, error_info(reason))
}

/// `ALREADY_EXISTS`: the request id was used for another body.
#[must_use]
pub fn other_body(message: &str) -> Status {
    refused(Code::AlreadyExists, "REQUEST_ID_USED", message)
}

/// `INTERNAL`. The cause is for the log: callers cannot act on it.
#[must_use]
pub fn internal(cause: &str) -> Status {
    tracing::error!(cause, "a request failed");
    let message = "padan failed on this request; its log says why";
    Status::with_error_details(Code::Internal, message, error_info("INTERNAL"))
}

fn error_info(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, [])
}

/// A status code by the name the protocol gives it.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::decode::DecodeError;

    const FIELDS: ImageFields = ImageFields {
        probe: "probe.image",
        reference: "reference_sample.image",
    };

    #[test]
    fn every_error_has_its_code_and_details() {
        let image = |role| VerifyError::Image {
            role,
            cause: DecodeError::Empty,
        };
        let retry_after = Duration::from_millis(250);
        let policy = VerifyError::UnknownPolicy {
            policy: "x".to_owned(),
        };
        let cases = [
            (policy, Code::InvalidArgument, Some("policy")),
            (
                image(SampleRole::Probe),
                Code::InvalidArgument,
                Some("probe.image"),
            ),
            (
                image(SampleRole::Reference),
                Code::InvalidArgument,
                Some("reference_sample.image"),
            ),
            (
                VerifyError::Busy { retry_after },
                Code::ResourceExhausted,
                None,
            ),
            (VerifyError::Expired, Code::DeadlineExceeded, None),
            (VerifyError::Closed, Code::Unavailable, None),
            (
                VerifyError::Internal("secret".to_owned()),
                Code::Internal,
                None,
            ),
        ];
        for (error, code, field) in cases {
            let status = from_error(&error, FIELDS);
            let details = status.get_error_details();
            assert_eq!(status.code(), code);
            assert!(!status.message().contains("secret"));
            assert_eq!(details.error_info().expect("has info").domain, DOMAIN);
            let named = details
                .bad_request()
                .map(|bad| bad.field_violations[0].field.clone());
            assert_eq!(named.as_deref(), field);
            let retry = details.retry_info().and_then(|info| info.retry_delay);
            assert_eq!(retry.is_some(), code == Code::ResourceExhausted);
        }
    }
}

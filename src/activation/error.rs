//! Why a verification by NIK has no decision.

use crate::keys::SealError;
use crate::records::RecordsError;
use crate::store::StoreError;
use crate::token::ClaimsError;
use crate::verify::VerifyError;

/// A verification by NIK that has no decision, or none that anybody may be told.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// No comparison came about.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The device, the operator or the subject is named in too many calls.
    #[error("too many calls of this device, by this operator or about this person")]
    TooOften {
        /// When one may come again.
        retry_after: std::time::Duration,
    },
    /// The request id was used for another request.
    #[error("this request id was used for another request: give each request an id of its own")]
    OtherBody,
    /// The subject changed again and again while it was verified.
    #[error("the subject's records changed while it was verified: try again")]
    Overtaken,
    /// The request was answered before, and the subject was erased or enrolled anew since.
    #[error("this request was answered before, and the answer went with the subject's key")]
    ReplyGone,
    /// padan broke.
    #[error("{0}")]
    Internal(String),
}

impl ActivationError {
    /// The reason that the entry of this refused call says; none when nothing was looked up, the
    /// records cannot be written, or the call was answered before.
    pub(super) const fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Verify(VerifyError::UnknownPolicy { .. })
            | Self::TooOften { .. }
            | Self::ReplyGone
            | Self::Records(RecordsError::Store(_)) => None,
            Self::Verify(VerifyError::Image { .. }) => Some("IMAGE_REFUSED"),
            Self::Verify(VerifyError::Busy { .. }) => Some("NO_CAPACITY"),
            Self::Verify(VerifyError::Expired) => Some("EXPIRED"),
            Self::Verify(VerifyError::Closed) => Some("STOPPING"),
            Self::Verify(VerifyError::Internal(_)) | Self::Internal(_) => Some("FAILED"),
            Self::Records(_) => Some("RECORDS_DO_NOT_OPEN"),
            Self::OtherBody => Some("REQUEST_ID_USED"),
            Self::Overtaken => Some("OVERTAKEN"),
        }
    }

    pub(super) fn unknown_policy(policy: &str) -> Self {
        let policy = policy.to_owned();
        Self::Verify(VerifyError::UnknownPolicy { policy })
    }
}

impl From<StoreError> for ActivationError {
    fn from(error: StoreError) -> Self {
        Self::Records(error.into())
    }
}

impl From<SealError> for ActivationError {
    fn from(error: SealError) -> Self {
        Self::Records(error.into())
    }
}

impl From<ClaimsError> for ActivationError {
    fn from(error: ClaimsError) -> Self {
        Self::Internal(error.to_string())
    }
}

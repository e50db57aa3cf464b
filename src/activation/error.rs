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
    /// The id of the consent belongs to another consent.
    #[error("this id of a consent belongs to another consent: give each consent an id of its own")]
    OtherConsent,
    /// The request was answered before, and the subject was erased or enrolled anew since.
    #[error("this request was answered before, and the answer went with the subject's key")]
    ReplyGone,
    /// padan broke.
    #[error("{0}")]
    Internal(String),
}

impl ActivationError {
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

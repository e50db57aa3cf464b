//! Why a change of references did not come about.

use crate::records::RecordsError;
use crate::store::StoreError;
use crate::verify::VerifyError;

/// Nothing was changed, or nobody knows whether it became durable ([`StoreError::Unknown`]).
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The portrait was not worked on.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// A template that does not fit its contract.
    #[error("the template has {found} numbers, and those of its contract have {expected}")]
    Dimension {
        /// As sent.
        found: usize,
        /// As served.
        expected: usize,
    },
    /// The request id was used for another request.
    #[error("this request id was used for another request: give each request an id of its own")]
    OtherBody,
    /// Others changed the same subject all the time.
    #[error("the subject is being changed by others: try again")]
    Contended,
    /// Whoever asked is gone.
    #[error("nobody listens any more")]
    Abandoned,
    /// padan broke.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for EnrolmentError {
    fn from(error: StoreError) -> Self {
        Self::Records(error.into())
    }
}

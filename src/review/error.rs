//! Why the queue did not do what it was asked.

use crate::keys::SealError;
use crate::store::StoreError;
use crate::token::ClaimsError;

/// Why the queue did not do what it was asked. Nothing was decided, or nobody knows: asked again
/// with the same id, the same is decided at most once.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Refused; that is in the trail.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request id was used for another request.
    #[error("this request id was used for another request: give each request an id of its own")]
    OtherBody,
    /// padan broke.
    #[error("{0}")]
    Internal(String),
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller's certificate is another office's.
    #[error("this caller does not act for this office: name the office of the certificate")]
    OtherOffice,
    /// Nothing was decided under that request id.
    #[error(
        "this caller has no decision under that request id in this office, or it is too old: \
         verify again"
    )]
    NoDecision,
    /// A decision that needs no human.
    #[error(
        "a human looks at non-matches, reviews and suspected attacks: act on this decision as its \
         reasons say"
    )]
    NotForReview,
    /// There is no such case.
    #[error("this office has no such case: ask for the next one")]
    NoCase,
    /// The second person is missing.
    #[error("who captured may not decide: another officer has to")]
    SamePerson,
    /// Another reviewer has it.
    #[error("another reviewer has this case: ask for the next one")]
    TakenByOther,
    /// It was decided.
    #[error("this case was decided before: ask for the next one")]
    DecidedBefore,
}

impl Refusal {
    /// All refusals.
    pub const ALL: [Self; 7] = [
        Self::OtherOffice,
        Self::NoDecision,
        Self::NotForReview,
        Self::NoCase,
        Self::SamePerson,
        Self::TakenByOther,
        Self::DecidedBefore,
    ];

    /// Its name in the trail and for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherOffice => "OTHER_OFFICE",
            Self::NoDecision => "NO_DECISION",
            Self::NotForReview => "NOT_FOR_REVIEW",
            Self::NoCase => "NO_CASE",
            Self::SamePerson => "SAME_PERSON",
            Self::TakenByOther => "TAKEN_BY_OTHER",
            Self::DecidedBefore => "DECIDED_BEFORE",
        }
    }
}

impl From<SealError> for ReviewError {
    fn from(error: SealError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<ClaimsError> for ReviewError {
    fn from(error: ClaimsError) -> Self {
        Self::Internal(error.to_string())
    }
}

//! What is known before a comparison, asked in one go.

use super::consents::{self, Consent, Standing};
use super::decisions::{self, Attempts};
use super::error::StoreError;
use super::requests::{self, RequestKey, Stored};
use super::sql::Pool;
use super::subjects::{self, Reference, Subject};

pub use super::subjects::CONTRACTS_MAX;

/// What a verification asks before it compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The request.
    pub request: RequestKey,
    /// Keyed digest of its body.
    pub body_digest: [u8; 32],
    /// The consent it rests on, with whose it is.
    pub consent: Consent,
    /// The session, as [`super::Attempt::session`].
    pub session: String,
    /// The day, as [`super::Attempt::day`].
    pub day: i64,
    /// Of which models and preprocessings the reference may be: the first of them that the subject
    /// has one of. At least one, at most [`CONTRACTS_MAX`].
    pub contracts: Vec<String>,
}

/// The answers. Only [`super::Store::commit`] holds what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What was answered to the request before; none when it is new.
    pub stored: Option<Stored>,
    /// How the consent stands.
    pub standing: Standing,
    /// The comparisons counted so far.
    pub attempts: Attempts,
    /// The subject, and its reference, sealed, when there is one.
    pub subject: Option<(Subject, Option<Reference>)>,
}

/// Asks.
pub(super) async fn known(pool: &Pool, question: &Question) -> Result<Known, StoreError> {
    let subject = question.consent.subject;
    let [request, standing, attempts, found] = pool
        .four_rows([
            requests::asking(&question.request),
            consents::asking(&question.consent),
            decisions::asking_attempts(&question.session, subject, question.day),
            subjects::asking_first(subject, &question.contracts)?,
        ])
        .await?;
    let stored = request.map(|row| Stored::read(&row, &question.body_digest));
    let found = found.map(|row| subjects::found_first(&row, &question.contracts));
    Ok(Known {
        stored: stored.transpose()?,
        standing: consents::standing_of(&standing.ok_or_else(StoreError::no_row)?)?,
        attempts: Attempts::read(&attempts.ok_or_else(StoreError::no_row)?)?,
        subject: found.transpose()?,
    })
}

//! Decisions, attempts and the use of result tokens.

use async_trait::async_trait;

use super::chain::{Position, Write};
use super::consents::{self, Consent, Recorded};
use super::error::StoreError;
use super::group::Change;
use super::requests::{Claim, RequestKey, Stored};
use super::reviews::{self, NewReview};
use super::sql::{Row, Statement, values};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// What a decision leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    /// Its entry in the audit trail.
    pub entry: Entry,
    /// The reply, sealed, for the same request asked again.
    pub reply: Vec<u8>,
    /// The case for a human, when there is one.
    pub review: Option<NewReview>,
}

/// A comparison to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The session, by a name of its own among all callers'.
    pub session: String,
    /// Comparisons of a session at most.
    pub session_max: u32,
    /// Whose comparison.
    pub subject: SubjectHash,
    /// The day it counts for, in days since 1970 of the office's calendar.
    pub day: i64,
    /// Comparisons of a subject a day at most.
    pub day_max: u32,
}

/// A reference that a decision rests on, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// When the key was made that opened it, as [`super::Subject::keyed_us`].
    pub keyed_us: i64,
    /// Its contract.
    pub contract_id: String,
    /// As [`super::Reference::row_version`].
    pub row_version: u64,
}

/// A decision to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// The request it answers.
    pub request: RequestKey,
    /// Keyed digest of the request's body.
    pub body_digest: [u8; 32],
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The comparison, when there was one.
    pub attempt: Option<Attempt>,
    /// The consent it rests on: recorded with it unless it was before.
    pub consent: Option<Consent>,
    /// The reference that was opened: it must still be there, and its subject active with the same
    /// key. None when no reference was opened.
    pub opened: Option<Opened>,
    /// What the decision leaves behind.
    pub effects: Effects,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is durable, with its entry there.
    Committed(Position),
    /// A limit of attempts was reached. Nothing was written or counted: decide without comparing.
    AttemptsExceeded,
    /// The same request was answered before: that is its sealed reply. Nothing was written.
    Repeated(Vec<u8>),
    /// The id was used for another body. Nothing was written.
    OtherBody,
    /// The subject was erased, blocked or enrolled anew since it was read, its reference was
    /// replaced or removed, or the consent was withdrawn. Nothing was written: decide again.
    Stale,
}

/// Comparisons counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Of the session.
    pub session: u64,
    /// Of the subject on the day.
    pub day: u64,
}

/// A result token to be used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// The token's 128 random bits.
    pub nonce: [u8; 16],
    /// When the token expires, in microseconds since 1970, UTC: afterwards its use need not be
    /// remembered.
    pub expiry_us: i64,
    /// The entry when this is the first use.
    pub redeemed: Entry,
    /// The entry when it is not.
    pub refused: Entry,
}

/// What became of a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedeemOutcome {
    /// The first use.
    Redeemed(Position),
    /// The token was used before.
    UsedBefore(Position),
}

impl DecisionRecord {
    /// Whether what was read of the subject still holds; it then does until the end of the
    /// transaction.
    async fn subject_stands(&self, write: &mut Write) -> Result<bool, StoreError> {
        match (self.subject(), &self.opened) {
            (Some(subject), Some(opened)) => write.holds(subject, opened).await,
            _ => Ok(true),
        }
    }

    /// Records the consent and counts the attempt, both or neither. What keeps it from that is
    /// returned.
    async fn use_up(&self, write: &mut Write) -> Result<Option<CommitOutcome>, StoreError> {
        let recorded = match &self.consent {
            Some(consent) => consents::record(consent, write).await?,
            None => Recorded::Before,
        };
        if recorded == Recorded::DoesNotHold {
            return Ok(Some(CommitOutcome::Stale));
        }
        let counted = match &self.attempt {
            Some(attempt) => count(attempt, self.at_us, write).await?,
            None => true,
        };
        if counted {
            return Ok(None);
        }
        if let (Recorded::Now, Some(consent)) = (recorded, &self.consent) {
            consents::remove(consent, write).await?;
        }
        Ok(Some(CommitOutcome::AttemptsExceeded))
    }

    fn claim(&self) -> Claim {
        Claim {
            request: self.request.clone(),
            body_digest: self.body_digest,
            reply: self.effects.reply.clone(),
            at_us: self.at_us,
        }
    }
}

#[async_trait]
impl Change for DecisionRecord {
    type Outcome = CommitOutcome;

    fn subject(&self) -> Option<SubjectHash> {
        self.effects.entry.subject
    }

    async fn apply(&self, write: &mut Write) -> Result<CommitOutcome, StoreError> {
        let claim = self.claim();
        if let Some(stored) = claim.take(write).await? {
            return Ok(match stored {
                Stored::Reply(reply) => CommitOutcome::Repeated(reply),
                Stored::OtherBody => CommitOutcome::OtherBody,
            });
        }
        let hindered = if self.subject_stands(write).await? {
            self.use_up(write).await?
        } else {
            Some(CommitOutcome::Stale)
        };
        if let Some(outcome) = hindered {
            claim.give_back(write).await?;
            return Ok(outcome);
        }
        let position = leave(&self.effects, &self.request, write).await?;
        Ok(CommitOutcome::Committed(position))
    }
}

/// Counts an attempt. False when a limit is reached; nothing is counted then.
async fn count(attempt: &Attempt, at_us: i64, write: &mut Write) -> Result<bool, StoreError> {
    // An update locks the row, so that nobody counts between the check and the count.
    const SESSION: &str = "INSERT INTO session_attempts (session, attempts, updated_us)
        SELECT $1, 1, $3 WHERE $2 > 0
        ON CONFLICT (session) DO UPDATE
        SET attempts = session_attempts.attempts + 1, updated_us = $3
        WHERE session_attempts.attempts < $2";
    const DAY: &str = "INSERT INTO subject_attempts (subject, day, attempts)
        SELECT $1, $2, 1 WHERE $3 > 0
        ON CONFLICT (subject, day) DO UPDATE
        SET attempts = subject_attempts.attempts + 1
        WHERE subject_attempts.attempts < $3";
    const UNCOUNT: &str = "UPDATE session_attempts SET attempts = attempts - 1 WHERE session = $1";
    let session = &attempt.session;
    let values = values![session, attempt.session_max, at_us];
    if write.execute(SESSION, values).await? == 0 {
        return Ok(false);
    }
    let values = values![attempt.subject, attempt.day, attempt.day_max];
    if write.execute(DAY, values).await? == 0 {
        write.execute(UNCOUNT, values![session]).await?;
        return Ok(false);
    }
    Ok(true)
}

/// Writes the entry and the review.
async fn leave(
    effects: &Effects,
    request: &RequestKey,
    write: &mut Write,
) -> Result<Position, StoreError> {
    if let Some(review) = &effects.review
        && !reviews::enqueue(review, request, write).await?
    {
        return Err(StoreError::Refused("two cases of one id".to_owned()));
    }
    write.append(&effects.entry).await
}

#[async_trait]
impl Change for Redemption {
    type Outcome = RedeemOutcome;

    fn subject(&self) -> Option<SubjectHash> {
        self.redeemed.subject
    }

    async fn apply(&self, write: &mut Write) -> Result<RedeemOutcome, StoreError> {
        const USE: &str = "INSERT INTO token_uses (nonce, expiry_us) VALUES ($1, $2)
            ON CONFLICT (nonce) DO NOTHING";
        let values = values![&self.nonce, self.expiry_us];
        if write.execute(USE, values).await? == 1 {
            return Ok(RedeemOutcome::Redeemed(write.append(&self.redeemed).await?));
        }
        Ok(RedeemOutcome::UsedBefore(
            write.append(&self.refused).await?,
        ))
    }
}

/// Asks for the comparisons counted for a session, and for a subject on a day: one row, always.
pub(super) fn asking_attempts(session: &str, subject: SubjectHash, day: i64) -> Statement {
    const SELECT: &str = "SELECT
        COALESCE((SELECT attempts FROM session_attempts WHERE session = $1), 0),
        COALESCE((SELECT attempts FROM subject_attempts WHERE subject = $2 AND day = $3), 0)";
    Statement::new(SELECT, values![session, subject, day])
}

impl Attempts {
    /// The answer to [`asking_attempts`].
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            session: row.count(0)?,
            day: row.count(1)?,
        })
    }
}

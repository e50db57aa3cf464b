//! The queue of cases for a human: an office sees its own, and a second person decides.

use async_trait::async_trait;

use super::chain::{Position, Write};
use super::error::StoreError;
use super::group::Change;
use super::once::Counted;
use super::requests::RequestKey;
use super::sql::{Pool, Row, values};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// A case for the queue.
#[derive(Clone, PartialEq, Eq)]
pub struct NewReview {
    /// Its id.
    pub id: String,
    /// Whom it concerns.
    pub subject: SubjectHash,
    /// The office that sees it.
    pub office: String,
    /// Who captured the probe: this person cannot decide. Empty when nobody attended.
    pub captured_by: String,
    /// What the verification was for.
    pub purpose: String,
    /// The device that captured: the token of a human's decision is bound to it.
    pub device: String,
    /// The reasons, worst first, as one text.
    pub reasons: String,
    /// Sealed evidence, when any is kept.
    pub evidence: Option<Vec<u8>>,
    /// When, in microseconds since 1970, UTC.
    pub created_us: i64,
}

/// Without the evidence: it belongs into no log.
impl std::fmt::Debug for NewReview {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "NewReview({})", self.id)
    }
}

/// A case as a reviewer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// The case.
    pub case: NewReview,
    /// The request that led to it.
    pub request: RequestKey,
}

/// Puts a case into the queue. False when one with its id is there.
pub(super) async fn enqueue(
    review: &NewReview,
    request: &RequestKey,
    write: &mut Write,
) -> Result<bool, StoreError> {
    const ENQUEUE: &str = "INSERT INTO reviews (id, subject, office, captured_by, caller,
        request_id, reasons, evidence, created_us, purpose, device, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'open')
        ON CONFLICT (id) DO NOTHING";
    let values = values![
        &review.id,
        review.subject,
        &review.office,
        &review.captured_by,
        &request.caller,
        &request.id,
        &review.reasons,
        &review.evidence,
        review.created_us,
        &review.purpose,
        &review.device,
    ];
    Ok(write.execute(ENQUEUE, values).await? == 1)
}

/// A case that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnqueueReview {
    /// The case.
    pub case: NewReview,
    /// The request whose decision a human shall look at.
    pub request: RequestKey,
    /// When it was decided, in microseconds since 1970, UTC.
    pub decided_us: i64,
    /// The entry in the audit trail.
    pub entry: Entry,
}

/// What became of a wish for a human.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// The case is durable, with its entry there.
    Done(Position),
    /// There is a case of this request. Nothing was written.
    Before {
        /// Its id.
        id: String,
        /// Whether it was decided.
        is_decided: bool,
    },
    /// The subject was erased since. Nothing was written.
    Erased,
}

#[async_trait]
impl Change for EnqueueReview {
    type Outcome = Enqueued;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.case.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Enqueued, StoreError> {
        const FIND: &str = "SELECT id, status FROM reviews
            WHERE caller = $1 AND request_id = $2 AND subject = $3 AND office = $4
            ORDER BY created_us DESC, id LIMIT 1";
        const ERASED: &str = "SELECT 1 FROM erasures WHERE subject = $1 AND at_us >= $2 LIMIT 1";
        let (RequestKey { caller, id }, case) = (&self.request, &self.case);
        let values = values![case.subject, self.decided_us];
        if write.row(ERASED, values).await?.is_some() {
            return Ok(Enqueued::Erased);
        }
        let values = values![caller, id, case.subject, &case.office];
        if let Some(found) = write.row(FIND, values).await? {
            return Ok(Enqueued::Before {
                id: found.text(0)?,
                is_decided: found.text(1)? != "open",
            });
        }
        if !enqueue(case, &self.request, write).await? {
            // Another replica was faster: the next try finds its case.
            return Err(StoreError::Conflict);
        }
        Ok(Enqueued::Done(write.append(&self.entry).await?))
    }
}

/// A reviewer's wish for the oldest case of an office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextReview {
    /// The office.
    pub office: String,
    /// Who asks. The cases that this person captured are passed over.
    pub reviewer: String,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// A case that another reviewer took before this time and did not decide is free again.
    pub lapsed_us: i64,
}

#[async_trait]
impl Change for NextReview {
    /// The case, now this reviewer's; none when the office has none for this person.
    type Outcome = Option<Review>;

    fn subject(&self) -> Option<SubjectHash> {
        None
    }

    async fn apply(&self, write: &mut Write) -> Result<Option<Review>, StoreError> {
        // A reviewer who asks again gets the case that is already theirs, when it is the oldest.
        const OLDEST: &str = "SELECT id FROM reviews
            WHERE office = $1 AND status = 'open' AND captured_by <> $2
            AND (claimed_by IS NULL OR claimed_by = $2 OR claimed_us < $3)
            ORDER BY created_us, id LIMIT 1";
        const TAKE: &str = "UPDATE reviews SET claimed_by = $2, claimed_us = $3
            WHERE id = $1 AND status = 'open'
            AND (claimed_by IS NULL OR claimed_by = $2 OR claimed_us < $4)
            RETURNING id, subject, office, captured_by, reasons, evidence, created_us, caller,
            request_id, purpose, device";
        let values = values![&self.office, &self.reviewer, self.lapsed_us];
        let Some(oldest) = write.row(OLDEST, values).await? else {
            return Ok(None);
        };
        let id = oldest.text(0)?;
        let values = values![&id, &self.reviewer, self.at_us, self.lapsed_us];
        // Another replica took it between the two statements: the next try sees that.
        let row = write.row(TAKE, values).await?.ok_or(StoreError::Conflict)?;
        review_of(&row).map(Some)
    }
}

fn review_of(row: &Row) -> Result<Review, StoreError> {
    Ok(Review {
        case: NewReview {
            id: row.text(0)?,
            subject: row.subject(1)?,
            office: row.text(2)?,
            captured_by: row.text(3)?,
            reasons: row.text(4)?,
            evidence: row.bytes_or_null(5)?,
            created_us: row.int(6)?,
            purpose: row.text(9)?,
            device: row.text(10)?,
        },
        request: RequestKey {
            caller: row.text(7)?,
            id: row.text(8)?,
        },
    })
}

/// A human's decision on a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideReview {
    /// The case.
    pub id: String,
    /// The reviewer's office: a case of another does not exist for it.
    pub office: String,
    /// Who decides.
    pub reviewer: String,
    /// What was decided, and on which kinds of evidence, as one text.
    pub verdict: String,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// As [`NextReview::lapsed_us`].
    pub lapsed_us: i64,
    /// The entry in the audit trail.
    pub entry: Entry,
}

/// What became of a human's decision. But for the first, nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// It is durable, with its entry there.
    Decided(Position),
    /// This office has no such case.
    NotFound,
    /// Who captured may not decide.
    SamePerson,
    /// Another reviewer has the case.
    TakenByOther,
    /// It was decided before.
    DecidedBefore,
}

#[async_trait]
impl Change for DecideReview {
    type Outcome = ReviewOutcome;

    fn subject(&self) -> Option<SubjectHash> {
        self.entry.subject
    }

    async fn apply(&self, write: &mut Write) -> Result<ReviewOutcome, StoreError> {
        const FIND: &str = "SELECT status, captured_by, claimed_by, claimed_us FROM reviews
            WHERE id = $1 AND office = $2";
        // The evidence has served: it goes with the decision. Checked again: another replica may
        // have been faster since the statement before.
        const DECIDE: &str = "UPDATE reviews SET status = 'decided', decided_by = $3,
            decided_us = $4, verdict = $5, evidence = NULL
            WHERE id = $1 AND office = $2 AND status = 'open' AND captured_by <> $3
            AND (claimed_by IS NULL OR claimed_by = $3 OR claimed_us < $6)";
        let found = write.row(FIND, values![&self.id, &self.office]).await?;
        let Some(found) = found else {
            return Ok(ReviewOutcome::NotFound);
        };
        if let Some(refusal) = self.refusal(&found)? {
            return Ok(refusal);
        }
        let values = values![
            &self.id,
            &self.office,
            &self.reviewer,
            self.at_us,
            &self.verdict,
            self.lapsed_us,
        ];
        if write.execute(DECIDE, values).await? == 0 {
            return Err(StoreError::Conflict);
        }
        Ok(ReviewOutcome::Decided(write.append(&self.entry).await?))
    }
}

impl Counted for DecideReview {
    fn counts(outcome: &ReviewOutcome) -> Option<Vec<u64>> {
        matches!(outcome, ReviewOutcome::Decided(_)).then(Vec::new)
    }
}

impl DecideReview {
    /// Why the case as found is not this reviewer's to decide.
    fn refusal(&self, found: &Row) -> Result<Option<ReviewOutcome>, StoreError> {
        if found.text(1)? == self.reviewer {
            return Ok(Some(ReviewOutcome::SamePerson));
        }
        if found.text(0)? != "open" {
            return Ok(Some(ReviewOutcome::DecidedBefore));
        }
        let other = found.text_or_null(2)?.is_some_and(|by| by != self.reviewer);
        let holds = found.int_or_null(3)?.is_some_and(|at| at >= self.lapsed_us);
        Ok((other && holds).then_some(ReviewOutcome::TakenByOther))
    }
}

/// A case of an office.
pub(super) async fn of_office(
    pool: &Pool,
    id: &str,
    office: &str,
) -> Result<Option<Review>, StoreError> {
    const SELECT: &str = "SELECT id, subject, office, captured_by, reasons, evidence, created_us,
        caller, request_id, purpose, device FROM reviews WHERE id = $1 AND office = $2";
    let row = pool.row(SELECT, values![id, office]).await?;
    row.as_ref().map(review_of).transpose()
}

//! Consents: recorded with the decision that rests on them, and withdrawn.

use async_trait::async_trait;

use super::chain::{Position, Write};
use super::error::StoreError;
use super::group::Change;
use super::once::Counted;
use super::sql::{Pool, Row, Statement, values};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// A recorded consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Its id, chosen by the caller.
    pub id: String,
    /// Whose.
    pub subject: SubjectHash,
    /// What for.
    pub purpose: String,
    /// The legal basis.
    pub legal_basis: String,
    /// Version of the privacy notice that was read out.
    pub notice_version: String,
    /// Remote or at a counter.
    pub channel: String,
    /// Where.
    pub office: String,
    /// Who recorded it.
    pub operator: String,
    /// When it was given, in microseconds since 1970, UTC.
    pub granted_us: i64,
    /// When it was withdrawn; none while it holds.
    pub withdrawn_us: Option<i64>,
}

/// A consent to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantConsent {
    /// The consent; it cannot begin withdrawn.
    pub consent: Consent,
    /// The entry in the audit trail.
    pub entry: Entry,
}

/// What became of a recorded consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// It is durable, with its entry there.
    Done(Position),
    /// The same consent was recorded before, and may have been withdrawn since. Nothing was
    /// written.
    Before(Consent),
    /// The id belongs to another consent. Nothing was written.
    OtherConsent,
}

#[async_trait]
impl Change for GrantConsent {
    type Outcome = Granted;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.consent.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Granted, StoreError> {
        let consent = &self.consent;
        if insert(consent, write).await? {
            return Ok(Granted::Done(write.append(&self.entry).await?));
        }
        let row = write
            .row(SELECT_ID, values![consent.subject, &consent.id])
            .await?;
        let found = consent_of(&row.ok_or(StoreError::Conflict)?)?;
        let as_granted = Consent {
            withdrawn_us: None,
            ..found.clone()
        };
        let asked = Consent {
            withdrawn_us: None,
            ..consent.clone()
        };
        Ok(if as_granted == asked {
            Granted::Before(found)
        } else {
            Granted::OtherConsent
        })
    }
}

/// Inserts a consent. False when its id is there.
async fn insert(consent: &Consent, write: &mut Write) -> Result<bool, StoreError> {
    const GRANT: &str = "INSERT INTO consents (id, subject, purpose, legal_basis,
        notice_version, channel, office, operator, granted_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (subject, id) DO NOTHING";
    let values = values![
        &consent.id,
        consent.subject,
        &consent.purpose,
        &consent.legal_basis,
        &consent.notice_version,
        &consent.channel,
        &consent.office,
        &consent.operator,
        consent.granted_us,
    ];
    Ok(write.execute(GRANT, values).await? == 1)
}

/// How a given consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds: recorded before, or not yet.
    Holds,
    /// It was withdrawn, or all that were given up to a later time.
    Withdrawn,
    /// The subject's consent of this id says something else.
    Other,
}

/// One row, always: what is recorded under the id, and whether a withdrawal reaches it.
const STANDING: &str = "SELECT
    (SELECT COUNT(*) FROM consent_withdrawals WHERE subject = $1
        AND (consent_id = $2 OR (consent_id = '' AND at_us >= $3)))
    + (SELECT COUNT(*) FROM consents WHERE subject = $1 AND id = $2
        AND withdrawn_us IS NOT NULL),
    (SELECT COUNT(*) FROM consents WHERE subject = $1 AND id = $2
        AND NOT (granted_us = $3 AND legal_basis = $4 AND notice_version = $5 AND purpose = $6))";

/// Asks how a consent stands that a verification is to rest on.
pub(super) fn asking(consent: &Consent) -> Statement {
    let values = values![
        consent.subject,
        &consent.id,
        consent.granted_us,
        &consent.legal_basis,
        &consent.notice_version,
        &consent.purpose,
    ];
    Statement::new(STANDING, values)
}

/// The answer to [`asking`].
pub(super) fn standing_of(row: &Row) -> Result<Standing, StoreError> {
    Ok(match (row.count(0)?, row.count(1)?) {
        (0, 0) => Standing::Holds,
        (0, _) => Standing::Other,
        _ => Standing::Withdrawn,
    })
}

/// What came of recording a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    /// It is recorded now.
    Now,
    /// It was recorded before: a later attempt sends the same consent, maybe from another counter.
    Before,
    /// It does not hold, and nothing is recorded of it.
    DoesNotHold,
}

/// Records the consent that a decision rests on.
pub(super) async fn record(consent: &Consent, write: &mut Write) -> Result<Recorded, StoreError> {
    // First, so that a withdrawal at the same time waits for this transaction or is seen by it.
    let is_new = insert(consent, write).await?;
    let Statement { sql, values } = asking(consent);
    let row = write.row(sql, values).await?;
    if standing_of(&row.ok_or_else(StoreError::no_row)?)? != Standing::Holds {
        if is_new {
            remove(consent, write).await?;
        }
        return Ok(Recorded::DoesNotHold);
    }
    Ok(if is_new {
        Recorded::Now
    } else {
        Recorded::Before
    })
}

/// Takes back what [`record`] recorded in the same transaction.
pub(super) async fn remove(consent: &Consent, write: &mut Write) -> Result<(), StoreError> {
    const REMOVE: &str = "DELETE FROM consents WHERE subject = $1 AND id = $2";
    let values = values![consent.subject, &consent.id];
    write.execute(REMOVE, values).await.map(drop)
}

/// A consent to be withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawConsent {
    /// Whose.
    pub subject: SubjectHash,
    /// Its id; `None` for all that hold.
    pub id: Option<String>,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The entry in the audit trail.
    pub entry: Entry,
}

#[async_trait]
impl Change for WithdrawConsent {
    /// The number of consents withdrawn now.
    type Outcome = u64;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<u64, StoreError> {
        const ONE: &str = "UPDATE consents SET withdrawn_us = $2
            WHERE subject = $1 AND withdrawn_us IS NULL AND id = $3";
        const ALL: &str = "UPDATE consents SET withdrawn_us = $2
            WHERE subject = $1 AND withdrawn_us IS NULL";
        // Also reaches what was given before and comes to padan later.
        const FROM_NOW_ON: &str = "INSERT INTO consent_withdrawals (subject, consent_id, at_us)
            VALUES ($1, $2, $3)
            ON CONFLICT (subject, consent_id) DO UPDATE SET at_us = $3
            WHERE consent_withdrawals.at_us < $3";
        let withdrawn = match &self.id {
            Some(id) => write.execute(ONE, values![self.subject, self.at_us, id]),
            None => write.execute(ALL, values![self.subject, self.at_us]),
        }
        .await?;
        let id = self.id.as_deref().unwrap_or_default();
        write
            .execute(FROM_NOW_ON, values![self.subject, id, self.at_us])
            .await?;
        write.append(&self.entry).await?;
        Ok(withdrawn)
    }
}

impl Counted for WithdrawConsent {
    fn counts(withdrawn: &u64) -> Option<Vec<u64>> {
        Some(vec![*withdrawn])
    }
}

const SELECT_ID: &str = "SELECT id, subject, purpose, legal_basis, notice_version, channel, office,
    operator, granted_us, withdrawn_us FROM consents WHERE subject = $1 AND id = $2";

fn consent_of(row: &Row) -> Result<Consent, StoreError> {
    Ok(Consent {
        id: row.text(0)?,
        subject: row.subject(1)?,
        purpose: row.text(2)?,
        legal_basis: row.text(3)?,
        notice_version: row.text(4)?,
        channel: row.text(5)?,
        office: row.text(6)?,
        operator: row.text(7)?,
        granted_us: row.int(8)?,
        withdrawn_us: row.int_or_null(9)?,
    })
}

/// All consents of a subject, oldest first.
pub(super) async fn of_subject(
    pool: &Pool,
    subject: SubjectHash,
) -> Result<Vec<Consent>, StoreError> {
    const SELECT: &str = "SELECT id, subject, purpose, legal_basis, notice_version, channel,
        office, operator, granted_us, withdrawn_us FROM consents
        WHERE subject = $1 ORDER BY granted_us, id";
    let rows = pool.rows(SELECT, values![subject]).await?;
    rows.iter().map(consent_of).collect()
}

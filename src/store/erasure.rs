//! Erasure: a subject's key is destroyed, and with it every copy of its templates that was sealed
//! with that key.

use async_trait::async_trait;

use super::chain::Write;
use super::error::StoreError;
use super::group::Change;
use super::once::Counted;
use super::sql::{Pool, Row, values};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// A subject to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// Whom.
    pub subject: SubjectHash,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The entry in the audit trail, which itself stays.
    pub entry: Entry,
}

/// What an erasure found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Whether there was a key to destroy.
    pub had_key: bool,
    /// References deleted.
    pub references: u64,
    /// The time that the list of erasures has, in microseconds since 1970, UTC: that of the
    /// erasure, or of the key when that is later.
    pub at_us: i64,
}

/// A line of the list of erasures, to be kept apart from the backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Whom.
    pub subject: SubjectHash,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
}

#[async_trait]
impl Change for Erase {
    type Outcome = Erased;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Erased, StoreError> {
        // The clock of the replica that enrolled may be ahead of this one's: whoever is erased now
        // is erased, and a replay finds a time that is late enough.
        const KEYED: &str = "SELECT keyed_us FROM subjects WHERE subject = $1";
        let keyed = write.row(KEYED, values![self.subject]).await?;
        let keyed_us = keyed.map_or(Ok(self.at_us), |row| row.int(0))?;
        let erasure = Erasure {
            subject: self.subject,
            at_us: self.at_us.max(keyed_us),
        };
        let (had_key, references) = destroy(erasure, write).await?;
        write.append(&self.entry).await?;
        Ok(Erased {
            had_key,
            references,
            at_us: erasure.at_us,
        })
    }
}

impl Counted for Erase {
    fn counts(erased: &Erased) -> Option<Vec<u64>> {
        let had_key = u64::from(erased.had_key);
        Some(vec![
            had_key,
            erased.references,
            erased.at_us.cast_unsigned(),
        ])
    }
}

/// Destroys the subject's key if it is as old as the erasure, and what only it opens. Returns
/// whether there was one, and the number of references.
async fn destroy(erasure: Erasure, write: &mut Write) -> Result<(bool, u64), StoreError> {
    const KEY: &str = "UPDATE subjects SET wrapped_key = NULL, status = 'erased',
        version = version + 1, updated_us = $2
        WHERE subject = $1 AND status <> 'erased' AND keyed_us <= $2";
    // A key made after the erasure belongs to a later enrolment: its references stay.
    const REFERENCES: &str = "DELETE FROM face_references WHERE subject = $1 AND NOT EXISTS
        (SELECT 1 FROM subjects WHERE subject = $1 AND status <> 'erased')";
    // Nobody decides any more about a person who is not kept.
    const CASES: &str = "DELETE FROM reviews WHERE subject = $1 AND created_us <= $2";
    const LIST: &str = "INSERT INTO erasures (subject, at_us) VALUES ($1, $2)
        ON CONFLICT (subject, at_us) DO NOTHING";
    let Erasure { subject, at_us } = erasure;
    let keys = write.execute(KEY, values![subject, at_us]).await?;
    let references = write.execute(REFERENCES, values![subject]).await?;
    write.execute(CASES, values![subject, at_us]).await?;
    write.execute(LIST, values![subject, at_us]).await?;
    Ok((keys == 1, references))
}

/// The list of erasures, repeated on a restored backup.
pub(super) struct Replay {
    pub erasures: Vec<Erasure>,
    pub entry: Entry,
}

#[async_trait]
impl Change for Replay {
    type Outcome = u64;

    fn subject(&self) -> Option<SubjectHash> {
        self.erasures.iter().map(|erasure| erasure.subject).min()
    }

    async fn apply(&self, write: &mut Write) -> Result<u64, StoreError> {
        let mut erased = 0;
        for erasure in &self.erasures {
            erased += u64::from(destroy(*erasure, write).await?.0);
        }
        write.append(&self.entry).await?;
        Ok(erased)
    }
}

/// The erasures after one, in the order of their times.
pub(super) async fn list(
    pool: &Pool,
    after: Option<Erasure>,
    limit: u32,
) -> Result<Vec<Erasure>, StoreError> {
    const SELECT: &str = "SELECT subject, at_us FROM erasures
        WHERE (at_us, subject) > ($1, $2) ORDER BY at_us, subject LIMIT $3";
    let (at_us, subject) = after.map_or((i64::MIN, Vec::new()), |erasure| {
        (erasure.at_us, erasure.subject.as_bytes().to_vec())
    });
    let rows = pool.rows(SELECT, values![at_us, &subject, limit]).await?;
    let one = |row: &Row| {
        Ok(Erasure {
            subject: row.subject(0)?,
            at_us: row.int(1)?,
        })
    };
    rows.iter().map(one).collect()
}

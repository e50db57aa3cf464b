//! Subjects with their wrapped keys, and their sealed references.

use async_trait::async_trait;

use super::chain::Write;
use super::error::StoreError;
use super::group::Change;
use super::sql::{Pool, Row, Statement, values};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// Whether a subject may be verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectStatus {
    /// Yes.
    Active,
    /// No: its NIK must be checked at the registry desk.
    Blocked,
    /// No: its key was destroyed.
    Erased,
}

impl SubjectStatus {
    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "active" => Ok(Self::Active),
            "blocked" => Ok(Self::Blocked),
            "erased" => Ok(Self::Erased),
            _ => Err(StoreError::column("status")),
        }
    }
}

/// A subject's key, wrapped by a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The wrapped key.
    pub bytes: Vec<u8>,
    /// Id of the master key.
    pub master_key: String,
}

/// Without the bytes: they belong into no log.
impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "WrappedKey({})", self.master_key)
    }
}

/// A subject as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Whether it may be verified.
    pub status: SubjectStatus,
    /// Counts what was enrolled, announced, sealed anew and erased, from 1.
    pub version: u64,
    /// Its key; none once erased.
    pub key: Option<WrappedKey>,
    /// When this key was made, in microseconds since 1970, UTC.
    pub keyed_us: i64,
}

/// A sealed reference.
#[derive(Clone, PartialEq, Eq)]
pub struct Reference {
    /// The contract of the model that made the template, or the label of a sealed portrait.
    pub contract_id: String,
    /// The subject's version when it was sealed; the seal is bound to it.
    pub row_version: u64,
    /// The seal's nonce.
    pub nonce: Vec<u8>,
    /// The sealed template.
    pub ciphertext: Vec<u8>,
    /// The date of the portrait, `YYYY-MM-DD`; none when unknown.
    pub captured_on: Option<String>,
    /// Where the portrait came from.
    pub source: String,
    /// The band of its quality.
    pub quality: String,
    /// When it was stored, in microseconds since 1970, UTC.
    pub created_us: i64,
}

/// Without the sealed template: it belongs into no log.
impl std::fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            contract_id,
            row_version,
            ..
        } = self;
        write!(
            formatter,
            "Reference({contract_id}, row version {row_version})"
        )
    }
}

/// One subject's key wrapped by another master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrap {
    /// Whose.
    pub subject: SubjectHash,
    /// The key as read.
    pub old: WrappedKey,
    /// The same key under the other master key.
    pub new: WrappedKey,
}

/// A step of the rotation of the master key: many subjects, one entry.
pub(super) struct RewrapStep {
    pub rewraps: Vec<Rewrap>,
    pub entry: Entry,
}

#[async_trait]
impl Change for RewrapStep {
    type Outcome = u64;

    fn subject(&self) -> Option<SubjectHash> {
        self.rewraps.iter().map(|rewrap| rewrap.subject).min()
    }

    async fn apply(&self, write: &mut Write) -> Result<u64, StoreError> {
        // The references stay as they are: the key inside is the same.
        const REWRAP: &str = "UPDATE subjects SET wrapped_key = $3, master_key = $4
            WHERE subject = $1 AND wrapped_key = $2";
        let mut changed = 0;
        for Rewrap { subject, old, new } in &self.rewraps {
            let values = values![*subject, &old.bytes, &new.bytes, &new.master_key];
            changed += write.execute(REWRAP, values).await?;
        }
        write.append(&self.entry).await?;
        Ok(changed)
    }
}

/// The first five columns of `row` as a subject.
fn subject_of(row: &Row) -> Result<Subject, StoreError> {
    let master_key = row.text(3)?;
    let key = row.bytes_or_null(2)?;
    Ok(Subject {
        status: SubjectStatus::parse(&row.text(0)?)?,
        version: row.count(1)?,
        key: key.map(|bytes| WrappedKey { bytes, master_key }),
        keyed_us: row.int(4)?,
    })
}

/// A subject, and its reference of one contract when there is one.
pub(super) async fn read(
    pool: &Pool,
    subject: SubjectHash,
    contract_id: &str,
) -> Result<Option<(Subject, Option<Reference>)>, StoreError> {
    let Statement { sql, values } = asking(subject, contract_id);
    let row = pool.row(sql, values).await?;
    row.map(|row| found(&row, contract_id)).transpose()
}

/// Asks for a subject, and its reference of one contract: no row when there is no such subject.
pub(super) fn asking(subject: SubjectHash, contract_id: &str) -> Statement {
    const READ: &str = "SELECT s.status, s.version, s.wrapped_key, s.master_key, s.keyed_us,
        r.row_version, r.nonce, r.ciphertext, r.captured_on, r.source, r.quality, r.created_us
        FROM subjects s LEFT JOIN face_references r
        ON r.subject = s.subject AND r.contract_id = $2 WHERE s.subject = $1";
    Statement::new(READ, values![subject, contract_id])
}

/// The answer to [`asking`].
pub(super) fn found(
    row: &Row,
    contract_id: &str,
) -> Result<(Subject, Option<Reference>), StoreError> {
    let subject = subject_of(row)?;
    if row.int_or_null(5)?.is_none() {
        return Ok((subject, None));
    }
    let reference = reference_of(row, contract_id.to_owned(), 5)?;
    Ok((subject, Some(reference)))
}

/// Contracts that one question can be about.
pub const CONTRACTS_MAX: usize = 4;

/// Asks for a subject, and its reference of the first of these contracts that it has one of.
pub(super) fn asking_first(
    subject: SubjectHash,
    contracts: &[String],
) -> Result<Statement, StoreError> {
    // Each contract is one step in the key of the references, also when it is named twice.
    const READ: &str = "SELECT s.status, s.version, s.wrapped_key, s.master_key, s.keyed_us,
        r.row_version, r.nonce, r.ciphertext, r.captured_on, r.source, r.quality, r.created_us,
        r.contract_id FROM subjects s LEFT JOIN face_references r
        ON r.subject = s.subject AND r.contract_id IN ($2, $3, $4, $5) WHERE s.subject = $1
        ORDER BY CASE r.contract_id WHEN $2 THEN 0 WHEN $3 THEN 1 WHEN $4 THEN 2 ELSE 3 END
        LIMIT 1";
    let outside = || StoreError::Internal("a question about too many contracts, or none".into());
    let last = contracts.last().ok_or_else(outside)?;
    match contracts {
        // The ordinary case: one model is loaded.
        [only] => return Ok(asking(subject, only)),
        _ if contracts.len() > CONTRACTS_MAX => return Err(outside()),
        _ => {}
    }
    let at = |place: usize| contracts.get(place).unwrap_or(last);
    let values = values![subject, at(0), at(1), at(2), at(3)];
    Ok(Statement::new(READ, values))
}

/// The answer to [`asking_first`].
pub(super) fn found_first(
    row: &Row,
    contracts: &[String],
) -> Result<(Subject, Option<Reference>), StoreError> {
    if let [only] = contracts {
        return found(row, only);
    }
    match row.text_or_null(12)? {
        Some(contract_id) => found(row, &contract_id),
        None => Ok((subject_of(row)?, None)),
    }
}

/// All references of a subject.
pub(super) async fn references(
    pool: &Pool,
    subject: SubjectHash,
) -> Result<Vec<Reference>, StoreError> {
    const SELECT: &str = "SELECT contract_id, row_version, nonce, ciphertext, captured_on, source,
        quality, created_us FROM face_references WHERE subject = $1 ORDER BY contract_id";
    let rows = pool.rows(SELECT, values![subject]).await?;
    let one = |row: &Row| reference_of(row, row.text(0)?, 1);
    rows.iter().map(one).collect()
}

/// Seven columns of `row`, from `at` on, as a reference.
fn reference_of(row: &Row, contract_id: String, at: usize) -> Result<Reference, StoreError> {
    Ok(Reference {
        contract_id,
        row_version: row.count(at)?,
        nonce: row.bytes(at + 1)?,
        ciphertext: row.bytes(at + 2)?,
        captured_on: row.text_or_null(at + 3)?,
        source: row.text(at + 4)?,
        quality: row.text(at + 5)?,
        created_us: row.int(at + 6)?,
    })
}

/// The contracts that a subject has references of, without the references.
pub(super) async fn contracts(
    pool: &Pool,
    subject: SubjectHash,
) -> Result<Vec<String>, StoreError> {
    const SELECT: &str =
        "SELECT contract_id FROM face_references WHERE subject = $1 ORDER BY contract_id";
    let rows = pool.rows(SELECT, values![subject]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Subjects whose key is wrapped by a master key, in order, after one.
pub(super) async fn wrapped_by(
    pool: &Pool,
    master_key: &str,
    after: Option<SubjectHash>,
    limit: u32,
) -> Result<Vec<(SubjectHash, WrappedKey)>, StoreError> {
    const SELECT: &str = "SELECT subject, wrapped_key FROM subjects
        WHERE master_key = $1 AND subject > $2 AND wrapped_key IS NOT NULL
        ORDER BY subject LIMIT $3";
    let after = after.map_or(Vec::new(), |subject| subject.as_bytes().to_vec());
    let rows = pool
        .rows(SELECT, values![master_key, &after, limit])
        .await?;
    let one = |row: &Row| {
        let key = WrappedKey {
            bytes: row.bytes(1)?,
            master_key: master_key.to_owned(),
        };
        Ok((row.subject(0)?, key))
    };
    rows.iter().map(one).collect()
}

/// The master keys that wrap a key of any subject.
pub(super) async fn master_keys(pool: &Pool) -> Result<Vec<String>, StoreError> {
    // Jumps from one id to the next in the index: a few steps, however many subjects there are.
    // The index has only rows with a key, and serves only statements that say so.
    const SELECT: &str = "WITH RECURSIVE ids (id) AS (
        SELECT MIN(master_key) FROM subjects WHERE wrapped_key IS NOT NULL
        UNION ALL
        SELECT (SELECT MIN(master_key) FROM subjects
            WHERE master_key > ids.id AND wrapped_key IS NOT NULL)
        FROM ids WHERE ids.id IS NOT NULL)
        SELECT id FROM ids WHERE id IS NOT NULL";
    let rows = pool.rows(SELECT, Vec::new()).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

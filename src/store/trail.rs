//! The audit trail: entries and signed checkpoints, by ranges.

use async_trait::async_trait;

use super::chain::{Position, Write};
use super::error::StoreError;
use super::group::Change;
use super::requests::RequestKey;
use super::sql::{Pool, Row, values};
use crate::audit::{ChainHash, ChainHead, Entry, Text, WriterId};
use crate::subject::SubjectHash;

/// An entry as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its place.
    pub position: Position,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// Its canonical text, of which the hash is made.
    pub text: String,
    /// The chain's hash up to and with it.
    pub hash: ChainHash,
    /// By what it is found.
    pub columns: EntryColumns,
}

/// What the database finds an entry by: copies of what its text says. No hash covers them, so
/// whoever checks a chain compares them with the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryColumns {
    /// Whom it is about: the subject's hash.
    pub subject: Option<Vec<u8>>,
    /// In which office.
    pub office: Option<String>,
    /// The name in the caller's certificate.
    pub caller: Option<String>,
    /// The caller's request id.
    pub request_id: Option<String>,
}

impl EntryColumns {
    /// The columns of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let owned = |text: &Option<Text>| text.as_ref().map(ToString::to_string);
        Self {
            subject: entry.subject.map(|subject| subject.as_bytes().to_vec()),
            office: owned(&entry.office),
            caller: owned(&entry.actor.certificate),
            request_id: owned(&entry.request),
        }
    }
}

/// A signed checkpoint as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// The entry it covers last.
    pub position: Position,
    /// That entry's hash.
    pub hash: ChainHash,
    /// When it was signed, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The public key that signed.
    pub key: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Which entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// Those of a subject.
    Subject(SubjectHash),
    /// Those of an office.
    Office(String),
    /// Those of a request.
    Request(RequestKey),
    /// Those of a request whose caller had no certificate, by the request's id: in the development
    /// profile.
    UncertifiedRequest(String),
}

/// A page of entries in the order of time, writer and sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryQuery {
    /// Which entries.
    pub selection: Selection,
    /// From this time on, in microseconds since 1970, UTC.
    pub from_us: i64,
    /// Before this time.
    pub until_us: i64,
    /// Only after this entry: the last of the page before.
    pub after: Option<(i64, Position)>,
    /// Entries at most.
    pub limit: u32,
}

/// An event that changes nothing else.
pub(super) struct Append(pub Entry);

#[async_trait]
impl Change for Append {
    type Outcome = Position;

    fn subject(&self) -> Option<SubjectHash> {
        self.0.subject
    }

    async fn apply(&self, write: &mut Write) -> Result<Position, StoreError> {
        write.append(&self.0).await
    }
}

#[async_trait]
impl Change for StoredCheckpoint {
    type Outcome = ();

    fn subject(&self) -> Option<SubjectHash> {
        None
    }

    async fn apply(&self, write: &mut Write) -> Result<(), StoreError> {
        // One checkpoint for an entry is enough. SQLite's trigger refuses a second one before a
        // conflict is noticed; PostgreSQL notices one of another transaction only as a conflict.
        const PUT: &str = "INSERT INTO checkpoints (writer, sequence, hash, at_us, key, signature)
            SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS
            (SELECT 1 FROM checkpoints WHERE writer = $1 AND sequence = $2)
            ON CONFLICT (writer, sequence) DO NOTHING";
        let Position { writer, sequence } = &self.position;
        let values = values![
            writer.as_str(),
            *sequence,
            self.hash.as_bytes(),
            self.at_us,
            &self.key,
            &self.signature
        ];
        write.execute(PUT, values).await.map(drop)
    }
}

/// A statement for entries that also fulfil a condition; the same parameters in all.
macro_rules! select_entries {
    ($condition:literal) => {
        concat!(
            "SELECT writer, sequence, at_us, entry, hash, subject, office, caller, request_id
            FROM audit_entries
            WHERE at_us >= $1 AND at_us < $2 AND (at_us, writer, sequence) > ($3, $4, $5)",
            $condition,
            " ORDER BY at_us, writer, sequence LIMIT $6"
        )
    };
}

/// A page of entries.
pub(super) async fn entries(
    pool: &Pool,
    query: &EntryQuery,
) -> Result<Vec<StoredEntry>, StoreError> {
    let (after_us, writer, sequence) = match &query.after {
        Some((at_us, position)) => (*at_us, position.writer.as_str(), position.sequence),
        None => (i64::MIN, "", 0),
    };
    let mut values = values![
        query.from_us,
        query.until_us,
        after_us,
        writer,
        sequence,
        query.limit,
    ];
    let sql = match &query.selection {
        Selection::All => select_entries!(""),
        Selection::Subject(subject) => {
            values.extend(values![*subject]);
            select_entries!(" AND subject = $7")
        }
        Selection::Office(office) => {
            values.extend(values![office]);
            select_entries!(" AND office = $7")
        }
        Selection::Request(request) => {
            values.extend(values![&request.caller, &request.id]);
            select_entries!(" AND caller = $7 AND request_id = $8")
        }
        Selection::UncertifiedRequest(id) => {
            values.extend(values![id]);
            select_entries!(" AND caller IS NULL AND request_id = $7")
        }
    };
    let rows = pool.rows(sql, values).await?;
    rows.iter().map(entry_of).collect()
}

/// A page of a writer's chain, from a sequence on, without a gap of its own.
pub(super) async fn chain(
    pool: &Pool,
    writer: &WriterId,
    from: u64,
    limit: u32,
) -> Result<Vec<StoredEntry>, StoreError> {
    const SELECT: &str = "SELECT writer, sequence, at_us, entry, hash, subject, office, caller,
        request_id FROM audit_entries
        WHERE writer = $1 AND sequence >= $2 ORDER BY sequence, at_us LIMIT $3";
    let rows = pool
        .rows(SELECT, values![writer.as_str(), from, limit])
        .await?;
    rows.iter().map(entry_of).collect()
}

fn entry_of(row: &Row) -> Result<StoredEntry, StoreError> {
    Ok(StoredEntry {
        position: Position::read(row, 0, 1)?,
        at_us: row.int(2)?,
        text: row.text(3)?,
        hash: ChainHash::from_bytes(row.hash(4)?),
        columns: EntryColumns {
            subject: row.bytes_or_null(5)?,
            office: row.text_or_null(6)?,
            caller: row.text_or_null(7)?,
            request_id: row.text_or_null(8)?,
        },
    })
}

/// The heads of all chains, by writer.
pub(super) async fn heads(pool: &Pool) -> Result<Vec<ChainHead>, StoreError> {
    const SELECT: &str = "SELECT writer, sequence, hash FROM writers ORDER BY writer";
    let rows = pool.rows(SELECT, Vec::new()).await?;
    let one = |row: &Row| {
        let Position { writer, sequence } = Position::read(row, 0, 1)?;
        Ok(ChainHead {
            writer,
            sequence,
            hash: ChainHash::from_bytes(row.hash(2)?),
        })
    };
    rows.iter().map(one).collect()
}

/// The checkpoints of a writer that cover entries from a sequence on.
pub(super) async fn checkpoints(
    pool: &Pool,
    writer: &WriterId,
    from: u64,
    limit: u32,
) -> Result<Vec<StoredCheckpoint>, StoreError> {
    const SELECT: &str = "SELECT writer, sequence, hash, at_us, key, signature FROM checkpoints
        WHERE writer = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3";
    let rows = pool
        .rows(SELECT, values![writer.as_str(), from, limit])
        .await?;
    let one = |row: &Row| {
        Ok(StoredCheckpoint {
            position: Position::read(row, 0, 1)?,
            hash: ChainHash::from_bytes(row.hash(2)?),
            at_us: row.int(3)?,
            key: row.bytes(4)?,
            signature: row.bytes(5)?,
        })
    };
    rows.iter().map(one).collect()
}

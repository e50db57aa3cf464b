//! The audit trail by windows of time: which part of a chain, and which subjects.

use super::error::StoreError;
use super::sql::{Pool, values};
use crate::audit::WriterId;
use crate::subject::SubjectHash;

/// A window of time, and whose entries in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// From this time on, in microseconds since 1970, UTC.
    pub from_us: i64,
    /// Before this time.
    pub until_us: i64,
    /// Only entries of this writer; none: of all.
    pub writer: Option<WriterId>,
}

/// The first and the last sequence of a writer's entries, none when it has no entry there.
pub(super) async fn span(
    pool: &Pool,
    writer: &WriterId,
    times: Option<(i64, i64)>,
) -> Result<Option<(u64, u64)>, StoreError> {
    // Each of the two takes one step in the primary key.
    const WHOLE: &str = "SELECT
        (SELECT min(sequence) FROM audit_entries WHERE writer = $1),
        (SELECT max(sequence) FROM audit_entries WHERE writer = $1)";
    // This one reads the window in the index `audit_entries_writer`, and nothing but the index.
    const WITHIN: &str = "SELECT min(sequence), max(sequence) FROM audit_entries
        WHERE writer = $1 AND at_us >= $2 AND at_us < $3";
    let row = match times {
        None => pool.row(WHOLE, values![writer.as_str()]).await?,
        Some((from_us, until_us)) => {
            let values = values![writer.as_str(), from_us, until_us];
            pool.row(WITHIN, values).await?
        }
    };
    let Some(row) = row else { return Ok(None) };
    match row.int_or_null(0)? {
        None => Ok(None),
        Some(_) => Ok(Some((row.count(0)?, row.count(1)?))),
    }
}

/// The subjects with an entry in a window, each once, in order, after one.
pub(super) async fn subjects_touched(
    pool: &Pool,
    window: &Window,
    after: Option<SubjectHash>,
    limit: u32,
) -> Result<Vec<SubjectHash>, StoreError> {
    const BY_ALL: &str = "SELECT DISTINCT subject FROM audit_entries
        WHERE at_us >= $1 AND at_us < $2 AND subject > $3 ORDER BY subject LIMIT $4";
    // By all, the index of subjects has them in order; by one, the window of that writer is read in
    // the index `audit_entries_writer`, and sorted.
    const BY_ONE: &str = "SELECT DISTINCT subject FROM audit_entries
        WHERE at_us >= $1 AND at_us < $2 AND subject > $3 AND writer = $5
        ORDER BY subject LIMIT $4";
    let after = after.map_or(Vec::new(), |subject| subject.as_bytes().to_vec());
    let mut values = values![window.from_us, window.until_us, &after, limit];
    let sql = match &window.writer {
        None => BY_ALL,
        Some(writer) => {
            values.extend(values![writer.as_str()]);
            BY_ONE
        }
    };
    let rows = pool.rows(sql, values).await?;
    rows.iter().map(|row| row.subject(0)).collect()
}

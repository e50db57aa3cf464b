//! What can go wrong with a store, without the rows' contents: a database's own text may quote
//! them.

use sqlx::Error;

use crate::audit::EntryError;

/// Why the store did not do what it was asked. Never a reason to say MATCH.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No database answers, or it went away before anything was written.
    #[error("the database is not reachable ({0}): start it, or check the address and the network")]
    Unavailable(String),
    /// More work waits than may: nothing was written.
    #[error("the store is busy: try again later, or give the database more connections or disk")]
    Busy,
    /// A statement ran into its limit: nothing was written.
    #[error("the database took too long: look for long-running queries or a slow disk")]
    TimedOut,
    /// The connection broke while the transaction was being made durable.
    #[error("whether the write is durable is not known: ask again with the same request id")]
    Unknown,
    /// No space is left, or a file of the database may not grow: nothing was written.
    #[error(
        "the database cannot be written, because its disk is full or fails, or a file of it is as \
         large as it may be: free space or raise the limit; padan goes on by itself"
    )]
    Full,
    /// The database's files are broken.
    #[error("the database is damaged ({0}): stop padan and restore a backup")]
    Damaged(String),
    /// The database has another schema than this padan.
    #[error("the database does not have this padan's schema: {0}")]
    Schema(String),
    /// A setting that cannot work.
    #[error("{0}")]
    Settings(String),
    /// A value that the database does not take, such as a text with a zero byte.
    #[error("the database refused the values it was given (code {0})")]
    Refused(String),
    /// An entry that the audit trail does not hold: nothing was written.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The store was closed.
    #[error("the store is closed: padan is stopping")]
    Closed,
    /// Anything else.
    #[error("the database failed (code {0})")]
    Internal(String),
    /// Another transaction was in the way; the store itself tries again.
    #[error("the transaction met another one too often: try again")]
    Conflict,
    /// An entry's month has no partition yet; the store itself makes it.
    #[error("no partition for the month of an audit entry at {0} microseconds")]
    NoPartition(i64),
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's hands on padan.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unavailable(_)
            | Self::Busy
            | Self::TimedOut
            | Self::Unknown
            | Self::Full
            | Self::Conflict => true,
            Self::Damaged(_)
            | Self::Schema(_)
            | Self::Settings(_)
            | Self::Refused(_)
            | Self::Entry(_)
            | Self::Closed
            | Self::Internal(_)
            | Self::NoPartition(_) => false,
        }
    }

    /// Whether the fault may be one change's alone, so that the rest of its group can go on.
    pub(super) fn is_of_one_change(&self) -> bool {
        matches!(
            self,
            Self::Refused(_) | Self::Entry(_) | Self::Internal(_) | Self::Conflict | Self::TimedOut
        )
    }

    /// This, of a commit: a flush that failed may have written it, and so may a server that shut
    /// down before it said so.
    pub(super) fn of_commit(self) -> Self {
        match self {
            Self::Unavailable(_) => Self::Unknown,
            known => known,
        }
    }

    /// The schema is of a later padan.
    pub(super) fn newer_schema() -> Self {
        Self::Schema("it is newer: start the padan that made it, or a newer one".to_owned())
    }

    /// A statement returned nothing that always returns a row.
    pub(super) fn no_row() -> Self {
        Self::Internal("no row".to_owned())
    }

    /// A column that does not hold what padan writes there.
    pub(super) fn column(name: &str) -> Self {
        Self::Damaged(format!("column {name} holds what padan never writes"))
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => Self::Unavailable(error.kind().to_string()),
            Error::Tls(_) => Self::Unavailable("TLS failed".to_owned()),
            Error::PoolTimedOut => Self::Unavailable("no connection in time".to_owned()),
            Error::PoolClosed => Self::Closed,
            Error::ColumnDecode { index, .. } => Self::column(&index),
            Error::Migrate(error) => Self::Schema(error.to_string()),
            Error::Database(error) => of_sqlstate(error.code().as_deref().unwrap_or("none")),
            Error::Configuration(_) => Self::Settings("the database's address is wrong".to_owned()),
            _ => Self::Internal("driver".to_owned()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(error, _)
            | rusqlite::Error::SqlInputError { error, .. } => of_sqlite(error.extended_code),
            rusqlite::Error::FromSqlConversionFailure(at, ..)
            | rusqlite::Error::InvalidColumnType(at, ..)
            | rusqlite::Error::Utf8Error(at, _) => Self::column(&at.to_string()),
            _ => Self::Internal("driver".to_owned()),
        }
    }
}

/// Writing a file: refused for another reason than space, such as the file's size.
const IOERR_WRITE: i32 = 0x030a;
/// On the file that SQLite's processes share as memory: it cannot grow.
const IOERR_SHMSIZE: i32 = 0x130a;

/// SQLite's extended result codes, whose lowest byte is the kind.
fn of_sqlite(code: i32) -> StoreError {
    if let IOERR_WRITE | IOERR_SHMSIZE = code {
        return StoreError::Full;
    }
    match code & 0xff {
        5 | 6 => StoreError::Busy,
        13 => StoreError::Full,
        11 | 26 => StoreError::Damaged(format!("SQLite code {code}")),
        8 | 10 | 14 => StoreError::Unavailable(format!("SQLite code {code}")),
        18..=20 | 25 => StoreError::Refused(code.to_string()),
        _ => StoreError::Internal(code.to_string()),
    }
}

/// PostgreSQL's codes of five characters (its manual, appendix A).
fn of_sqlstate(code: &str) -> StoreError {
    match code {
        "40001" | "40P01" => StoreError::Conflict,
        // 55P03: the wait for a lock was over. Another try would wait as long again.
        "57014" | "55P03" => StoreError::TimedOut,
        "53100" => StoreError::Full,
        "53300" => StoreError::Busy,
        "XX001" | "XX002" => StoreError::Damaged(format!("PostgreSQL code {code}")),
        // Also what a server says that has fallen back to reading, as after a failover.
        "25006" | "3D000" => StoreError::Unavailable(format!("PostgreSQL code {code}")),
        _ if code.starts_with("08") || code.starts_with("57P") || code.starts_with("28") => {
            StoreError::Unavailable(format!("PostgreSQL code {code}"))
        }
        _ if code.starts_with("22") || code.starts_with("23") => {
            StoreError::Refused(code.to_owned())
        }
        _ => StoreError::Internal(code.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_told_from_what_cannot_be_reached() {
        let unreachable = |code: &str| StoreError::Unavailable(format!("SQLite code {code}"));
        for (code, error) in [
            (13, StoreError::Full),
            (778, StoreError::Full),
            (4874, StoreError::Full),
            // A read, and a flush: what the flush left on the disk is not known.
            (266, unreachable("266")),
            (1034, unreachable("1034")),
        ] {
            assert_eq!(of_sqlite(code), error, "{code}");
        }
        assert_eq!(of_sqlstate("53100"), StoreError::Full);
    }

    #[test]
    fn a_commit_that_may_have_been_written_is_not_called_unwritten() {
        // SQLite's flush, and a server of PostgreSQL that shuts down.
        for error in [of_sqlite(1034), of_sqlstate("57P01")] {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
            assert_eq!(error.of_commit(), StoreError::Unknown);
        }
        assert_eq!(of_sqlite(13).of_commit(), StoreError::Full);
    }

    #[test]
    fn what_waited_long_enough_is_not_tried_again_at_once() {
        for (code, error) in [
            ("40001", StoreError::Conflict),
            ("40P01", StoreError::Conflict),
            ("55P03", StoreError::TimedOut),
            ("57014", StoreError::TimedOut),
        ] {
            assert_eq!(of_sqlstate(code), error, "{code}");
        }
    }
}

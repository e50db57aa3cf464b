//! Connections to a file, and its schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use rusqlite_migration::{Error, M, MigrationDefinitionError, Migrations};

use crate::digest::sha256_hex;
use crate::store::StoreError;

/// Says that a file is padan's, in the header that `file` reads: "pada".
const APPLICATION_ID: i32 = 0x7061_6461;
/// More than there are statements.
const STATEMENTS_KEPT: usize = 256;

/// The connection that writes, to a file that is made when it is missing and has the schema then.
pub(super) fn first(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    make_private(path)?;
    let mut connection = connect(path, busy_timeout)?;
    check_is_ours(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// One that reads.
pub(super) fn reader(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let connection = connect(path, busy_timeout)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Makes an empty file that only its owner may read; SQLite gives the files beside it the same
/// rights.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    file.map(drop)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))
}

fn connect(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    // A connection is used by one thread at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // An answer means durable, also after a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A destroyed key must not live on in a free page.
    connection.pragma_update(None, "secure_delete", true)?;
    // Sorting must not leave rows in a temporary file.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// A file of padan's, or an empty one. Until this is known, nothing is written.
fn check_is_ours(connection: &Connection) -> Result<(), StoreError> {
    const TABLES: &str = "SELECT COUNT(*) FROM sqlite_schema";
    let application_id: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row(TABLES, [], |row| row.get(0))?;
    if tables == 0 || application_id == APPLICATION_ID {
        return Ok(());
    }
    Err(StoreError::Schema(
        "the file is another program's database, or one of padan before its first release: name \
         another file"
            .to_owned(),
    ))
}

/// By number, from 1. The database keeps the digest of each: a file that another text made has
/// another schema.
const MIGRATIONS: [(u32, &str); 1] = [(1, include_str!("../migrations/sqlite/0001_first.sql"))];

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    const KEEP: &str = "INSERT INTO migrations (version, sha256) VALUES (?1, ?2)";
    let steps = MIGRATIONS.map(|(version, text)| {
        M::up_with_hook(text, move |transaction| {
            transaction.execute(KEEP, (version, sha256_hex(text.as_bytes())))?;
            Ok(())
        })
    });
    let migrated = Migrations::new(steps.into()).to_latest(connection);
    migrated.map_err(|error| match error {
        Error::RusqliteError { err, .. } => err.into(),
        Error::MigrationDefinition(MigrationDefinitionError::DatabaseTooFarAhead) => {
            StoreError::newer_schema()
        }
        error => StoreError::Schema(error.to_string()),
    })?;
    MIGRATIONS
        .iter()
        .try_for_each(|(version, text)| check_made_by(connection, *version, text))
}

fn check_made_by(connection: &Connection, version: u32, text: &str) -> Result<(), StoreError> {
    const KEPT: &str = "SELECT sha256 FROM migrations WHERE version = ?1";
    let kept: Option<String> = connection
        .query_row(KEPT, [version], |row| row.get(0))
        .optional()?;
    if kept == Some(sha256_hex(text.as_bytes())) {
        return Ok(());
    }
    Err(StoreError::Schema(format!(
        "migration {version} had another text when the database was made: start the padan that \
         made it"
    )))
}

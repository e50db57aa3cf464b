//! From settings to connections on a database of the right schema.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, SqlSafeStr};

use super::error::StoreError;
use super::sql::Pool;
use super::sqlite::Sqlite;
use crate::audit::WriterId;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// One file (and its `-wal` and `-shm` beside it), made when it is missing.
    Sqlite(PathBuf),
    /// An address such as `postgres://padan@db.example/padan?sslmode=verify-full`. The password
    /// may also come from a `.pgpass` file.
    Postgres(String),
}

/// An address may hold a password.
impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => formatter.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => formatter.write_str("Postgres(…)"),
        }
    }
}

/// How to use the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is.
    pub location: Location,
    /// The name of this process's chain of audit entries, such as its host's name: one chain for
    /// each replica.
    pub writer: WriterId,
    /// Connections at most, at least 2.
    pub connections_max: u32,
    /// How long a call waits for a connection, and a writer of SQLite for another process.
    pub acquire_timeout: Duration,
    /// How long a statement may run (PostgreSQL).
    pub statement_timeout: Duration,
    /// Writes that may wait at a time; more are refused at once as [`StoreError::Busy`].
    pub waiting_max: usize,
}

impl Settings {
    /// The defaults: 8 connections, 5 s, 5 s, 1024 waiting writes.
    #[must_use]
    pub fn new(location: Location, writer: WriterId) -> Self {
        Self {
            location,
            writer,
            connections_max: 8,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            waiting_max: 1024,
        }
    }

    /// # Errors
    ///
    /// [`StoreError::Settings`] names the first setting that cannot work.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let wrong = |why: &str| Err(StoreError::Settings(why.to_owned()));
        if self.connections_max < 2 {
            return wrong("the store needs at least 2 connections: one writes, one reads");
        }
        if self.waiting_max == 0 {
            return wrong("at least one write must be allowed to wait");
        }
        if self.statement_timeout.is_zero() || self.acquire_timeout.is_zero() {
            return wrong("a time-out of the store must be longer than 0");
        }
        Ok(())
    }
}

/// Connects, and brings the schema up to date.
pub(super) async fn open(settings: &Settings) -> Result<Pool, StoreError> {
    settings.check()?;
    match &settings.location {
        Location::Sqlite(path) => {
            let readers_max = settings.connections_max - 1;
            let opened = Sqlite::open(path, readers_max, settings.acquire_timeout);
            opened.await.map(Pool::Sqlite)
        }
        Location::Postgres(address) => open_postgres(address, settings).await,
    }
}

async fn open_postgres(address: &str, settings: &Settings) -> Result<Pool, StoreError> {
    let milliseconds = settings.statement_timeout.as_millis().to_string();
    let options = PgConnectOptions::from_str(address)?
        .application_name("padan")
        .options([
            ("statement_timeout", milliseconds.as_str()),
            ("lock_timeout", &milliseconds),
            // A replica that hangs must not hold its locks for ever.
            ("idle_in_transaction_session_timeout", &milliseconds),
            // An answer means durable, whatever the server's default is.
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
        ])
        .disable_statement_logging();
    migrate_postgres(&options, settings).await?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.acquire_timeout)
        .connect_with(options)
        .await?;
    Ok(Pool::Postgres(pool))
}

/// Over a connection of its own without time limits: a migration of a full database takes what it
/// takes, and so does waiting for another replica's. sqlx takes the advisory lock.
async fn migrate_postgres(
    options: &PgConnectOptions,
    settings: &Settings,
) -> Result<(), StoreError> {
    let unlimited = options
        .clone()
        .options([("statement_timeout", "0"), ("lock_timeout", "0")]);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(settings.acquire_timeout)
        .connect_with(unlimited)
        .await?;
    let result = migrations().run(&pool).await.map_err(schema);
    // Also gives back the advisory lock when a migration failed.
    pool.close().await;
    result
}

fn migrations() -> Migrator {
    let first = include_str!("migrations/postgres/0001_first.sql");
    Migrator::with_migrations(vec![Migration::new(
        1,
        Cow::Borrowed("first"),
        MigrationType::Simple,
        first.into_sql_str(),
        false,
    )])
}

fn schema(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(_) => StoreError::newer_schema(),
        error => StoreError::Schema(error.to_string()),
    }
}

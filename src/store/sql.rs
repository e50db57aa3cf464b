//! Two databases behind one set of calls, so that each statement stands once.
//!
//! Both take `$1` as a parameter and know `ON CONFLICT` and `RETURNING`. Statements are prepared
//! and kept by the connection; values never become part of a statement's text.

use std::time::{Duration, Instant};

use sqlx::postgres::{PgPool, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqlitePool, SqliteRow};
use sqlx::{Decode, Row as _, Type};

use super::error::StoreError;
use crate::subject::SubjectHash;

/// Tries to empty SQLite's log.
const CHECKPOINT_TRIES: u32 = 5;
/// Between two of them.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(20);
/// No further try after this: a reader that stays so long was already waited for.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(1);

/// A value of one of the three kinds of columns.
#[derive(Clone)]
pub(super) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($kind:ident: $type:ty, |$value:ident| $make:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::$kind($make)
            }
        }
    )*};
}

value_from! {
    Int: i64, |value| Some(value);
    Int: Option<i64>, |value| value;
    // Counters and versions: none gets near 2^63.
    Int: u64, |value| Some(i64::try_from(value).unwrap_or(i64::MAX));
    Int: u32, |value| Some(value.into());
    Int: usize, |value| Some(i64::try_from(value).unwrap_or(i64::MAX));
    Text: &str, |value| Some(value.to_owned());
    Text: &String, |value| Some(value.clone());
    Text: &Option<String>, |value| value.clone();
    Text: Option<&str>, |value| value.map(str::to_owned);
    Bytes: &Vec<u8>, |value| Some(value.clone());
    Bytes: &Option<Vec<u8>>, |value| value.clone();
    Bytes: &[u8; 32], |value| Some(value.to_vec());
    Bytes: &[u8; 16], |value| Some(value.to_vec());
    Bytes: SubjectHash, |value| Some(value.as_bytes().to_vec());
    Bytes: Option<SubjectHash>, |value| value.map(|subject| subject.as_bytes().to_vec());
}

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::sql::Value::from($value)),*] };
}
pub(super) use values;

/// A row of either database; columns are numbered from 0.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    fn get<T>(&self, at: usize) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(at)?,
            Self::Postgres(row) => row.try_get(at)?,
        })
    }

    pub fn int(&self, at: usize) -> Result<i64, StoreError> {
        self.get(at)
    }

    pub fn int_or_null(&self, at: usize) -> Result<Option<i64>, StoreError> {
        self.get(at)
    }

    /// A counter or a version.
    pub fn count(&self, at: usize) -> Result<u64, StoreError> {
        u64::try_from(self.int(at)?).map_err(|_| StoreError::column("of a counter"))
    }

    pub fn text(&self, at: usize) -> Result<String, StoreError> {
        self.get(at)
    }

    pub fn text_or_null(&self, at: usize) -> Result<Option<String>, StoreError> {
        self.get(at)
    }

    pub fn bytes(&self, at: usize) -> Result<Vec<u8>, StoreError> {
        self.get(at)
    }

    pub fn bytes_or_null(&self, at: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(at)
    }

    pub fn hash(&self, at: usize) -> Result<[u8; 32], StoreError> {
        <[u8; 32]>::try_from(self.bytes(at)?).map_err(|_| StoreError::column("of a hash"))
    }

    pub fn subject(&self, at: usize) -> Result<SubjectHash, StoreError> {
        self.hash(at).map(SubjectHash::from_bytes)
    }
}

/// A statement with its values bound, for either database.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

/// Connections to one of the databases.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    /// SQLite has one writer at a time, so one connection writes; readers never wait for it.
    Sqlite {
        read: SqlitePool,
        write: SqlitePool,
    },
    Postgres(PgPool),
}

impl Pool {
    /// All rows of a reading statement.
    pub async fn rows(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite { read, .. } => {
                let rows = bound!(sql, values).fetch_all(read).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(pool) => {
                let rows = bound!(sql, values).fetch_all(pool).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    /// The first row of a reading statement.
    pub async fn row(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// A transaction that may write.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            // Takes the write lock at once: a lock taken later could be refused without waiting.
            Self::Sqlite { write, .. } => {
                Transaction::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?)
            }
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// Empties SQLite's write-ahead log into the file, so that what was overwritten is gone from
    /// both (the file itself overwrites, by `secure_delete`). PostgreSQL keeps it until its own
    /// vacuum and the recycling of its log.
    ///
    /// # Errors
    ///
    /// When the database fails. A log that stays in use is no error: the next call empties it.
    pub async fn forget_overwritten(&self) -> Result<(), StoreError> {
        let Self::Sqlite { write, .. } = self else {
            return Ok(());
        };
        let started = Instant::now();
        for _ in 0..CHECKPOINT_TRIES {
            // Waits, as long as the busy time-out, for readers to leave the log, but not for
            // another checkpoint, such as a backup's.
            let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(write)
                .await?;
            // The first column: whether it was kept from ending.
            if row.try_get::<i64, _>(0)? == 0 {
                return Ok(());
            }
            if started.elapsed() > CHECKPOINT_PATIENCE {
                break;
            }
            tokio::time::sleep(CHECKPOINT_PAUSE).await;
        }
        tracing::warn!(
            "SQLite's log is in use, and what was overwritten is still in it: the next checkpoint \
             will remove it"
        );
        Ok(())
    }

    /// Ends all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { read, write } => {
                // The last connection to go empties the write-ahead log into the file.
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction that is rolled back unless committed.
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Runs a statement. Returns the number of rows it changed.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(transaction) => bound!(sql, values)
                .execute(&mut **transaction)
                .await?
                .rows_affected(),
            Self::Postgres(transaction) => bound!(sql, values)
                .execute(&mut **transaction)
                .await?
                .rows_affected(),
        })
    }

    /// The first row that a statement returns.
    pub async fn row(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(transaction) => bound!(sql, values)
                .fetch_optional(&mut **transaction)
                .await?
                .map(Row::Sqlite),
            Self::Postgres(transaction) => bound!(sql, values)
                .fetch_optional(&mut **transaction)
                .await?
                .map(Row::Postgres),
        })
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] when the connection breaks before the database has answered: it may
    /// have committed or not. Any other error means that nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        let result = match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        };
        result.map_err(|error| match error {
            sqlx::Error::Database(_) => match StoreError::from(error) {
                // A server that shuts down may have written the commit before it said so.
                StoreError::Unavailable(_) => StoreError::Unknown,
                known => known,
            },
            _ => StoreError::Unknown,
        })
    }
}

//! Two databases behind one set of calls, so that each statement stands once.
//!
//! Both take `$1` as a parameter and know `ON CONFLICT` and `RETURNING`. Statements are prepared
//! and kept by the connection; values never become part of a statement's text.

use rusqlite::types::FromSql;
use sqlx::postgres::{PgPool, PgRow, Postgres};
use sqlx::{Decode, Row as _, Type};

use super::error::StoreError;
use super::sqlite::{self, Sqlite};
use crate::subject::SubjectHash;

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

/// A statement with its values.
pub(super) struct Statement {
    /// Its text, with `$1` for the first value.
    pub sql: &'static str,
    pub values: Vec<Value>,
}

impl Statement {
    pub fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values }
    }
}

/// A row of either database; columns are numbered from 0.
pub(super) enum Row {
    Sqlite(Vec<rusqlite::types::Value>),
    Postgres(PgRow),
}

impl Row {
    fn get<T>(&self, at: usize) -> Result<T, StoreError>
    where
        T: FromSql + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Self::Sqlite(row) => {
                let held = row.get(at).map(|held| T::column_result(held.into()));
                match held {
                    Some(Ok(value)) => Ok(value),
                    _ => Err(StoreError::column(&at.to_string())),
                }
            }
            Self::Postgres(row) => Ok(row.try_get(at)?),
        }
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

/// A statement with its values bound, for PostgreSQL.
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

fn first(rows: Vec<Row>) -> Option<Row> {
    rows.into_iter().next()
}

/// Connections to one of the databases.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    Sqlite(Sqlite),
    Postgres(PgPool),
}

impl Pool {
    /// All rows of a reading statement.
    pub async fn rows(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => {
                let [rows] = sqlite.rows([Statement::new(sql, values)]).await?;
                Ok(rows)
            }
            Self::Postgres(pool) => {
                let rows = bound!(sql, values).fetch_all(pool).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The first row of a reading statement.
    pub async fn row(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(first(self.rows(sql, values).await?))
    }

    /// The first rows that four reading statements return, asked in the time of one.
    pub async fn four_rows(
        &self,
        statements: [Statement; 4],
    ) -> Result<[Option<Row>; 4], StoreError> {
        if let Self::Sqlite(sqlite) = self {
            return Ok(sqlite.few_rows(statements).await?.map(first));
        }
        let [a, b, c, d] = statements.map(|asked| self.row(asked.sql, asked.values));
        let (a, b, c, d) = tokio::try_join!(a, b, c, d)?;
        Ok([a, b, c, d])
    }

    /// A transaction that may write.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Ok(match self {
            Self::Sqlite(sqlite) => Transaction::Sqlite(sqlite.begin().await?),
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// As [`Sqlite::forget_overwritten`]. PostgreSQL keeps what was overwritten until its own
    /// vacuum and the recycling of its log.
    pub async fn forget_overwritten(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.forget_overwritten().await,
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction that is rolled back unless committed.
pub(super) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// Runs a statement. Returns the number of rows it changed.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(transaction) => Ok(transaction.run(sql, &values)?.changed),
            Self::Postgres(transaction) => {
                let done = bound!(sql, values).execute(&mut **transaction).await?;
                Ok(done.rows_affected())
            }
        }
    }

    /// The first row that a statement returns.
    pub async fn row(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Sqlite(transaction) => Ok(first(transaction.run(sql, &values)?.rows)),
            Self::Postgres(transaction) => {
                let query = bound!(sql, values);
                let row = query.fetch_optional(&mut **transaction).await?;
                Ok(row.map(Row::Postgres))
            }
        }
    }

    /// Makes all of it durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unknown`] when the connection breaks before the database has answered, or its
    /// flush failed: it may have committed or not. Any other error means that nothing was written.
    pub async fn commit(self) -> Result<(), StoreError> {
        let result = match self {
            Self::Sqlite(transaction) => transaction.commit(),
            Self::Postgres(transaction) => {
                transaction.commit().await.map_err(|error| match error {
                    sqlx::Error::Database(_) => error.into(),
                    _ => StoreError::Unknown,
                })
            }
        };
        result.map_err(StoreError::of_commit)
    }
}

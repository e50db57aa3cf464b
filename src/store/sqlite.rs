//! SQLite: one connection writes, since it has one writer at a time, and some read, which never
//! wait for it.
//!
//! Its calls keep their thread until they end. Those that read let another thread take over the
//! runtime's work meanwhile; a transaction runs where it is awaited, which is a thread of the
//! writer's own ([`super::group`]). No statement is a way to another thread and back.

mod connect;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, Value as Held, ValueRef};
use rusqlite::{Connection, ToSql};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::error::StoreError;
use super::sql::{Row, Statement, Value};

/// Tries to empty the log.
const CHECKPOINT_TRIES: u32 = 5;
/// Between two of them.
const CHECKPOINT_PAUSE: Duration = Duration::from_millis(20);
/// No further try after this: a reader that stays so long was already waited for.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(1);

/// The connections.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    readers: Arc<Readers>,
    writer: Arc<tokio::sync::Mutex<Option<Connection>>>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    busy_timeout: Duration,
    /// A permit for each connection.
    free: Arc<Semaphore>,
    max: u32,
    /// Those that nobody uses.
    idle: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens the file at `path`, makes it when it is missing, and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// Also for another program's database.
    pub async fn open(
        path: &Path,
        readers_max: u32,
        busy_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let file = path.to_owned();
        let writer = blocking(move || connect::first(&file, busy_timeout)).await?;
        let permits = usize::try_from(readers_max).unwrap_or(Semaphore::MAX_PERMITS);
        let readers = Readers {
            path: path.to_owned(),
            busy_timeout,
            free: Arc::new(Semaphore::new(permits)),
            max: readers_max,
            idle: Mutex::new(Vec::new()),
        };
        Ok(Self {
            readers: Arc::new(readers),
            writer: Arc::new(tokio::sync::Mutex::new(Some(writer))),
        })
    }

    /// All rows of each of some reading statements, of a few rows each, as of one moment.
    ///
    /// On the writer's connection when that is free: its cache has the pages that were written
    /// last, and a reader's is empty after each write.
    pub async fn few_rows<const N: usize>(
        &self,
        statements: [Statement; N],
    ) -> Result<[Vec<Row>; N], StoreError> {
        let writer = Arc::clone(&self.writer).try_lock_owned();
        let Some(writer) = writer.ok().filter(|writer| writer.is_some()) else {
            return self.rows(statements).await;
        };
        blocking(move || {
            let writer = writer.as_ref().ok_or(StoreError::Closed)?;
            Ok(read_all(writer, statements)?)
        })
        .await
    }

    /// All rows of each of some reading statements, as of one moment.
    pub async fn rows<const N: usize>(
        &self,
        statements: [Statement; N],
    ) -> Result<[Vec<Row>; N], StoreError> {
        let permit = self.readers.permit().await?;
        let readers = Arc::clone(&self.readers);
        let read = move || {
            let connection = readers.take()?;
            // After an error the connection is not used again.
            let all = read_all(&connection, statements)?;
            readers.idle().push(connection);
            drop(permit);
            Ok(all)
        };
        blocking(read).await
    }

    /// A transaction that may write.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let connection = self.writer().await?;
        // Takes the write lock at once: a lock taken later could be refused without waiting.
        run(&connection, "BEGIN IMMEDIATE", &[])?;
        Ok(Transaction { connection })
    }

    async fn writer(&self) -> Result<Writer, StoreError> {
        let connection = Arc::clone(&self.writer).lock_owned().await;
        OwnedMutexGuard::try_map(connection, Option::as_mut).map_err(|_| StoreError::Closed)
    }

    /// Empties the write-ahead log into the file, so that what was overwritten is gone from both:
    /// the file itself overwrites, by `secure_delete`.
    ///
    /// # Errors
    ///
    /// When the database fails. A log that stays in use is no error: the next call empties it.
    pub async fn forget_overwritten(&self) -> Result<(), StoreError> {
        let started = Instant::now();
        for _ in 0..CHECKPOINT_TRIES {
            let writer = self.writer().await?;
            // Waits, as long as the busy time-out, for readers to leave the log, but not for
            // another checkpoint, such as a backup's.
            let checkpoint = move || {
                let done = run(&writer, "PRAGMA wal_checkpoint(TRUNCATE)", &[])?;
                let row = done.rows.first().ok_or_else(StoreError::no_row)?;
                // The first column: whether it was kept from ending.
                Ok(row.int(0)? == 0)
            };
            if blocking(checkpoint).await? {
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

    /// Ends all connections, once they are free.
    pub async fn close(&self) {
        // An error means that they were closed before.
        let Ok(all) = self.readers.free.acquire_many(self.readers.max).await else {
            return;
        };
        let idle = std::mem::take(&mut *self.readers.idle());
        let writer = self.writer.lock().await.take();
        self.readers.free.close();
        drop(all);
        // The last connection to go empties the write-ahead log into the file.
        let ended = blocking(move || {
            drop(idle);
            drop(writer);
            Ok(())
        });
        if let Err(error) = ended.await {
            tracing::warn!(%error, "the database was not closed in order; nothing is lost");
        }
    }
}

impl Readers {
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let permit = Arc::clone(&self.free).acquire_owned();
        match tokio::time::timeout(self.busy_timeout, permit).await {
            Ok(permit) => permit.map_err(|_| StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable("no connection in time".to_owned())),
        }
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        Ok(connect::reader(&self.path, self.busy_timeout)?)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // Nothing panics while it is held that could leave it in between.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Writer = OwnedMappedMutexGuard<Option<Connection>, Connection>;

/// A transaction that is rolled back unless committed. Its calls keep their thread.
pub(super) struct Transaction {
    connection: Writer,
}

impl Transaction {
    /// Runs a statement.
    pub fn run(&mut self, sql: &str, values: &[Value]) -> Result<Done, StoreError> {
        Ok(run(&self.connection, sql, values)?)
    }

    /// Makes all of it durable.
    pub fn commit(self) -> Result<(), StoreError> {
        run(&self.connection, "COMMIT", &[])?;
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SQLite rolls back by itself when it cannot write, as on a full disk.
        if !self.connection.is_autocommit()
            && let Err(error) = run(&self.connection, "ROLLBACK", &[])
        {
            let error = StoreError::from(error);
            tracing::warn!(%error, "a transaction was not rolled back; the next one will fail");
        }
    }
}

/// What a statement did.
pub(super) struct Done {
    /// The number of rows it changed. Means nothing after a statement that only reads.
    pub changed: u64,
    /// The rows it returned.
    pub rows: Vec<Row>,
}

/// Reads with several statements as of one moment.
fn read_all<const N: usize>(
    connection: &Connection,
    statements: [Statement; N],
) -> rusqlite::Result<[Vec<Row>; N]> {
    // Also ended when a statement fails: the connection may be the writer's.
    let moment = connection.unchecked_transaction()?;
    let mut all = [const { Vec::new() }; N];
    for (rows, Statement { sql, values }) in all.iter_mut().zip(statements) {
        *rows = run(connection, sql, &values)?.rows;
    }
    moment.commit()?;
    Ok(all)
}

/// Runs a statement to its end.
fn run(connection: &Connection, sql: &str, values: &[Value]) -> rusqlite::Result<Done> {
    let mut statement = connection.prepare_cached(sql)?;
    for at in 1..=statement.parameter_count() {
        // To SQLite `$1` is a name.
        let number = statement.parameter_name(at).and_then(number_of);
        let value = number.and_then(|number| values.get(number - 1));
        let value = value.ok_or(rusqlite::Error::InvalidParameterCount(at, values.len()))?;
        statement.raw_bind_parameter(at, value)?;
    }
    let columns = statement.column_count();
    let mut found = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let row = (0..columns).map(|at| row.get::<_, Held>(at));
        rows.push(Row::Sqlite(row.collect::<rusqlite::Result<_>>()?));
    }
    Ok(Done {
        changed: connection.changes(),
        rows,
    })
}

/// The number in `$1`; none in anything else.
fn number_of(parameter: &str) -> Option<usize> {
    let number = parameter.strip_prefix('$')?.parse().ok()?;
    (number > 0).then_some(number)
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(value) => value.map(ValueRef::Integer),
            Self::Text(value) => value.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Bytes(value) => value.as_ref().map(|bytes| ValueRef::Blob(bytes)),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

/// Runs `work` where it keeps nobody waiting.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        // Another thread takes over this one's other tasks, and no way to it and back is waited
        // for.
        return tokio::task::block_in_place(work);
    }
    let done = tokio::task::spawn_blocking(work).await;
    // It panicked, or the runtime ends.
    done.unwrap_or_else(|_| Err(StoreError::Internal("task".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::values;

    #[test]
    fn a_parameter_is_bound_by_its_number() {
        let connection = Connection::open_in_memory().expect("opens");
        let values = values![7_i64, "b", None::<i64>];
        let read = |sql: &str| run(&connection, sql, &values);
        let done = read("SELECT $2, $1, $2, $3").expect("runs");
        let row = done.rows.first().expect("a row");
        assert_eq!(row.text(0), Ok("b".to_owned()));
        assert_eq!(row.int(1), Ok(7));
        assert_eq!(row.text_or_null(2), Ok(Some("b".to_owned())));
        assert_eq!(row.int_or_null(3), Ok(None));
        for wrong in ["SELECT $4", "SELECT $0", "SELECT :name", "SELECT ?"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_question_that_fails_keeps_nobody_from_writing() {
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite = Sqlite::open(&folder.path().join("a.db"), 1, Duration::from_secs(5)).await;
        let sqlite = sqlite.expect("opens");
        for _ in 0..2 {
            let asked = ["SELECT 1", "SELECT nothing FROM nowhere"];
            let asked = asked.map(|sql| Statement::new(sql, Vec::new()));
            assert!(sqlite.few_rows(asked).await.is_err());
            let transaction = sqlite.begin().await.expect("begins");
            transaction.commit().expect("commits");
        }
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_keeps_nobody_from_writing() {
        const WRITE: &str = "INSERT INTO meta (name, value) VALUES ('a', 'b')";
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite = Sqlite::open(&folder.path().join("a.db"), 1, Duration::from_secs(5)).await;
        let sqlite = sqlite.expect("opens");
        for _ in 0..2 {
            let mut transaction = sqlite.begin().await.expect("begins");
            // The second time too: what was dropped was not written.
            assert_eq!(transaction.run(WRITE, &[]).map(|done| done.changed), Ok(1));
        }
    }

    #[test]
    fn a_text_that_is_none_is_called_damage() {
        let connection = Connection::open_in_memory().expect("opens");
        let read = run(&connection, "SELECT CAST(X'ff' AS TEXT)", &[]);
        let error = read.map(drop).expect_err("is no text");
        assert!(matches!(error.into(), StoreError::Damaged(_)));
    }

    #[test]
    fn a_column_of_another_kind_is_an_error() {
        let connection = Connection::open_in_memory().expect("opens");
        let done = run(&connection, "SELECT 'text', NULL, X'00'", &[]).expect("runs");
        let row = done.rows.first().expect("a row");
        for at in 0..3 {
            assert!(matches!(row.int(at), Err(StoreError::Damaged(_))), "{at}");
        }
        // There is no such column.
        assert!(row.int(3).is_err());
    }
}

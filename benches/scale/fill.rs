//! Many subjects with their references, put into a database by SQL.

use padan::store::Location;
use padan::subject::SubjectHash;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

/// Bytes of a sealed template of 128 numbers: format, numbers, tag.
const CIPHERTEXT_BYTES: u32 = 1 + 4 * 128 + 16;

/// The contract of the filled references.
pub const CONTRACT: &str = "sface_2021dec_int8:0123456789abcdef";

/// A connection beside the store's.
pub enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Database {
    pub async fn connect(location: &Location) -> Self {
        match location {
            Location::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).expect("opens");
                // Filling need not survive a power cut.
                let fast = "PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;";
                connection.execute_batch(fast).expect("is set");
                Self::Sqlite(connection)
            }
            Location::Postgres(address) => {
                let mut connection = PgConnection::connect(address).await.expect("connects");
                let fast = "SET synchronous_commit = off";
                connection.execute(fast).await.expect("is set");
                Self::Postgres(connection)
            }
        }
    }

    async fn run(&mut self, sql: String) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(&sql).expect("runs"),
            Self::Postgres(connection) => {
                let done = connection.execute(AssertSqlSafe(sql)).await;
                done.map(drop).expect("runs");
            }
        }
    }

    /// Adds `count` subjects with a reference each, in the order of their keys, as a bulk import
    /// would sort them.
    pub async fn add(&mut self, count: u64) {
        let (numbers, random): (String, fn(u32) -> String) = match self {
            Self::Sqlite(_) => (sqlite_subjects(count), |bytes| {
                format!("randomblob({bytes})")
            }),
            Self::Postgres(_) => (postgres_subjects(count), postgres_bytes),
        };
        self.run(format!(
            "CREATE TEMPORARY TABLE added AS SELECT subject FROM {numbers} ORDER BY subject"
        ))
        .await;
        self.run(format!(
            "INSERT INTO subjects (subject, wrapped_key, master_key, status, version, keyed_us, \
             updated_us) SELECT subject, {}, '0123456789abcdef', 'active', 1, 1, 1 FROM added",
            random(60)
        ))
        .await;
        self.run(format!(
            "INSERT INTO face_references (subject, contract_id, row_version, nonce, ciphertext, \
             captured_on, source, quality, created_us) SELECT subject, '{CONTRACT}', 1, {}, {}, \
             '2014-05-20', 'REGISTRY', 'GOOD', 1 FROM added",
            random(12),
            random(CIPHERTEXT_BYTES)
        ))
        .await;
        self.run("DROP TABLE added".to_owned()).await;
    }

    /// Brings the database to rest, so that what is measured is not the filling's aftermath.
    pub async fn settle(&mut self) {
        let sql = match self {
            Self::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;",
            Self::Postgres(_) => "VACUUM ANALYZE",
        };
        self.run(sql.to_owned()).await;
        if let Self::Postgres(_) = self {
            self.run("CHECKPOINT".to_owned()).await;
        }
    }

    /// Bytes of the whole database (PostgreSQL).
    pub async fn bytes(&mut self) -> u64 {
        let Self::Postgres(connection) = self else {
            panic!("SQLite is a file");
        };
        let sql = "SELECT pg_database_size(current_database())";
        let row = connection.fetch_one(sql).await.expect("a row");
        u64::try_from(row.get::<i64, _>(0)).expect("not negative")
    }

    /// Subjects spread over all keys.
    pub async fn sample_subjects(&mut self) -> Vec<SubjectHash> {
        let mut sample = Vec::new();
        for first in 0..=255u8 {
            let sql = |prefix: &str, suffix: &str| {
                format!(
                    "SELECT subject FROM subjects WHERE subject >= {prefix}{first:02x}{suffix} \
                     ORDER BY subject LIMIT 40"
                )
            };
            let blobs: Vec<Vec<u8>> = match self {
                Self::Sqlite(connection) => {
                    let mut statement = connection.prepare(&sql("x'", "'")).expect("prepares");
                    let blobs = statement.query_map([], |row| row.get(0)).expect("rows");
                    blobs.collect::<rusqlite::Result<_>>().expect("rows")
                }
                Self::Postgres(connection) => {
                    let rows = connection
                        .fetch_all(AssertSqlSafe(sql("'\\x", "'::bytea")))
                        .await;
                    rows.expect("rows").iter().map(|row| row.get(0)).collect()
                }
            };
            let hash = |blob: Vec<u8>| SubjectHash::from_bytes(blob.try_into().expect("32 bytes"));
            sample.extend(blobs.into_iter().map(hash));
        }
        sample
    }
}

fn sqlite_subjects(count: u64) -> String {
    format!(
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         SELECT randomblob(32) AS subject FROM n)"
    )
}

fn postgres_subjects(count: u64) -> String {
    format!(
        "(SELECT sha256(convert_to(random()::text || i, 'UTF8')) AS subject \
         FROM generate_series(1, {count}) AS i) AS n"
    )
}

/// Bytes that do not compress: hashes made of the subject.
fn postgres_bytes(bytes: u32) -> String {
    let parts: Vec<String> = (0..bytes.div_ceil(64))
        .map(|n| format!("sha512(subject || '\\x{n:02x}'::bytea)"))
        .collect();
    format!("substring({} for {bytes})", parts.join(" || "))
}

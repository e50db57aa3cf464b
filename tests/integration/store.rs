//! The store on both databases: each test below runs on SQLite and on PostgreSQL.

mod append_only;
mod contracts;
mod decisions;
mod evidence;
mod failures;
mod replaced;
mod replicas;
pub mod subjects;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use padan::audit::{Actor, ChainHead, Entry, Event, Text, Timestamp, WriterId};
use padan::store::{
    Attempt, Attempts, Consent, DecisionRecord, Effects, Location, NewReview, Position, Question,
    RequestKey, Settings, SqlStore, Store, StoreError,
};
use padan::subject::SubjectHash;
use sqlx::{Connection as _, Executor as _};

use crate::support::WAIT_MAX;
use crate::support::postgres::{self, Postgres};

/// 22 November 2026, in microseconds.
pub const NOW: i64 = 1_795_305_600_000_000;

/// An empty database of a test's own.
pub enum Home {
    Sqlite(PathBuf),
    Postgres {
        database: String,
        server: Arc<Postgres>,
    },
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("padan_store_{}_{number}", std::process::id())
}

impl Home {
    pub fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(unique());
        std::fs::create_dir(&folder).expect("a new folder");
        Self::Sqlite(folder)
    }

    pub async fn postgres() -> Self {
        let (database, server) = (unique(), postgres::shared());
        let mut connection = sqlx::PgConnection::connect(&server.address("postgres"))
            .await
            .expect("the server of the tests");
        let statement = format!("CREATE DATABASE {database}");
        connection
            .execute(sqlx::AssertSqlSafe(statement))
            .await
            .expect("a new database");
        Self::Postgres { database, server }
    }

    pub fn location(&self) -> Location {
        match self {
            Self::Sqlite(folder) => Location::Sqlite(folder.join("padan.db")),
            Self::Postgres { database, server } => Location::Postgres(server.address(database)),
        }
    }

    /// Where its files lie.
    pub fn folder(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.clone(),
            Self::Postgres { server, .. } => server.folder().to_owned(),
        }
    }

    pub fn settings(&self, writer: &str) -> Settings {
        let mut settings = Settings::new(self.location(), name(writer));
        // Many tests share one machine: none shall depend on its speed.
        settings.acquire_timeout = std::time::Duration::from_mins(1);
        settings.statement_timeout = std::time::Duration::from_mins(1);
        settings
    }

    pub async fn open(&self, writer: &str) -> SqlStore {
        let opened = SqlStore::open(&self.settings(writer)).await;
        opened.expect("the database opens")
    }

    /// A copy of the database, as of a backup. Nobody may have it open.
    pub async fn copy(&self) -> Self {
        match self {
            Self::Sqlite(folder) => {
                let copy = Self::sqlite();
                if let Self::Sqlite(other) = &copy {
                    std::fs::copy(folder.join("padan.db"), other.join("padan.db")).expect("copied");
                }
                copy
            }
            Self::Postgres { database, server } => {
                let (copy, server) = (unique(), Arc::clone(server));
                let mut connection = sqlx::PgConnection::connect(&server.address("postgres"))
                    .await
                    .expect("the server of the tests");
                let statement = format!("CREATE DATABASE {copy} TEMPLATE {database}");
                connection
                    .execute(sqlx::AssertSqlSafe(statement))
                    .await
                    .expect("a copy");
                Self::Postgres {
                    database: copy,
                    server,
                }
            }
        }
    }

    /// Runs statements behind the store's back.
    pub async fn execute(
        &self,
        statements: &'static str,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match self {
            Self::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.join("padan.db"))?;
                connection.busy_timeout(WAIT_MAX)?;
                Ok(connection.execute_batch(statements)?)
            }
            Self::Postgres { database, server } => {
                let address = server.address(database);
                let mut connection = sqlx::PgConnection::connect(&address).await?;
                Ok(connection.execute(statements).await.map(drop)?)
            }
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Self::Sqlite(folder) = self {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Makes a test for each database out of each function.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::store::Home::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&crate::store::Home::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

pub fn subject(number: u8) -> SubjectHash {
    SubjectHash::from_bytes([number; 32])
}

pub fn request(id: &str) -> RequestKey {
    RequestKey {
        caller: "backend".to_owned(),
        id: id.to_owned(),
    }
}

pub fn name(writer: &str) -> WriterId {
    WriterId::new(writer).expect("a name")
}

/// An entry that says `what` was decided.
pub fn entry(what: &str) -> Entry {
    let time = Timestamp::from_microseconds(NOW).expect("a time");
    let actor = Actor {
        certificate: None,
        role: Text::fitted("backend"),
    };
    let mut entry = Entry::new(Event::Verification, time, actor, name("any"));
    entry.decision = Some(Text::fitted(what));
    entry
}

/// An entry that also says whom and which request it is about.
pub fn entry_of(what: &str, whom: SubjectHash, request: &RequestKey) -> Entry {
    let mut entry = entry(what);
    entry.subject = Some(whom);
    entry.office = Some(Text::fitted("3174"));
    entry.actor.certificate = Some(Text::fitted(&request.caller));
    entry.request = Some(Text::fitted(&request.id));
    entry
}

/// A decision without a comparison, about `whom`.
pub fn decision(id: &str, whom: SubjectHash) -> DecisionRecord {
    let request = request(id);
    DecisionRecord {
        effects: Effects {
            entry: entry_of("decided", whom, &request),
            reply: format!("reply to {id}").into_bytes(),
            review: None,
        },
        request,
        body_digest: [1; 32],
        at_us: NOW,
        attempt: None,
        consent: None,
        opened: None,
    }
}

/// A decision after a comparison: 3 a session, 5 a day.
pub fn comparison(id: &str, whom: SubjectHash, session: &str) -> DecisionRecord {
    let decision = decision(id, whom);
    DecisionRecord {
        attempt: Some(Attempt {
            session: session.to_owned(),
            session_max: 3,
            subject: whom,
            day: 20_779,
            day_max: 5,
        }),
        ..decision
    }
}

/// The comparisons counted so far.
pub async fn attempts(
    store: &dyn Store,
    session: &str,
    whom: SubjectHash,
) -> Result<Attempts, StoreError> {
    let consent = Consent {
        subject: whom,
        ..evidence::consent("asks")
    };
    let question = Question {
        request: request("asks"),
        body_digest: [0; 32],
        consent,
        session: session.to_owned(),
        day: 20_779,
        contracts: vec![String::new()],
    };
    Ok(store.known(&question).await?.attempts)
}

pub fn review(id: &str, whom: SubjectHash) -> NewReview {
    NewReview {
        id: id.to_owned(),
        subject: whom,
        office: "3174".to_owned(),
        captured_by: "operator".to_owned(),
        purpose: "ACTIVATION".to_owned(),
        device: "laptop-1".to_owned(),
        reasons: "BORDERLINE".to_owned(),
        evidence: Some(vec![7; 9]),
        created_us: NOW,
    }
}

/// All entries of a writer's chain, after a check of every hash and number in it.
pub async fn whole_chain(store: &dyn Store, writer: &str) -> Vec<Entry> {
    const PAGE: u32 = 10_000;
    let writer = name(writer);
    let mut head = ChainHead::empty(writer.clone());
    let mut entries = Vec::new();
    loop {
        let from = head.sequence + 1;
        let page = store.chain(&writer, from, PAGE).await.expect("readable");
        for found in &page {
            let entry = Entry::parse(&found.text).expect("canonical");
            entries.push(entry.clone());
            let link = head.append(entry).expect("fits");
            let position = Position {
                writer: writer.clone(),
                sequence: link.sequence,
            };
            assert_eq!((&found.position, &found.text), (&position, &link.text));
            assert_eq!(found.hash, link.hash);
        }
        if page.is_empty() {
            break;
        }
    }
    let heads = store.heads().await.expect("readable");
    assert!(heads.contains(&head), "the head is not the last entry");
    entries
}

/// What a writer's whole chain says was decided.
pub async fn intact_chain(store: &dyn Store, writer: &str) -> Vec<String> {
    let entries = whole_chain(store, writer).await;
    let decided = entries.iter().map(|entry| entry.decision.as_ref());
    decided.map(|it| it.expect("is said").to_string()).collect()
}

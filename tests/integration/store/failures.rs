//! Databases that are gone, damaged, newer or slow: a clear error, and recovery without hands.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use padan::store::{CommitOutcome, Location, Settings, SqlStore, Store, StoreError};

use super::{Home, decision, entry, intact_chain, name, on_both, subject};
use crate::support::eventually;
use crate::support::postgres::Postgres;

on_both!(
    a_newer_schema_is_refused,
    a_changed_migration_is_refused,
    a_closed_store_says_so,
    more_than_may_wait_is_refused_at_once,
    a_text_the_database_cannot_hold_fails_alone,
    settings_that_cannot_work_are_refused,
    what_waits_is_written_before_the_end,
);

async fn refusal(settings: &Settings) -> StoreError {
    let opened = SqlStore::open(settings).await;
    opened.expect_err("does not open")
}

async fn a_newer_schema_is_refused(home: &Home) {
    home.open("a").await.close().await;
    home.execute(match home {
        Home::Sqlite(_) => "PRAGMA user_version = 99",
        Home::Postgres { .. } => {
            "INSERT INTO _sqlx_migrations
                (version, description, success, checksum, execution_time)
            VALUES (99, 'later', TRUE, 'x', 0)"
        }
    })
    .await
    .expect("a newer padan may");
    let error = refusal(&home.settings("a")).await;
    assert!(matches!(error, StoreError::Schema(_)));
    assert!(error.to_string().contains("newer"), "{error}");
}

async fn a_changed_migration_is_refused(home: &Home) {
    home.open("a").await.close().await;
    home.execute(match home {
        Home::Sqlite(_) => "UPDATE migrations SET sha256 = 'x'",
        Home::Postgres { .. } => "UPDATE _sqlx_migrations SET checksum = 'x'",
    })
    .await
    .expect("somebody did");
    let error = refusal(&home.settings("a")).await;
    assert!(matches!(error, StoreError::Schema(_)), "{error}");
}

#[tokio::test]
async fn another_programs_database_is_left_as_it_is() {
    let home = Home::sqlite();
    // Its own version, which is no version of padan's.
    let statements = "PRAGMA application_id = 1; PRAGMA user_version = 1; CREATE TABLE theirs (a)";
    home.execute(statements).await.expect("made");
    let Location::Sqlite(path) = home.settings("a").location else {
        panic!("is SQLite");
    };
    let before = std::fs::read(&path).expect("is there");
    let error = refusal(&home.settings("a")).await;
    assert!(matches!(error, StoreError::Schema(_)), "{error}");
    assert_eq!(std::fs::read(&path).expect("is there"), before);
}

async fn a_closed_store_says_so(home: &Home) {
    let store = home.open("a").await;
    store.close().await;
    assert_eq!(store.append(entry("late")).await, Err(StoreError::Closed));
    assert_eq!(store.ping().await, Err(StoreError::Closed));
    // Closing twice does not hang.
    store.close().await;
}

async fn more_than_may_wait_is_refused_at_once(home: &Home) {
    let mut settings = home.settings("a");
    settings.waiting_max = 2;
    let store = SqlStore::open(&settings).await.expect("opens");
    let records = (0..100_u8).map(|number| decision(&format!("r{number}"), subject(number)));
    let outcomes = super::decisions::futures(records.map(|record| store.commit(record))).await;
    let busy = outcomes
        .iter()
        .filter(|outcome| **outcome == Err(StoreError::Busy));
    let committed = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(CommitOutcome::Committed(_))));
    let (busy, committed) = (busy.count(), committed.count());
    assert_eq!(busy + committed, 100);
    assert!(
        busy > 0 && committed >= 2,
        "{busy} busy, {committed} committed"
    );
    assert_eq!(intact_chain(&store, "a").await.len(), committed);
}

async fn a_text_the_database_cannot_hold_fails_alone(home: &Home) {
    let store = home.open("a").await;
    let mut records = vec![decision("r1", subject(1)), decision("r2", subject(2))];
    records[0].request.id = String::from("zero \0 byte");
    let commits = records.into_iter().map(|record| store.commit(record));
    let outcomes = super::decisions::futures(commits).await;
    assert!(matches!(outcomes[1], Ok(CommitOutcome::Committed(_))));
    // PostgreSQL refuses it, SQLite holds it.
    match home {
        Home::Sqlite(_) => assert!(outcomes[0].is_ok()),
        Home::Postgres { .. } => assert!(matches!(outcomes[0], Err(StoreError::Refused(_)))),
    }
}

async fn settings_that_cannot_work_are_refused(home: &Home) {
    let change: [fn(&mut Settings); 4] = [
        |settings| settings.connections_max = 1,
        |settings| settings.waiting_max = 0,
        |settings| settings.statement_timeout = Duration::ZERO,
        |settings| settings.acquire_timeout = Duration::ZERO,
    ];
    for change in change {
        let mut settings = home.settings("a");
        change(&mut settings);
        assert!(matches!(refusal(&settings).await, StoreError::Settings(_)));
    }
}

async fn what_waits_is_written_before_the_end(home: &Home) {
    let store = home.open("a").await;
    let appends = (0..100).map(|_| store.append(entry("event")));
    let (outcomes, ()) = tokio::join!(super::decisions::futures(appends), store.close());
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let store = home.open("a").await;
    assert_eq!(intact_chain(&store, "a").await.len(), 100);
}

#[test]
fn an_address_with_a_password_is_not_shown() {
    let location = Location::Postgres("postgres://padan:secret@db.example/padan".to_owned());
    let settings = Settings::new(location, name("a"));
    assert!(!format!("{settings:?}").contains("secret"));
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let home = Home::sqlite();
    let Home::Sqlite(folder) = &home else {
        panic!("is SQLite");
    };
    let store = home.open("a").await;
    store.append(entry("event")).await.expect("appends");
    for file in ["padan.db", "padan.db-wal", "padan.db-shm"] {
        let metadata = std::fs::metadata(folder.join(file)).expect("is there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{file}");
    }
}

/// A closed SQLite file with some hundred entries.
async fn filled() -> (Home, std::path::PathBuf) {
    let home = Home::sqlite();
    let store = home.open("a").await;
    let appends = (0..300).map(|_| store.append(entry("event")));
    super::decisions::futures(appends).await;
    store.close().await;
    let Home::Sqlite(folder) = &home else {
        panic!("is SQLite");
    };
    let file = folder.join("padan.db");
    (home, file)
}

#[tokio::test]
async fn a_truncated_file_is_called_damaged() {
    let (home, file) = filled().await;
    let bytes = std::fs::metadata(&file).expect("is there").len();
    let truncated = std::fs::OpenOptions::new().write(true).open(&file);
    truncated
        .and_then(|file| file.set_len(bytes / 2))
        .expect("truncates");
    let error = refusal(&home.settings("a")).await;
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert!(error.to_string().contains("restore a backup"));
}

#[tokio::test]
async fn a_file_of_another_kind_is_called_damaged() {
    let (home, file) = filled().await;
    let mut opened = std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .expect("opens");
    opened.seek(SeekFrom::Start(0)).expect("seeks");
    opened.write_all(&[b'x'; 100]).expect("writes");
    let error = refusal(&home.settings("a")).await;
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let home = Home::sqlite();
    let Home::Sqlite(folder) = &home else {
        panic!("is SQLite");
    };
    let location = Location::Sqlite(folder.join("missing/padan.db"));
    let error = refusal(&Settings::new(location, name("a"))).await;
    assert!(error.to_string().contains("missing/padan.db"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_and_comes_back_needs_no_hands() {
    let mut server = Postgres::start();
    let location = Location::Postgres(server.address("postgres"));
    let mut settings = Settings::new(location, name("a"));
    settings.acquire_timeout = Duration::from_secs(1);
    let store = SqlStore::open(&settings).await.expect("opens");
    store
        .commit(decision("r1", subject(1)))
        .await
        .expect("commits");
    server.stop();
    for id in ["r2", "r2"] {
        let error = store.commit(decision(id, subject(1))).await;
        let error = error.expect_err("no database, no decision");
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.retryable());
    }
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
    server.restart();
    // As long as a busy machine takes to connect again.
    eventually("the decision is committed", async || {
        let again = store.commit(decision("r2", subject(1))).await;
        matches!(
            again,
            Ok(CommitOutcome::Committed(_) | CommitOutcome::Repeated(_))
        )
    })
    .await;
    assert_eq!(intact_chain(&store, "a").await.len(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let location = Location::Postgres("postgres://padan@%2Fnowhere/padan".to_owned());
    let mut settings = Settings::new(location, name("a"));
    settings.acquire_timeout = Duration::from_millis(200);
    let error = refusal(&settings).await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    settings.location = Location::Postgres("not an address".to_owned());
    assert!(matches!(refusal(&settings).await, StoreError::Settings(_)));
}

//! What keeps padan from starting: a database that is not the one the journal speaks of.

use std::io::Write as _;

use padan::audit::{ChainHead, Checkpoint, Timestamp};
use padan::keys::{KeyKind, SigningKey};
use padan::store::Store;
use padan::trail::{CHECKPOINTS_FILE, RETIRED_FILE, StartError, Started, check_start};

use super::Scene;
use super::restore::{accept, old_backup};
use super::tampering::{CUT_BACK, unlock};
use crate::store::{Home, name, on_both};

on_both!(
    a_database_that_grew_since_the_journal_starts,
    an_old_backup_does_not_start,
    a_database_without_the_chain_does_not_start,
    a_signed_entry_that_was_changed_keeps_padan_from_starting,
    a_broken_end_of_the_own_chain_keeps_padan_from_starting,
    a_journal_that_others_wrote_keeps_padan_from_starting,
    a_key_of_before_is_believed_when_it_is_configured,
    a_name_that_lost_entries_never_starts_again,
);

async fn start(scene: &Scene) -> Result<Started, StartError> {
    check_start(&scene.records, &scene.journal, &[]).await
}

async fn a_database_that_grew_since_the_journal_starts(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let nothing = Started {
        chains: 0,
        is_torn: false,
    };
    assert_eq!(start(&scene).await.expect("starts"), nothing);
    scene.write(1..=5).await;
    scene.sign().await;
    scene.write(6..=9).await;
    assert_eq!(start(&scene).await.expect("starts").chains, 1);
    let file = scene.journal.folder().join(CHECKPOINTS_FILE);
    let mut file = std::fs::File::options()
        .append(true)
        .open(file)
        .expect("is there");
    file.write_all(b"{\"hash\":").expect("writes");
    let torn = Started {
        chains: 1,
        is_torn: true,
    };
    assert_eq!(start(&scene).await.expect("starts"), torn);
    // The next checkpoint takes its place.
    scene.sign().await;
    assert!(!start(&scene).await.expect("starts").is_torn);
}

/// The database as it was after five entries; ten were written and signed since.
async fn with_old_backup(home: &Home) -> Scene {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    scene.sign().await;
    match home {
        Home::Sqlite(folder) => {
            let (file, backup) = (folder.join("padan.db"), folder.join("backup.db"));
            scene.store.close().await;
            std::fs::copy(&file, &backup).expect("copies");
            let again = scene.beside(home, "a").await;
            again.write(6..=10).await;
            again.sign().await;
            again.store.close().await;
            std::fs::copy(&backup, &file).expect("copies");
        }
        Home::Postgres { .. } => {
            scene.write(6..=10).await;
            scene.sign().await;
            unlock(home).await;
            home.execute(CUT_BACK).await.expect("the owner may");
        }
    }
    scene.beside(home, "a").await
}

async fn an_old_backup_does_not_start(home: &Home) {
    let scene = with_old_backup(home).await;
    let error = start(&scene).await.expect_err("is too old");
    let is_older = matches!(
        &error,
        StartError::Older { writer, found: 5, signed: 10, .. } if *writer == name("a")
    );
    assert!(is_older, "{error:?}");
    let text = error.to_string();
    for part in ["is older than the journal", "padan trail restore"] {
        assert!(text.contains(part), "{text}");
    }
}

async fn a_database_without_the_chain_does_not_start(home: &Home) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    scene.sign().await;
    unlock(home).await;
    let gone = "DELETE FROM audit_entries; DELETE FROM writers; DELETE FROM checkpoints";
    home.execute(gone).await.expect("the owner may");
    let error = start(&scene).await.expect_err("is another one");
    assert!(
        matches!(
            error,
            StartError::Older {
                found: 0,
                signed: 5,
                ..
            }
        ),
        "{error:?}"
    );
}

async fn a_signed_entry_that_was_changed_keeps_padan_from_starting(home: &Home) {
    let scene = with_old_backup(home).await;
    // Padan went on with the old backup, past what the journal knows.
    scene.write(20..=29).await;
    let error = start(&scene).await.expect_err("was changed");
    assert!(
        matches!(error, StartError::Changed { sequence: 10, .. }),
        "{error:?}"
    );
}

async fn a_broken_end_of_the_own_chain_keeps_padan_from_starting(home: &Home) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    scene.sign().await;
    scene.write(6..=9).await;
    unlock(home).await;
    for (statement, sequence) in [
        (
            "UPDATE audit_entries SET entry = replace(entry, 'entry 8', 'entry X')",
            8,
        ),
        ("DELETE FROM audit_entries WHERE sequence > 6", 7),
    ] {
        home.execute(statement).await.expect("the owner may");
        let error = start(&scene).await.expect_err("is broken");
        let StartError::Broken(finding) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(finding.sequence, Some(sequence), "{error}");
    }
}

/// A checkpoint of the last entry, by another key.
async fn by_another_key(scene: &Scene) -> (Checkpoint, SigningKey) {
    let key = SigningKey::random(KeyKind::Audit).expect("random bytes");
    let heads = scene.store.heads().await.expect("readable");
    let head: &ChainHead = heads.first().expect("a chain");
    (Checkpoint::sign(head, Timestamp::now(), &key), key)
}

async fn a_journal_that_others_wrote_keeps_padan_from_starting(home: &Home) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    scene.sign().await;
    let (forged, _) = by_another_key(&scene).await;
    let append = |line: &str| scene.journal.append(CHECKPOINTS_FILE, line);
    append(&forged.to_text()).expect("appends");
    let error = start(&scene).await.expect_err("is not ours");
    assert!(
        matches!(error, StartError::NotSigned { line: 2 }),
        "{error:?}"
    );
    append("{}").expect("appends");
    let error = start(&scene).await.expect_err("is no checkpoint");
    assert!(
        error.to_string().contains("line 3 of the journal"),
        "{error}"
    );
}

async fn a_key_of_before_is_believed_when_it_is_configured(home: &Home) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=5).await;
    let (older, key) = by_another_key(&scene).await;
    let append = scene.journal.append(CHECKPOINTS_FILE, &older.to_text());
    append.expect("appends");
    assert!(start(&scene).await.is_err());
    let started = check_start(&scene.records, &scene.journal, &[key.public()]).await;
    started.expect("starts");
}

async fn a_name_that_lost_entries_never_starts_again(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let scene = before.beside(&backup, "c").await;
    let restored = accept(&scene).await.expect("is accepted");
    let again = before.beside(&backup, "a").await;
    let refused = async || {
        let error = start(&again).await.expect_err("lost entries");
        let is_retired = matches!(
            &error,
            StartError::RetiredName { writer, found: 5, signed: 10 } if *writer == name("a")
        );
        assert!(is_retired, "{error:?}");
        error.to_string()
    };
    let text = refused().await;
    for part in ["the name a is retired", "store.writer", RETIRED_FILE] {
        assert!(text.contains(part), "{text}");
    }
    // Also when the checkpoints that were set aside lie in an archive.
    std::fs::remove_file(&restored.old_checkpoints).expect("is there");
    refused().await;
    // A name that lost nothing goes on, and so does the new one.
    let other = before.beside(&backup, "b").await;
    start(&other).await.expect("starts");
    start(&scene).await.expect("starts");
    let damaged = scene.journal.append(RETIRED_FILE, "{}");
    damaged.expect("appends");
    let error = start(&scene).await.expect_err("is damaged");
    assert!(
        error.to_string().contains("line 2 of the journal"),
        "{error}"
    );
}

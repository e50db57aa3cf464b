//! What is no backup, or not only old, is not accepted, and nothing is written.

use padan::audit::Fault;
use padan::trail::{RETIRED_FILE, RestoreError, StartError, check_backup};

use super::super::Scene;
use super::super::tampering::unlock;
use super::{accept, checkpoints, old_backup};
use crate::store::{Home, name, on_both};

on_both!(
    a_database_without_a_chain_of_the_journal_is_a_stranger,
    an_entry_in_the_middle_that_was_edited_is_found,
    a_checkpoint_of_the_backup_that_was_edited_is_found,
    entries_of_a_chain_without_a_head_are_found,
    a_name_that_was_retired_is_refused,
);

async fn check(scene: &Scene) -> RestoreError {
    let checked = check_backup(&scene.records, &scene.journal, &[]).await;
    checked.err().expect("is refused")
}

/// Neither the database nor the journal says anything of a restore.
async fn assert_untouched(scene: &Scene, known: &str) {
    assert!(scene.last_entries(9).await.is_empty());
    assert_eq!(checkpoints(scene), known);
    assert!(!scene.journal.folder().join(RETIRED_FILE).exists());
}

async fn a_database_without_a_chain_of_the_journal_is_a_stranger(home: &Home) {
    let (_backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let foreign = match home {
        Home::Sqlite(_) => Home::sqlite(),
        Home::Postgres { .. } => Home::postgres().await,
    };
    // Also under a name of the journal: that there is nothing says more than that its end is gone.
    for writer in ["c", "a"] {
        let scene = before.beside(&foreign, writer).await;
        let error = check(&scene).await;
        let is_stranger =
            matches!(&error, RestoreError::Stranger { chains, .. } if chains == "a, b");
        assert!(is_stranger, "{error:?}");
        let text = error.to_string();
        for part in ["(a, b)", "it is empty", "Load the backup", "[store]"] {
            assert!(text.contains(part), "{text}");
        }
        assert_untouched(&scene, &known).await;
    }
    // The database of another service, with entries of its own.
    let other = before.beside(&foreign, "x").await;
    other.write(1..=3).await;
    let scene = before.beside(&foreign, "c").await;
    let error = check(&scene).await;
    let is_stranger = matches!(&error, RestoreError::Stranger { .. });
    assert!(is_stranger, "{error:?}");
    assert_untouched(&scene, &known).await;
}

async fn an_entry_in_the_middle_that_was_edited_is_found(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "c").await;
    unlock(&backup).await;
    // Neither is an entry that a checkpoint names, and the hashes beside them stay as they were.
    // The first is in a chain that lost nothing.
    for (edit, writer, sequence) in [
        (
            "UPDATE audit_entries SET entry = replace(entry, 'entry 2', 'entry X')
                WHERE writer = 'b' AND sequence = 2",
            "b",
            2,
        ),
        (
            "UPDATE audit_entries SET entry = replace(entry, 'entry 4', 'entry X')
                WHERE writer = 'a' AND sequence = 4",
            "a",
            4,
        ),
    ] {
        backup.execute(edit).await.expect("the owner may");
        let error = accept(&scene).await.expect_err("was edited");
        let RestoreError::Broken(finding) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(finding.writer, Some(name(writer)));
        assert_eq!(
            (finding.sequence, finding.fault),
            (Some(sequence), Fault::Edited)
        );
        let text = error.to_string();
        assert!(text.contains("restore another backup"), "{text}");
        assert_untouched(&scene, &known).await;
    }
}

async fn a_checkpoint_of_the_backup_that_was_edited_is_found(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "c").await;
    unlock(&backup).await;
    let edit = "UPDATE checkpoints SET at_us = at_us + 1 WHERE writer = 'a' AND sequence = 2";
    backup.execute(edit).await.expect("the owner may");
    let error = accept(&scene).await.expect_err("was edited");
    let is_found =
        matches!(&error, RestoreError::Broken(finding) if finding.fault == Fault::BadSignature);
    assert!(is_found, "{error:?}");
    assert_untouched(&scene, &known).await;
}

async fn entries_of_a_chain_without_a_head_are_found(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "c").await;
    unlock(&backup).await;
    let gone = "DELETE FROM writers WHERE writer = 'b'; DELETE FROM checkpoints WHERE writer = 'b'";
    backup.execute(gone).await.expect("the owner may");
    let error = accept(&scene).await.expect_err("was edited");
    let is_found = matches!(
        &error,
        RestoreError::Broken(finding) if finding.writer == Some(name("b"))
            && (finding.sequence, finding.fault) == (Some(1), Fault::Inserted)
    );
    assert!(is_found, "{error:?}");
    assert_untouched(&scene, &known).await;
}

async fn a_name_that_was_retired_is_refused(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let scene = before.beside(&backup, "c").await;
    accept(&scene).await.expect("is accepted");
    let known = checkpoints(&scene);
    let again = before.beside(&backup, "a").await;
    let error = check(&again).await;
    let is_retired = matches!(
        &error,
        RestoreError::Start(StartError::RetiredName { writer, .. }) if *writer == name("a")
    );
    assert!(is_retired, "{error:?}");
    assert_eq!(again.last_entries(9).await.len(), 5);
    assert_eq!(checkpoints(&again), known);
}

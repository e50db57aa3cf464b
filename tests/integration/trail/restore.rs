//! `padan trail restore`: an old backup comes back to service, and what it lost is written down.

mod refusals;

use std::path::Path;
use std::sync::Arc;

use padan::audit::{Event, Text, Timestamp};
use padan::embed::ContractId;
use padan::privacy::{self, Replayed};
use padan::records::Enrolled;
use padan::store::Store;
use padan::trail::{
    CHECKPOINTS_FILE, ERASURES_FILE, LostChain, RETIRED_FILE, RestoreError, Restored, StartError,
    check_backup, check_start,
};

use super::tampering::unlock;
use super::{Scene, WHOLE};
use crate::people::{CONTRACT, enrol};
use crate::store::{Home, name, on_both, subject};
use crate::support::records::enrolled;
use crate::support::{padan, run};

on_both!(
    an_old_backup_is_accepted_under_a_new_name,
    what_the_backup_still_has_stays_signed_in_the_journal,
    a_name_that_lost_entries_is_refused_and_nothing_is_written,
    a_database_that_was_changed_is_not_restored,
    a_restore_that_was_cut_off_is_repeated,
    a_database_that_lost_nothing_is_not_restored,
);

/// The backup as it was after five entries of `a`, the last of them an enrolment, and three of `b`;
/// `a` wrote five more, and the person was erased. Signed are 2, 5 and 10 of `a`, and 3 of `b`.
pub async fn old_backup(home: &Home) -> (Home, Scene) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=2).await;
    scene.sign().await;
    scene.write(3..=4).await;
    enrol(&scene.records, subject(7), 0).await;
    scene.sign().await;
    let other = scene.beside(home, "b").await;
    other.write(1..=3).await;
    other.sign().await;
    other.store.close().await;
    scene.store.close().await;
    let backup = home.copy().await;
    let served = scene.beside(home, "a").await;
    served.write(6..=10).await;
    served.sign().await;
    served.store.close().await;
    let line = format!(
        r#"{{"subject":"{}","time":"{}"}}"#,
        subject(7),
        Timestamp::now()
    );
    scene.journal.append(ERASURES_FILE, &line).expect("appends");
    (backup, scene)
}

pub async fn accept(scene: &Scene) -> Result<Restored, RestoreError> {
    let backup = check_backup(&scene.records, &scene.journal, &[]).await?;
    backup.accept().await
}

async fn start(scene: &Scene) -> Result<usize, StartError> {
    let started = check_start(&scene.records, &scene.journal, &[]).await?;
    Ok(started.chains)
}

fn checkpoints(scene: &Scene) -> String {
    read(&scene.journal.folder().join(CHECKPOINTS_FILE))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("readable")
}

/// How many entries at the end of this process's chain say that a backup was restored.
async fn restored_entries(scene: &Scene) -> usize {
    let what = Text::fitted("what");
    let is_restored = |said: Option<&Text>| said.is_some_and(|said| said.as_str() == "restored");
    let entries = scene.last_entries(100).await;
    let restored = entries.iter();
    restored
        .filter(|it| is_restored(it.details.get(&what)))
        .count()
}

async fn an_old_backup_is_accepted_under_a_new_name(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "c").await;
    let error = start(&scene).await.expect_err("is too old");
    assert!(matches!(error, StartError::Older { .. }), "{error:?}");
    let expected = vec![LostChain {
        writer: name("a"),
        found: 5,
        signed: 10,
    }];
    let backup = check_backup(&scene.records, &scene.journal, &[]).await;
    let backup = backup.map_err(|error| error.to_string());
    let backup = backup.expect("is only old");
    assert_eq!(backup.lost().cloned().collect::<Vec<_>>(), expected);
    assert!(scene.last_entries(9).await.is_empty());

    let journal = Arc::new(scene.journal.clone());
    let replayed = privacy::replay(&scene.records, &journal).await;
    let once = Replayed {
        missing: 1,
        keys: 1,
        noted: 0,
    };
    assert_eq!(replayed.expect("replays"), once);
    let contract = ContractId::new(CONTRACT);
    let enrolled = enrolled(&scene.records, subject(7), &contract).await;
    assert!(matches!(enrolled.expect("readable"), Enrolled::Nothing));

    let restored = backup.accept().await.expect("is accepted");
    assert_eq!(restored.lost, expected);
    assert_eq!(restored.entry.writer, name("c"));
    let last = scene.last_entries(1).await;
    assert_eq!(last[0].event, Event::ServiceChanged);
    assert_eq!(last[0].sequence, restored.entry.sequence);
    let said = |key: &str| last[0].details.get(&Text::fitted(key)).map(Text::as_str);
    assert_eq!(said("what"), Some("restored"));
    assert_eq!(said("lost a"), Some("5 of 10"));
    assert_eq!(said("lost b"), None);

    let retired = read(&journal.folder().join(RETIRED_FILE));
    assert_eq!(retired, "{\"writer\":\"a\",\"found\":5,\"signed\":10}\n");

    // What was lost stays proven, and padan starts.
    assert_eq!(read(&restored.old_checkpoints), known);
    assert_eq!(restored.old_checkpoints.parent(), Some(journal.folder()));
    let file = restored.old_checkpoints.file_name().expect("a name");
    let file = file.to_str().expect("UTF-8");
    let moment = file
        .strip_prefix("checkpoints-until-")
        .and_then(|rest| rest.strip_suffix("Z.jsonl"));
    assert_eq!(moment.map(str::len), Some("20261122T093000".len()));
    assert_eq!(start(&scene).await.expect("starts"), 3);
    for report in scene.check(&WHOLE).await {
        assert!(report.findings.is_empty(), "{report:?}");
    }
}

async fn what_the_backup_still_has_stays_signed_in_the_journal(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let scene = before.beside(&backup, "c").await;
    accept(&scene).await.expect("is accepted");
    unlock(&backup).await;
    let cut = "DELETE FROM audit_entries WHERE writer = 'b' AND sequence > 2;
        UPDATE writers SET sequence = 2, hash =
            (SELECT hash FROM audit_entries WHERE writer = 'b' AND sequence = 2)
            WHERE writer = 'b'";
    backup.execute(cut).await.expect("the owner may");
    let error = start(&scene).await.expect_err("lost an entry");
    let is_older = matches!(
        &error,
        StartError::Older { writer, found: 2, signed: 3, .. } if *writer == name("b")
    );
    assert!(is_older, "{error:?}");
}

async fn a_name_that_lost_entries_is_refused_and_nothing_is_written(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "a").await;
    let checked = check_backup(&scene.records, &scene.journal, &[]).await;
    let refused = accept(&scene).await;
    for error in [checked.err(), refused.err()] {
        let error = error.expect("is refused");
        let is_own = matches!(
            &error,
            RestoreError::OwnChain { writer, found: 5, signed: 10 } if *writer == name("a")
        );
        assert!(is_own, "{error:?}");
        let text = error.to_string();
        for part in [
            "Give this process a new name: store.writer",
            "second entry 6",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert_eq!(scene.last_entries(100).await.len(), 5);
    assert_eq!(checkpoints(&scene), known);
}

async fn a_database_that_was_changed_is_not_restored(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "c").await;
    unlock(&backup).await;
    // Not the furthest that the backup reaches: all that are signed must fit.
    let gone = "DELETE FROM audit_entries WHERE writer = 'a' AND sequence = 2";
    backup.execute(gone).await.expect("the owner may");
    let error = accept(&scene).await.expect_err("was changed");
    let is_changed = matches!(
        &error,
        RestoreError::Start(StartError::Changed { writer, sequence: 2 }) if *writer == name("a")
    );
    assert!(is_changed, "{error:?}");
    assert!(scene.last_entries(9).await.is_empty());
    assert_eq!(checkpoints(&scene), known);
}

async fn a_restore_that_was_cut_off_is_repeated(home: &Home) {
    let (backup, before) = old_backup(home).await;
    let known = checkpoints(&before);
    let scene = before.beside(&backup, "c").await;
    // In the way of the new file: it ends behind the entry, as after a crash.
    let in_the_way = scene.journal.folder().join("checkpoints.jsonl.new");
    std::fs::create_dir(&in_the_way).expect("a folder");
    let error = accept(&scene).await.expect_err("cannot write");
    assert!(error.to_string().contains("the journal"), "{error}");
    assert_eq!(restored_entries(&scene).await, 1);
    assert_eq!(checkpoints(&scene), known);
    std::fs::remove_dir(&in_the_way).expect("is there");
    // What is left of a new file that was half written.
    std::fs::write(&in_the_way, "{\"hash\":").expect("writes");
    let restored = accept(&scene).await.expect("is accepted");
    assert_eq!(read(&restored.old_checkpoints), known);
    assert_eq!(restored_entries(&scene).await, 2);
    assert!(!in_the_way.exists());
    assert_eq!(start(&scene).await.expect("starts"), 3);
    let retired = read(&scene.journal.folder().join(RETIRED_FILE));
    assert_eq!(retired.lines().count(), 1, "{retired}");
    // Once more: nothing is left to do, and nothing is done.
    let after = checkpoints(&scene);
    let error = accept(&scene).await.expect_err("lost nothing");
    assert!(
        matches!(error, RestoreError::NothingLost { .. }),
        "{error:?}"
    );
    assert_eq!(restored_entries(&scene).await, 2);
    assert_eq!(checkpoints(&scene), after);
}

async fn a_database_that_lost_nothing_is_not_restored(home: &Home) {
    let scene = Scene::new(home, "a").await;
    for _ in 0..2 {
        let error = accept(&scene).await.expect_err("lost nothing");
        let text = error.to_string();
        assert!(text.contains("there is nothing to restore"), "{text}");
        scene.write(1..=5).await;
        scene.sign().await;
    }
    assert_eq!(restored_entries(&scene).await, 0);
}

#[test]
fn the_command_asks_for_the_configuration_with_the_database() {
    let (code, stdout, stderr) = run(padan().args(["trail", "restore", "--json"]));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains("with its [store]"), "{stderr}");
}

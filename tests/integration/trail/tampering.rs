//! Rows changed behind the store's back: each is named, here and in an export.

use padan::audit::{ChainHash, ChainHead, Checkpoint, Fault, Timestamp};
use padan::keys::{KeyKind, SigningKey};
use padan::store::Store;
use padan::trail::stored_checkpoint;

use super::{Scene, WHOLE, verify_chain};
use crate::store::{Home, name, on_both};

on_both!(
    duty_6_an_edited_entry_is_named,
    an_edited_hash_is_named,
    duty_6_a_deleted_entry_is_named,
    an_entry_inserted_behind_the_end_is_named,
    duty_6_an_entry_inserted_between_others_is_named,
    duty_6_a_truncated_chain_is_named,
    a_chain_cut_back_with_its_head_and_checkpoints_is_named,
    a_chain_that_is_gone_is_named,
    swapped_entries_are_named,
    entries_rewritten_with_their_hashes_are_named,
    an_entry_filed_under_other_values_is_named,
    a_forged_checkpoint_is_named,
    a_checkpoint_of_another_key_is_named,
    a_deleted_checkpoint_is_in_the_journal,
    an_auditor_is_told_by_the_service,
);

/// Takes the triggers away, as somebody with the owner's rights would.
pub async fn unlock(home: &Home) {
    let statements = match home {
        Home::Sqlite(_) => {
            "DROP TRIGGER audit_entries_never_change; DROP TRIGGER audit_entries_never_go;
            DROP TRIGGER audit_entries_never_replaced;
            DROP TRIGGER checkpoints_never_change; DROP TRIGGER checkpoints_never_go;
            DROP TRIGGER checkpoints_never_replaced"
        }
        Home::Postgres { .. } => {
            "DROP TRIGGER audit_entries_never_change ON audit_entries;
            DROP TRIGGER checkpoints_never_change ON checkpoints"
        }
    };
    home.execute(statements).await.expect("the owner may");
}

/// Ten entries, the first seven of them signed, and then `statements`.
async fn changed(home: &Home, statements: &'static str) -> Scene {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=7).await;
    scene.sign().await;
    scene.write(8..=10).await;
    unlock(home).await;
    home.execute(statements).await.expect("the owner may");
    scene
}

/// The check and the verification of an export name the same first sequence and fault.
async fn assert_found(scene: &Scene, sequence: u64, fault: Fault) {
    let report = &scene.check(&WHOLE).await[0];
    let first = report.findings.first().expect("a finding");
    assert_eq!(
        (first.sequence, first.fault),
        (Some(sequence), fault),
        "{report:?}"
    );
    let report = scene.verify_file(&scene.export(&WHOLE).await);
    assert!(!report.is_intact());
    let first = report.chains[0].findings.first().expect("a finding");
    assert_eq!(
        (first.sequence, first.fault),
        (Some(sequence), fault),
        "{report:?}"
    );
}

async fn duty_6_an_edited_entry_is_named(home: &Home) {
    const EDIT: &str = "UPDATE audit_entries SET entry = replace(entry, 'entry 4', 'entry X')
        WHERE sequence = 4";
    assert_found(&changed(home, EDIT).await, 4, Fault::Edited).await;
}

async fn an_edited_hash_is_named(home: &Home) {
    const EDIT: &str = "UPDATE audit_entries SET hash =
        (SELECT hash FROM audit_entries WHERE sequence = 9) WHERE sequence = 8";
    assert_found(&changed(home, EDIT).await, 8, Fault::Edited).await;
}

async fn duty_6_a_deleted_entry_is_named(home: &Home) {
    const DELETE: &str = "DELETE FROM audit_entries WHERE sequence = 4";
    assert_found(&changed(home, DELETE).await, 4, Fault::Deleted).await;
}

async fn an_entry_inserted_behind_the_end_is_named(home: &Home) {
    const INSERT: &str = "INSERT INTO audit_entries
        (writer, sequence, at_us, subject, office, caller, request_id, entry, hash)
        SELECT writer, 11, at_us, subject, office, caller, request_id,
            replace(entry, '\"sequence\":10', '\"sequence\":11'), hash
        FROM audit_entries WHERE sequence = 10";
    assert_found(&changed(home, INSERT).await, 11, Fault::Inserted).await;
}

async fn duty_6_an_entry_inserted_between_others_is_named(home: &Home) {
    const INSERT: &str = "UPDATE audit_entries SET sequence = sequence + 100 WHERE sequence > 4;
        UPDATE audit_entries SET sequence = sequence - 99 WHERE sequence > 4;
        INSERT INTO audit_entries
        (writer, sequence, at_us, subject, office, caller, request_id, entry, hash)
        SELECT writer, 5, at_us, subject, office, caller, request_id,
            replace(entry, '\"sequence\":4', '\"sequence\":5'), hash
        FROM audit_entries WHERE sequence = 4";
    assert_found(&changed(home, INSERT).await, 5, Fault::Inserted).await;
}

async fn duty_6_a_truncated_chain_is_named(home: &Home) {
    const TRUNCATE: &str = "DELETE FROM audit_entries WHERE sequence > 8";
    assert_found(&changed(home, TRUNCATE).await, 9, Fault::Truncated).await;
}

/// What makes the database agree with itself: nothing in it tells of entries 6 to 10 any more.
pub const CUT_BACK: &str = "DELETE FROM audit_entries WHERE sequence > 5;
    UPDATE writers SET sequence = 5, hash =
        (SELECT hash FROM audit_entries WHERE sequence = 5);
    DELETE FROM checkpoints";

async fn a_chain_cut_back_with_its_head_and_checkpoints_is_named(home: &Home) {
    assert_found(&changed(home, CUT_BACK).await, 6, Fault::Deleted).await;
}

async fn a_chain_that_is_gone_is_named(home: &Home) {
    const GONE: &str = "DELETE FROM audit_entries; DELETE FROM writers; DELETE FROM checkpoints";
    assert_found(&changed(home, GONE).await, 1, Fault::Deleted).await;
}

async fn swapped_entries_are_named(home: &Home) {
    const SWAP: &str = "UPDATE audit_entries SET sequence = 100 WHERE sequence = 3;
        UPDATE audit_entries SET sequence = 3 WHERE sequence = 6;
        UPDATE audit_entries SET sequence = 6 WHERE sequence = 100";
    assert_found(&changed(home, SWAP).await, 3, Fault::Reordered).await;
}

async fn entries_rewritten_with_their_hashes_are_named(home: &Home) {
    let scene = changed(home, "DELETE FROM audit_entries WHERE sequence > 2").await;
    // Whoever knows the construction computes the hashes anew, but cannot sign them.
    home.execute(
        "UPDATE writers SET sequence = 2, hash =
        (SELECT hash FROM audit_entries WHERE sequence = 2)",
    )
    .await
    .expect("the owner may");
    let forger = scene.beside(home, "a").await;
    forger.write(13..=20).await;
    let report = &scene.check(&WHOLE).await[0];
    let first = report.findings.first().expect("a finding");
    assert_eq!(
        (first.fault, first.until),
        (Fault::Rewritten, Some(7)),
        "{report:?}"
    );
    assert_found(&scene, 1, Fault::Rewritten).await;
}

async fn an_entry_filed_under_other_values_is_named(home: &Home) {
    for statement in [
        "UPDATE audit_entries SET office = 'elsewhere' WHERE sequence = 4",
        "UPDATE audit_entries SET caller = 'somebody' WHERE sequence = 4",
        "UPDATE audit_entries SET request_id = 'other' WHERE sequence = 4",
        "UPDATE audit_entries SET subject = hash WHERE sequence = 4",
        "UPDATE audit_entries SET at_us = at_us + 1 WHERE sequence = 4",
    ] {
        let scene = Scene::new(home, "a").await;
        if scene.last_entries(1).await.is_empty() {
            scene.write(1..=10).await;
            unlock(home).await;
        }
        home.execute(statement).await.expect("the owner may");
        let report = &scene.check(&WHOLE).await[0];
        let first = report.findings.first().expect("a finding");
        assert_eq!(
            (first.sequence, first.fault),
            (Some(4), Fault::Edited),
            "{statement}"
        );
        // The export holds the texts, and these were not changed.
        let report = scene.verify_file(&scene.export(&WHOLE).await);
        assert!(report.is_intact(), "{report:?}");
        home.execute("DELETE FROM meta")
            .await
            .expect("other keys may follow");
    }
}

async fn a_forged_checkpoint_is_named(home: &Home) {
    let scene = changed(home, "UPDATE checkpoints SET at_us = at_us + 1").await;
    assert_found(&scene, 7, Fault::BadSignature).await;
    home.execute("UPDATE checkpoints SET key = hash")
        .await
        .expect("the owner may");
    let report = &scene.check(&WHOLE).await[0];
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let report = scene.verify_file(&scene.export(&WHOLE).await);
    assert!(!report.is_intact(), "{report:?}");
}

async fn a_checkpoint_of_another_key_is_named(home: &Home) {
    let scene = changed(home, "DELETE FROM checkpoints").await;
    let row = scene.store.chain(&name("a"), 5, 1).await.expect("readable");
    let head = ChainHead {
        writer: name("a"),
        sequence: 5,
        hash: row[0].hash,
    };
    let key = SigningKey::random(KeyKind::Audit).expect("random bytes");
    let forged = Checkpoint::sign(&head, Timestamp::now(), &key);
    let put = scene.store.put_checkpoint(stored_checkpoint(&forged)).await;
    put.expect("writes");
    assert_found(&scene, 5, Fault::UnknownKey).await;
}

async fn a_deleted_checkpoint_is_in_the_journal(home: &Home) {
    let scene = changed(home, "DELETE FROM checkpoints").await;
    let report = &scene.check(&WHOLE).await[0];
    assert!(report.findings.is_empty(), "{report:?}");
    assert_eq!((report.signed_to, report.checkpoints), (7, 1));
    let report = scene.verify_file(&scene.export(&WHOLE).await);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.chains[0].signed_to, 7);
    // The journal also knows when the database has another one in its place.
    let other = ChainHead {
        writer: name("a"),
        sequence: 7,
        hash: ChainHash::genesis(&name("a")),
    };
    let key = scene.records.keys().audit_key();
    let other = Checkpoint::sign(&other, Timestamp::now(), key);
    let put = scene.store.put_checkpoint(stored_checkpoint(&other)).await;
    put.expect("writes");
    assert!(!scene.check(&WHOLE).await[0].findings.is_empty());
}

async fn an_auditor_is_told_by_the_service(home: &Home) {
    const EDIT: &str = "UPDATE audit_entries SET entry = replace(entry, 'entry 4', 'entry X')
        WHERE sequence = 4";
    let scene = changed(home, EDIT).await;
    let reports = verify_chain(&scene.service()).await.expect("is answered");
    let finding = &reports[0].findings[0];
    assert_eq!(
        (finding.fault.as_str(), finding.sequence),
        ("EDITED", Some(4))
    );
    assert_eq!(finding.unproven_from, Some(1));
    assert!(
        finding.description.starts_with("a, entry 4: The entry"),
        "{finding:?}"
    );
    assert_eq!((reports[0].entries, reports[0].intact_to), (11, 0));
}

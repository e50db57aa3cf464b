//! `padan audit verify`: what an auditor sees, with nothing but the binary and a file.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use padan::audit::{
    Actor, ChainHash, ChainHead, Checkpoint, Entry, Event, ExportHeader, ExportRange, Text,
    Timestamp, WriterId, checkpoint_line, entry_line,
};
use padan::keys::{KeyKind, SigningKey};
use serde_json::Value;

use crate::support::{TestFolder, padan, run};

/// The key of all trails here.
fn key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(another_key)
}

fn another_key() -> SigningKey {
    SigningKey::random(KeyKind::Audit).expect("random bytes")
}

fn public_key() -> String {
    key().public().to_string()
}

/// An export of one writer with five entries and a checkpoint behind the third, line by line.
fn export() -> Vec<String> {
    let writer = WriterId::new("padan-1").expect("a name");
    let empty = ChainHead::empty(writer.clone());
    let mut head = empty.clone();
    let mut checkpoints_hash = ChainHash::of_no_checkpoint(&writer);
    let mut lines = Vec::new();
    for _ in 0..5 {
        let actor = Actor {
            certificate: None,
            role: Text::fitted("backend"),
        };
        let entry = Entry::new(Event::CallRefused, Timestamp::now(), actor, writer.clone());
        let link = head.append(entry).expect("fits");
        lines.push(entry_line(&link.text, &link.hash));
        if link.sequence == 3 {
            let checkpoint = Checkpoint::sign(&head, Timestamp::now(), key());
            checkpoints_hash = checkpoints_hash.after(&checkpoint.to_text());
            lines.push(checkpoint_line(&checkpoint));
        }
    }
    let range = ExportRange {
        checkpoints: 1,
        checkpoints_hash,
        first: 1,
        hash: head.hash,
        last: 5,
        previous: empty.hash,
        writer,
    };
    let public = key().public();
    let header = ExportHeader::new(Timestamp::now(), vec![range], public, &[]);
    let header = header.expect("is consistent").to_line(key());
    lines.insert(0, header.expect("the same key"));
    lines
}

/// Exit code, standard output and standard error for a file of these lines.
fn verify(lines: &[String], args: &[&str]) -> (i32, String, String) {
    // Tests run side by side, each with files of its own.
    static FILES: AtomicU64 = AtomicU64::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let folder = TestFolder::new(&format!("audit-{number}"));
    let file = folder.path().join("trail.jsonl");
    std::fs::write(&file, lines.concat()).expect("writable");
    run(padan().args(["audit", "verify"]).arg(&file).args(args))
}

#[test]
fn an_intact_trail_is_intact_and_an_unpinned_key_is_said_loudly() {
    let (code, stdout, stderr) = verify(&export(), &["--public-key", &public_key()]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("INTACT (7 lines)"), "{stdout}");
    assert_eq!(stderr, "");
    let (code, stdout, stderr) = verify(&export(), &[]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("INTACT IN ITSELF"), "{stdout}");
    assert!(
        stderr.contains("WARNING: the public key comes from the file itself"),
        "{stderr}"
    );
}

#[test]
fn a_broken_trail_names_its_first_bad_entry() {
    let mut lines = export();
    // The header, then entries 1 to 3, their checkpoint, and entry 4.
    lines[5] = lines[5].replace("backend", "auditor");
    let (code, stdout, _) = verify(&lines, &["--public-key", &public_key()]);
    assert_eq!(code, 1, "{stdout}");
    let first = "BROKEN (7 lines). First: padan-1, entry 4: line 6: The entry";
    assert!(stdout.contains(first), "{stdout}");
    lines.remove(2);
    let (code, stdout, _) = verify(&lines, &["--json", "--public-key", &public_key()]);
    assert_eq!(code, 1, "{stdout}");
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["is_intact"], false);
    assert_eq!(report["first_finding"]["fault"], "DELETED");
    assert_eq!(report["first_finding"]["sequence"], 2);
    assert_eq!(report["first_finding"]["unproven_from"], 1);
    assert_eq!(report["chains"][0]["intact_to"], 0);
}

#[test]
fn a_key_is_read_from_a_file_and_another_key_is_not_believed() {
    let folder = TestFolder::new("audit-key");
    let file = folder.path().join("audit.pub");
    std::fs::write(&file, format!("{}\n", public_key())).expect("writable");
    let file = file.to_str().expect("UTF-8");
    let (code, stdout, stderr) = verify(&export(), &["--public-key", file]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let other = another_key().public().to_string();
    let (code, stdout, _) = verify(&export(), &["--public-key", &other]);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("NOT the given one"), "{stdout}");
}

#[test]
fn what_an_edited_header_says_of_the_chains_is_not_believed() {
    let mut lines = export();
    let version = env!("CARGO_PKG_VERSION");
    lines[0] = lines[0].replace(&format!("\"padan\":\"{version}\""), "\"padan\":\"9.9.9\"");
    let (code, stdout, _) = verify(&lines, &["--public-key", &public_key()]);
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("not proven"), "{stdout}");
    let (_, stdout, _) = verify(&lines, &["--json", "--public-key", &public_key()]);
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["chains"][0]["is_intact"], false);
    // The checkpoint behind the third entry still proves it and those before.
    assert_eq!(report["chains"][0]["intact_to"], 3);
}

#[test]
fn wrong_usage_and_unreadable_files_have_codes_of_their_own() {
    for wrong in [
        "no-such-file",
        &"0".repeat(63),
        &format!("01{}", "0".repeat(62)),
    ] {
        let (code, _, stderr) = verify(&export(), &["--public-key", wrong]);
        assert_eq!(code, 2, "{wrong}: {stderr}");
        assert!(stderr.contains("--public-key"), "{stderr}");
    }
    let (code, _, _) = run(padan().args(["audit", "verify"]));
    assert_eq!(code, 2);
    let (code, _, stderr) = verify(&["hello\n".to_owned()], &[]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("no audit export"), "{stderr}");
    let (code, _, stderr) = run(padan().args(["audit", "verify", "no-such-file"]));
    assert_eq!(code, 3, "{stderr}");
}

//! Entries and checkpoints are added, and never changed or removed: the database itself refuses.

use padan::store::Store as _;

use super::evidence::checkpoint;
use super::{Home, entry, intact_chain, name, on_both};

on_both!(the_trail_is_append_only);

/// What a database offers to change or remove a row of the trail, on either of its tables.
const CHANGES: [&str; 4] = [
    "UPDATE audit_entries SET entry = 'other'",
    "DELETE FROM audit_entries",
    "UPDATE checkpoints SET at_us = at_us + 1",
    "DELETE FROM checkpoints",
];
/// SQLite only. The second and the last name the row by its id and give it another key.
const REPLACEMENTS: [&str; 4] = [
    "INSERT OR REPLACE INTO audit_entries (writer, sequence, at_us, entry, hash)
    SELECT writer, sequence, at_us, 'other', hash FROM audit_entries",
    "INSERT OR REPLACE INTO audit_entries (rowid, writer, sequence, at_us, entry, hash)
    SELECT rowid, writer, sequence + 9, at_us, 'other', hash FROM audit_entries",
    "INSERT OR REPLACE INTO checkpoints (writer, sequence, hash, at_us, key, signature)
    SELECT writer, sequence, hash, at_us + 1, key, signature FROM checkpoints",
    "INSERT OR REPLACE INTO checkpoints (rowid, writer, sequence, hash, at_us, key, signature)
    SELECT rowid, writer, sequence + 9, hash, at_us, key, signature FROM checkpoints",
];
/// PostgreSQL only: all at once, also of one month alone, and an update by way of an insertion.
/// [`NOW`] is in November 2026.
const EMPTYINGS: [&str; 5] = [
    "TRUNCATE audit_entries",
    "TRUNCATE audit_entries_2026_11",
    "DELETE FROM audit_entries_2026_11",
    "TRUNCATE checkpoints",
    "INSERT INTO checkpoints SELECT * FROM checkpoints
    ON CONFLICT (writer, sequence) DO UPDATE SET at_us = 0",
];

async fn the_trail_is_append_only(home: &Home) {
    let store = home.open("a").await;
    store.append(entry("event")).await.expect("appends");
    let put = store.put_checkpoint(checkpoint(1)).await;
    put.expect("writes");
    let own = match home {
        Home::Sqlite(_) => &REPLACEMENTS[..],
        Home::Postgres { .. } => &EMPTYINGS[..],
    };
    for &statement in CHANGES.iter().chain(own) {
        let refused = home.execute(statement).await;
        let error = refused.expect_err(statement).to_string();
        assert!(error.contains("append-only"), "{statement}: {error}");
    }
    assert_eq!(intact_chain(&store, "a").await, ["event"]);
    let kept = store.checkpoints(&name("a"), 1, 10).await;
    assert_eq!(kept, Ok(vec![checkpoint(1)]));
    // It goes on, and the second checkpoint of an entry is none.
    store.append(entry("next")).await.expect("appends");
    let mut second = checkpoint(1);
    second.at_us += 1;
    store.put_checkpoint(second).await.expect("is passed over");
    assert_eq!(intact_chain(&store, "a").await, ["event", "next"]);
    let kept = store.checkpoints(&name("a"), 1, 10).await;
    assert_eq!(kept, Ok(vec![checkpoint(1)]));
}

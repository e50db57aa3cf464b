//! Each fault by itself, on the chain of one writer.

use ed25519_dalek::SigningKey;

use super::super::entry::tests::example;
use super::super::{Link, Timestamp};
use super::*;

fn writer() -> WriterId {
    WriterId::new("a").expect("a name")
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// A chain of that many entries, and where it stood after each (at index 0: before the first).
fn chain(entries: usize) -> (Vec<Link>, Vec<ChainHead>) {
    let mut heads = vec![ChainHead::empty(writer())];
    let mut links = Vec::new();
    for _ in 0..entries {
        let mut head = heads[heads.len() - 1].clone();
        links.push(head.append(example()).expect("fits"));
        heads.push(head);
    }
    (links, heads)
}

fn checkpoint(head: &ChainHead) -> Checkpoint {
    let time = Timestamp::from_microseconds(1).expect("in range");
    Checkpoint::sign(head, time, &key())
}

enum Item {
    Entry(Link),
    Checkpoint(Checkpoint),
}

/// Checks `items`, which should be the chain up to `end`.
fn check(items: &[Item], end: Option<&ChainHead>) -> ChainReport {
    let count = |item: &&Item| matches!(item, Item::Checkpoint(_));
    let end = end.map(|end| ChainEnd {
        sequence: end.sequence,
        hash: end.hash,
        checkpoints: items.iter().filter(count).count() as u64,
    });
    let mut verifier = ChainVerifier::new(ChainHead::empty(writer()), end);
    for (line, item) in (1..).zip(items) {
        match item {
            Item::Entry(link) => verifier.entry(&StatedEntry {
                sequence: link.sequence,
                text: &link.text,
                hash: link.hash,
                line,
            }),
            Item::Checkpoint(checkpoint) => verifier.checkpoint(line, checkpoint, true),
        }
    }
    verifier.finish(&[])
}

/// Fault, sequence and line of each finding.
fn found(report: &ChainReport) -> Vec<(Fault, Option<u64>, Option<u64>)> {
    let findings = report.findings.iter();
    findings
        .map(|finding| (finding.fault, finding.sequence, finding.line))
        .collect()
}

/// What is found when the entries of a chain of 9 are these; `numbers` are sequences.
fn found_of(numbers: &[usize]) -> Vec<(Fault, Option<u64>, Option<u64>)> {
    let (links, heads) = chain(9);
    let items: Vec<Item> = numbers
        .iter()
        .map(|number| Item::Entry(links[number - 1].clone()))
        .collect();
    found(&check(&items, Some(&heads[9])))
}

#[test]
fn a_whole_chain_is_intact() {
    let (links, heads) = chain(3);
    let mut items: Vec<Item> = links.into_iter().map(Item::Entry).collect();
    items.insert(2, Item::Checkpoint(checkpoint(&heads[2])));
    let report = check(&items, Some(&heads[3]));
    assert_eq!(found(&report), []);
    assert_eq!((report.entries, report.checkpoints), (3, 1));
    assert_eq!((report.intact_to, report.signed_to), (3, 2));
    assert_eq!(check(&items, None), report);
}

#[test]
fn order_and_number_of_entries_are_told_apart() {
    assert_eq!(found_of(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), []);
    let cases: [(&[usize], Fault, u64, Option<u64>); 8] = [
        (&[1, 2, 4, 5, 6, 7, 8, 9], Fault::Deleted, 3, Some(3)),
        (&[1, 2, 7, 8, 9], Fault::Deleted, 3, Some(3)),
        (&[2, 3, 4, 5, 6, 7, 8, 9], Fault::Deleted, 1, Some(1)),
        (&[1, 2, 4, 3, 5, 6, 7, 8, 9], Fault::Reordered, 3, Some(3)),
        (&[1, 2, 7, 4, 5, 6, 3, 8, 9], Fault::Reordered, 3, Some(3)),
        (&[1, 2, 3, 4, 2, 5, 6, 7, 8, 9], Fault::Inserted, 5, Some(5)),
        (&[1, 2, 3, 4, 4, 5, 6, 7, 8, 9], Fault::Inserted, 4, Some(5)),
        (&[1, 2, 3, 4, 5, 6, 7], Fault::Truncated, 8, None),
    ];
    for (numbers, fault, sequence, line) in cases {
        assert_eq!(
            found_of(numbers),
            [(fault, Some(sequence), line)],
            "{numbers:?}"
        );
    }
    let appended = found_of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 3]);
    assert_eq!(appended, [(Fault::Inserted, Some(10), Some(10))]);
}

#[test]
fn an_edited_entry_is_named_whatever_was_edited() {
    let (links, heads) = chain(5);
    let edits: [&dyn Fn(&mut Link); 5] = [
        &|link| link.text = link.text.replace("op-12", "op-13"),
        &|link| link.hash = link.hash.after(""),
        &|link| link.sequence = 1,
        &|link| link.sequence = 2,
        &|link| link.sequence = 9,
    ];
    for (case, edit) in edits.iter().enumerate() {
        let mut edited = links.clone();
        edit(&mut edited[2]);
        let items: Vec<Item> = edited.into_iter().map(Item::Entry).collect();
        let report = check(&items, Some(&heads[5]));
        let expected = [(Fault::Edited, Some(3), Some(3))];
        assert_eq!(found(&report), expected, "case {case}");
        assert_eq!(report.intact_to, 2);
    }
}

#[test]
fn a_forged_entry_that_follows_is_an_insertion_before_the_true_one() {
    let (links, heads) = chain(4);
    let mut forged = heads[2].clone();
    let mut entry = example();
    entry.decision = None;
    let forged = forged.append(entry).expect("fits");
    let mut items: Vec<Item> = links.into_iter().map(Item::Entry).collect();
    items.insert(2, Item::Entry(forged));
    let report = check(&items, Some(&heads[4]));
    assert_eq!(found(&report), [(Fault::Inserted, Some(3), Some(4))]);
    assert_eq!(report.intact_to, 4);
}

#[test]
fn a_rewritten_tail_is_found_by_the_next_checkpoint_and_by_the_end() {
    let (links, heads) = chain(6);
    let mut forger = heads[3].clone();
    let mut items: Vec<Item> = links.into_iter().take(3).map(Item::Entry).collect();
    items.insert(2, Item::Checkpoint(checkpoint(&heads[2])));
    for _ in 3..6 {
        let mut entry = example();
        entry.decision = None;
        items.push(Item::Entry(forger.append(entry).expect("fits")));
    }
    let by_end = check(&items, Some(&heads[6]));
    assert_eq!(found(&by_end), [(Fault::Rewritten, Some(3), None)]);
    assert_eq!(by_end.findings[0].until, Some(6));
    assert_eq!(by_end.intact_to, 2);
    // Nothing speaks of the end: nothing is found.
    assert_eq!(found(&check(&items, None)), []);
    items.insert(6, Item::Checkpoint(checkpoint(&heads[5])));
    let by_checkpoint = check(&items, None);
    assert_eq!(
        found(&by_checkpoint),
        [(Fault::Rewritten, Some(3), Some(7))]
    );
    assert_eq!(by_checkpoint.findings[0].until, Some(5));
}

#[test]
fn checkpoints_have_their_place_their_key_and_their_number() {
    let (links, heads) = chain(3);
    let [one, two, three] = [0, 1, 2].map(|at| links[at].clone());
    let entries = |second: Item| {
        let [one, two, three] = [&one, &two, &three].map(|link| Item::Entry(link.clone()));
        vec![one, two, second, three]
    };
    let early = entries(Item::Checkpoint(checkpoint(&heads[3])));
    assert_eq!(
        found(&check(&early, Some(&heads[3]))),
        [(Fault::Reordered, Some(3), Some(3))]
    );
    let late = entries(Item::Checkpoint(checkpoint(&heads[1])));
    assert_eq!(
        found(&check(&late, Some(&heads[3]))),
        [(Fault::CheckpointMoved, Some(1), Some(3))]
    );
    let mut changed = checkpoint(&heads[2]);
    changed.sequence = 1;
    assert_eq!(
        found(&check(&entries(Item::Checkpoint(changed)), None)),
        [(Fault::BadSignature, Some(2), Some(3))]
    );
    let mut verifier = ChainVerifier::new(heads[2].clone(), None);
    verifier.checkpoint(1, &checkpoint(&heads[2]), false);
    assert_eq!(
        found(&verifier.finish(&[])),
        [(Fault::UnknownKey, Some(2), Some(1))]
    );
    let end = ChainEnd {
        sequence: 2,
        hash: heads[2].hash,
        checkpoints: 1,
    };
    let verifier = ChainVerifier::new(heads[2].clone(), Some(end));
    assert_eq!(
        found(&verifier.finish(&[])),
        [(Fault::CheckpointCount, None, None)]
    );
}

#[test]
fn a_checkpoint_of_another_chain_does_not_vouch_for_this_one() {
    let (_, heads) = chain(1);
    let mut other = heads[1].clone();
    other.writer = WriterId::new("b").expect("a name");
    let mut verifier = ChainVerifier::new(heads[1].clone(), None);
    verifier.checkpoint(1, &checkpoint(&other), true);
    assert_eq!(
        found(&verifier.finish(&[])),
        [(Fault::BadSignature, Some(1), Some(1))]
    );
}

#[test]
fn many_findings_take_bounded_memory() {
    let (links, heads) = chain(1);
    let mut verifier = ChainVerifier::new(heads[1].clone(), None);
    for line in 1..=1_000 {
        verifier.checkpoint(line, &checkpoint(&heads[0]), true);
    }
    verifier.entry(&StatedEntry {
        sequence: 1,
        text: &links[0].text,
        hash: links[0].hash,
        line: 1_001,
    });
    let report = verifier.finish(&[]);
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    assert_eq!(report.more_findings, 1_001 - FINDINGS_MAX as u64);
}

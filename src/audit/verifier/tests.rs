//! Each fault by itself, on the chain of one writer.

use super::super::entry::tests::example;
use super::super::{Link, Timestamp};
use super::*;
use crate::keys::{KeyKind, SigningKey};

fn writer() -> WriterId {
    WriterId::new("a").expect("a name")
}

fn key() -> SigningKey {
    SigningKey::from_slice(KeyKind::Audit, &[1; 32]).expect("32 bytes")
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

fn signed(head: &ChainHead) -> Item {
    Item::Checkpoint(Box::new(checkpoint(head)))
}

enum Item {
    Entry(Link),
    Checkpoint(Box<Checkpoint>),
}

fn hash_of_checkpoints(items: &[Item]) -> ChainHash {
    let mut hash = ChainHash::of_no_checkpoint(&writer());
    for item in items {
        if let Item::Checkpoint(checkpoint) = item {
            hash = hash.after(&checkpoint.to_text());
        }
    }
    hash
}

/// Checks `items`, which should be the chain up to `end`.
fn check(items: &[Item], end: Option<&ChainHead>) -> ChainReport {
    let count = |item: &&Item| matches!(item, Item::Checkpoint(_));
    let end = end.map(|end| ChainEnd {
        sequence: end.sequence,
        hash: end.hash,
        checkpoints: items.iter().filter(count).count() as u64,
        checkpoints_hash: hash_of_checkpoints(items),
    });
    let mut verifier = ChainVerifier::new(ChainHead::empty(writer()), end);
    run(&mut verifier, items);
    verifier.finish(&[])
}

fn run(verifier: &mut ChainVerifier, items: &[Item]) {
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
    items.insert(2, signed(&heads[2]));
    let report = check(&items, Some(&heads[3]));
    assert_eq!(found(&report), []);
    assert_eq!((report.entries, report.checkpoints), (3, 1));
    assert_eq!((report.intact_to, report.signed_to), (3, 2));
    // Nothing speaks of the end: what follows the last checkpoint is not proven.
    let open = check(&items, None);
    assert_eq!(found(&open), []);
    assert_eq!((open.intact_to, open.signed_to), (2, 2));
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
        assert_eq!(report.intact_to, 0);
        assert_eq!(report.findings[0].unproven_from, Some(1));
    }
}

/// A chain of 9 with a checkpoint behind the third, in which somebody without the key changed the
/// entries from 4 up to `last` and computed their hashes anew.
fn rehashed(last: usize) -> (Vec<Item>, ChainHead) {
    let (mut links, heads) = chain(9);
    let mut forger = heads[3].clone();
    for link in &mut links[3..last] {
        let mut entry = example();
        entry.decision = None;
        *link = forger.append(entry).expect("fits");
    }
    let mut items: Vec<Item> = links.into_iter().map(Item::Entry).collect();
    items.insert(3, signed(&heads[3]));
    (items, heads[9].clone())
}

#[test]
fn a_forged_entry_with_a_right_hash_is_not_called_intact() {
    let (items, end) = rehashed(4);
    let report = check(&items, Some(&end));
    // That entry 5 does not follow is all that can be seen.
    assert_eq!(found(&report), [(Fault::Edited, Some(5), Some(6))]);
    assert_eq!(report.findings[0].unproven_from, Some(4));
    assert_eq!(report.intact_to, 3);
}

#[test]
fn a_forged_tail_that_was_cut_off_is_not_called_intact() {
    let (mut items, end) = rehashed(8);
    items.pop();
    let report = check(&items, Some(&end));
    assert_eq!(found(&report), [(Fault::Truncated, Some(9), None)]);
    assert_eq!(report.findings[0].unproven_from, Some(4));
    assert_eq!(report.intact_to, 3);
}

#[test]
fn a_checkpoint_cannot_stand_in_for_another() {
    let (links, heads) = chain(3);
    let whole = |places: [usize; 2]| {
        let mut items: Vec<Item> = links.iter().cloned().map(Item::Entry).collect();
        for place in places {
            let at = items.len() - (3 - place);
            items.insert(at, signed(&heads[place]));
        }
        items
    };
    let mut verifier_end = ChainEnd {
        sequence: 3,
        hash: heads[3].hash,
        checkpoints: 2,
        checkpoints_hash: hash_of_checkpoints(&whole([1, 3])),
    };
    let found_in = |items: Vec<Item>, end: &ChainEnd| {
        let mut verifier = ChainVerifier::new(ChainHead::empty(writer()), Some(end.clone()));
        run(&mut verifier, &items);
        found(&verifier.finish(&[]))
    };
    assert_eq!(found_in(whole([1, 3]), &verifier_end), []);
    let changed = [(Fault::CheckpointsChanged, None, None)];
    assert_eq!(found_in(whole([3, 3]), &verifier_end), changed);
    verifier_end.checkpoints = 3;
    assert_eq!(found_in(whole([1, 3]), &verifier_end), changed);
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
    items.insert(2, signed(&heads[2]));
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
    items.insert(6, signed(&heads[5]));
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
    let early = entries(signed(&heads[3]));
    assert_eq!(
        found(&check(&early, Some(&heads[3]))),
        [(Fault::Reordered, Some(3), Some(3))]
    );
    let late = entries(signed(&heads[1]));
    assert_eq!(
        found(&check(&late, Some(&heads[3]))),
        [(Fault::CheckpointMoved, Some(1), Some(3))]
    );
    let mut changed = checkpoint(&heads[2]);
    changed.sequence = 1;
    assert_eq!(
        found(&check(&entries(Item::Checkpoint(Box::new(changed))), None)),
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
        checkpoints_hash: hash_of_checkpoints(&[signed(&heads[1])]),
    };
    let verifier = ChainVerifier::new(heads[2].clone(), Some(end));
    assert_eq!(
        found(&verifier.finish(&[])),
        [(Fault::CheckpointsChanged, None, None)]
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

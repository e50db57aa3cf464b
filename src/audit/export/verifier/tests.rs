//! Whole exports of two writers, and everything that can be done to them.

mod headers;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{ExportRange, LINE_BYTES_MAX, checkpoint_line, entry_line};
use super::*;
use crate::audit::entry::tests::example;
use crate::audit::{ChainHash, ChainHead, Checkpoint, Timestamp};
use crate::keys::{KeyKind, SigningKey};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(KeyKind::Audit, &[seed; 32]).expect("32 bytes")
}

/// What a line below the header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Index of the writer.
    writer: usize,
    /// Sequence of the entry, or that the checkpoint speaks of.
    sequence: u64,
    is_entry: bool,
}

/// An export, line by line.
#[derive(Debug, Clone)]
struct Export {
    header: ExportHeader,
    head: String,
    /// So many entries of a writer to a checkpoint.
    every: u64,
    lines: Vec<(Place, String)>,
}

const WRITERS: [&str; 2] = ["a", "b"];

impl Export {
    /// Entries of the writers in `order`; a checkpoint behind every `every`th of a writer.
    fn of(order: &[usize], every: u64, key: &SigningKey) -> Self {
        let writer = |name| WriterId::new(name).expect("a name");
        let mut heads = WRITERS.map(|name| ChainHead::empty(writer(name)));
        let time = Timestamp::from_microseconds(1).expect("in range");
        let mut lines = Vec::new();
        let mut checkpoints = WRITERS.map(|name| ChainHash::of_no_checkpoint(&writer(name)));
        for &writer in order {
            let head = &mut heads[writer];
            let link = head.append(example()).expect("fits");
            let place = |is_entry| Place {
                writer,
                sequence: link.sequence,
                is_entry,
            };
            lines.push((place(true), entry_line(&link.text, &link.hash)));
            if link.sequence % every == 0 {
                let checkpoint = Checkpoint::sign(head, time, key);
                checkpoints[writer] = checkpoints[writer].after(&checkpoint.to_text());
                lines.push((place(false), checkpoint_line(&checkpoint)));
            }
        }
        let range = |(head, checkpoints_hash): (&ChainHead, ChainHash)| ExportRange {
            checkpoints: head.sequence / every,
            checkpoints_hash,
            first: 1,
            hash: head.hash,
            last: head.sequence,
            previous: ChainHead::empty(head.writer.clone()).hash,
            writer: head.writer.clone(),
        };
        let ranges = heads.iter().zip(checkpoints).map(range).collect();
        let header = ExportHeader::new(time, ranges, key.public(), &[]).expect("is consistent");
        let head = header.to_line(key).expect("the same key");
        Self {
            header,
            head,
            every,
            lines,
        }
    }

    /// The last sequence up to `sequence` that a checkpoint speaks of.
    fn signed_up_to(&self, sequence: u64) -> u64 {
        sequence / self.every * self.every
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|(_, line)| line.as_str());
        std::iter::once(self.head.as_str()).chain(lines).collect()
    }

    /// The line of a byte of [`Self::text`]; nothing for the header.
    fn place_of(&self, byte: usize) -> Option<Place> {
        let mut end = self.head.len();
        if byte < end {
            return None;
        }
        let mut lines = self.lines.iter();
        lines.find_map(|(place, line)| {
            end += line.len();
            (byte < end).then_some(*place)
        })
    }

    /// Lines of one writer.
    fn of_writer(&self, writer: usize) -> Vec<Place> {
        let places = self.lines.iter().map(|(place, _)| *place);
        places.filter(|place| place.writer == writer).collect()
    }
}

fn verify(bytes: &[u8]) -> ExportReport {
    let pinned = Some(key(1).public());
    verify_export(bytes, pinned, &mut |_| {}).expect("an export")
}

/// The first bad sequence of each chain.
fn first_bad(report: &ExportReport) -> [Option<u64>; 2] {
    [0, 1].map(|at| {
        let findings = report.chains[at].findings.iter();
        findings.filter_map(|finding| finding.sequence).min()
    })
}

fn faults(report: &ExportReport) -> Vec<Fault> {
    report.all_findings().map(|finding| finding.fault).collect()
}

prop_compose! {
    fn any_export()(
        order in proptest::collection::vec(0..2_usize, 3..14),
        every in 1..5_u64,
    ) -> Export {
        Export::of(&order, every, &key(1))
    }
}

proptest! {
    #[test]
    fn two_interleaved_writers_are_intact(export in any_export()) {
        let report = verify(export.text().as_bytes());
        prop_assert!(report.is_intact(), "{report:?}");
        for (writer, chain) in report.chains.iter().enumerate() {
            let entries = export.of_writer(writer).iter().filter(|place| place.is_entry).count();
            prop_assert_eq!(chain.intact_to, entries as u64);
        }
    }

    #[test]
    fn an_edited_byte_is_found_and_its_entry_named(
        export in any_export(), at: Index, byte: u8,
    ) {
        let text = export.text();
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let pinned = Some(key(1).public());
        let Ok(report) = verify_export(&bytes[..], pinned, &mut |_| {}) else {
            // A first line that is no header of this format any more.
            prop_assert!(at < export.head.len());
            return Ok(());
        };
        prop_assert!(!report.is_intact());
        if let Some(place) = export.place_of(at).filter(|place| place.is_entry) {
            prop_assert_eq!(first_bad(&report)[place.writer], Some(place.sequence), "{:?}", report);
            let proven = export.signed_up_to(place.sequence - 1);
            prop_assert_eq!(report.chains[place.writer].intact_to, proven);
        }
    }

    #[test]
    fn a_deleted_line_is_found_and_its_entry_named(export in any_export(), at: Index) {
        let at = at.index(export.lines.len());
        let mut less = export.clone();
        let (place, _) = less.lines.remove(at);
        let report = verify(less.text().as_bytes());
        let findings = &report.chains[place.writer].findings;
        prop_assert_eq!(report.all_findings().count(), 1);
        if place.is_entry {
            prop_assert_eq!(findings[0].sequence, Some(place.sequence));
            let is_gone = matches!(findings[0].fault, Fault::Deleted | Fault::Truncated);
            prop_assert!(is_gone, "{:?}", findings);
        } else {
            prop_assert_eq!(findings[0].fault, Fault::CheckpointsChanged);
        }
    }

    #[test]
    fn a_line_that_is_there_twice_is_found(export in any_export(), of: Index, to: Index) {
        let line = export.lines[of.index(export.lines.len())].clone();
        let to = to.index(export.lines.len() + 1);
        let mut more = export.clone();
        more.lines.insert(to, line.clone());
        let report = verify(more.text().as_bytes());
        prop_assert!(!report.is_intact());
        let (place, _) = line;
        let before = export.lines.iter().take(to).map(|(place, _)| place);
        let is_own = |own: &&Place| own.writer == place.writer && own.is_entry;
        let head = before.filter(is_own).count() as u64;
        if place.is_entry {
            // In front of the head's checkpoint it parts the two: then that is not in its place.
            let behind = export.lines.iter().skip(to).map(|(place, _)| place);
            let mut behind = behind.filter(|behind| behind.writer == place.writer);
            let parts = behind.next().is_some_and(|behind| !behind.is_entry);
            let is_head = place.sequence == head || parts && place.sequence == head + 1;
            let expected = if is_head { head } else { head + 1 };
            prop_assert_eq!(first_bad(&report)[place.writer], Some(expected), "{:?}", report);
        }
        prop_assert_eq!(first_bad(&report)[1 - place.writer], None);
    }

    #[test]
    fn two_swapped_lines_are_found_unless_no_chain_changed(
        export in any_export(), a: Index, b: Index,
    ) {
        let mut swapped = export.clone();
        let count = export.lines.len();
        swapped.lines.swap(a.index(count), b.index(count));
        let report = verify(swapped.text().as_bytes());
        for writer in [0, 1] {
            let (was, is) = (export.of_writer(writer), swapped.of_writer(writer));
            let change = was.iter().zip(&is).position(|(was, is)| was != is);
            let Some(change) = change else {
                prop_assert_eq!(first_bad(&report)[writer], None);
                continue;
            };
            let head = was[..change].iter().filter(|place| place.is_entry).count() as u64;
            let named = first_bad(&report)[writer].expect("is found");
            if was[change].is_entry {
                prop_assert_eq!(named, head + 1, "{:?}", report);
            } else {
                // The checkpoint behind the head was moved.
                prop_assert!(named == head || named == head + 1, "{:?}", report);
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_found_and_the_first_lost_entry_named(
        export in any_export(), at: Index,
    ) {
        let text = export.text();
        let length = text.len() - export.head.len();
        let at = export.head.len() + at.index(length);
        let report = verify(&text.as_bytes()[..at]);
        prop_assert!(!report.is_intact());
        // A line that lacks nothing but its end is still read.
        let kept = if at == export.head.len() { at } else { at + 1 };
        for writer in [0, 1] {
            let mut end = export.head.len();
            let mut entries = (0, 0);
            for (place, line) in &export.lines {
                end += line.len();
                if place.writer == writer && place.is_entry {
                    entries = (entries.0 + u64::from(end <= kept), entries.1 + 1);
                }
            }
            let lost = (entries.0 < entries.1).then_some(entries.0 + 1);
            prop_assert_eq!(first_bad(&report)[writer], lost, "{:?}", report);
        }
    }

    #[test]
    fn a_forger_without_the_key_cannot_rewrite_a_chain(export in any_export(), at: Index) {
        // Everything from one entry on is made anew with right hashes.
        let at = at.index(export.lines.len());
        let (place, _) = export.lines[at];
        prop_assume!(place.is_entry);
        let mut head = ChainHead::empty(WriterId::new(WRITERS[place.writer]).expect("a name"));
        let mut forged = export.clone();
        let own = |line: &&mut (Place, String)| line.0.is_entry && line.0.writer == place.writer;
        for (of, line) in forged.lines.iter_mut().filter(own) {
            let mut entry = example();
            if of.sequence >= place.sequence {
                entry.decision = None;
            }
            let link = head.append(entry).expect("fits");
            *line = entry_line(&link.text, &link.hash);
        }
        let report = verify(forged.text().as_bytes());
        prop_assert_eq!(faults(&report), [Fault::Rewritten]);
        let finding = &report.chains[place.writer].findings[0];
        let last_signed = report.chains[place.writer].signed_to;
        prop_assert!(last_signed < place.sequence);
        prop_assert_eq!(finding.sequence, Some(last_signed + 1));
        prop_assert!(finding.until >= Some(place.sequence));
    }

    #[test]
    fn hostile_files_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let export = Export::of(&[0, 1, 0], 2, &key(1));
        let mut file = export.head.clone().into_bytes();
        file.extend(&bytes);
        prop_assert!(!verify(&file).is_intact());
        let foreign = verify_export(&bytes[..], None, &mut |_| {});
        prop_assert!(foreign.is_err());
    }
}

#[test]
fn other_files_and_formats_are_not_called_broken() {
    let check = |text: &str| verify_export(text.as_bytes(), None, &mut |_| {});
    for foreign in ["", "\n", "hello\n", "{\"entry\":1}\n"] {
        assert!(
            matches!(check(foreign), Err(ExportError::Foreign)),
            "{foreign}"
        );
    }
    let export = Export::of(&[0], 1, &key(1));
    let later = export.head.replace("\"format\":1", "\"format\":2");
    assert!(matches!(check(&later), Err(ExportError::Format(2))));
    let damaged = check(&export.head.replace("\"format\"", "\"fromat\"")).expect("ours");
    assert_eq!(faults(&damaged), [Fault::HeaderEdited]);
    assert!(!damaged.is_intact());
}

#[test]
fn lines_of_any_length_and_of_strangers_are_findings() {
    let export = Export::of(&[0, 0], 2, &key(1));
    let stranger = Export::of(&[1], 1, &key(1)).lines.remove(0).1;
    let long = "x".repeat(3 * LINE_BYTES_MAX);
    let unknown = stranger.replace("\"writer\":\"b\"", "\"writer\":\"c\"");
    let text = format!("{}{long}\n\n{unknown}", export.text());
    let report = verify(text.as_bytes());
    let expected = [
        Fault::UnreadableLine,
        Fault::UnreadableLine,
        Fault::OtherChain,
    ];
    assert_eq!(faults(&report), expected);
    assert_eq!(
        report.first_finding().and_then(|finding| finding.line),
        Some(5)
    );
    let many = format!("{}{}", export.text(), "\n".repeat(1_000));
    let report = verify(many.as_bytes());
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    assert_eq!(report.more_findings, 1_000 - FINDINGS_MAX as u64);
}

#[test]
fn an_unreadable_line_is_told_as_the_entry_that_it_was() {
    let mut export = Export::of(&[0, 1, 0, 1], 10, &key(1));
    export.lines[2].1 = "not JSON\n".to_owned();
    let report = verify(export.text().as_bytes());
    let finding = report.first_finding().expect("is found");
    assert_eq!(
        finding.to_string(),
        "a, entry 2: line 4: The entry, or the hash beside it, was edited. No signature vouches \
         for entries from 1 on."
    );
    assert_eq!(report.all_findings().count(), 1);
}

//! Checks one writer's chain while it streams by, in memory that does not grow with it.

use serde::Serialize;

use super::chain::{ChainHash, ChainHead};
use super::checkpoint::Checkpoint;
use super::finding::{Fault, Finding};
use super::text::WriterId;

/// Most findings that are kept of one chain; the rest is counted.
const FINDINGS_MAX: usize = 16;

/// An entry with the hash that stands beside it.
#[derive(Debug, Clone, Copy)]
pub struct StatedEntry<'a> {
    /// Sequence that the text names.
    pub sequence: u64,
    /// Canonical text.
    pub text: &'a str,
    /// Hash of the chain up to and with this entry, as stored.
    pub hash: ChainHash,
    /// Line of the file, or any number that grows.
    pub line: u64,
}

/// What a chain has to end with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// Sequence of the last entry.
    pub sequence: u64,
    /// Hash of the chain up to it.
    pub hash: ChainHash,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// Hash over them, see [`ChainHash::of_no_checkpoint`].
    pub checkpoints_hash: ChainHash,
}

/// What came of checking a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Whose chain.
    pub writer: WriterId,
    /// Entries seen.
    pub entries: u64,
    /// Checkpoints seen.
    pub checkpoints: u64,
    /// Entries up to this sequence are proven to be what was written, by a checkpoint or by where
    /// the chain has to end. What only agrees with itself is not: anybody can compute hashes.
    pub intact_to: u64,
    /// Entries up to this sequence are proven by a checkpoint of the chain itself.
    pub signed_to: u64,
    /// What is wrong, in the order of the lines.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub more_findings: u64,
}

/// What stood where the next entry was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// An entry with the right sequence whose hash does not follow.
    Unfit,
    /// An entry of an earlier place.
    Earlier,
    /// An entry of a later place.
    Later,
    /// A checkpoint of a later place.
    Checkpoint,
}

/// Where the chain does not go on. Lines below may still tell why.
#[derive(Debug, Clone, Copy)]
struct Break {
    found: Found,
    line: u64,
    /// The expected entry came after all.
    came_later: bool,
    /// The entry behind the expected one came after something still later.
    next_came: bool,
}

impl Break {
    const fn new(found: Found, line: u64) -> Self {
        Self {
            found,
            line,
            came_later: false,
            next_came: false,
        }
    }

    const fn fault(&self) -> Fault {
        match self.found {
            Found::Later | Found::Checkpoint if self.came_later => Fault::Reordered,
            // The others are all there, so that the one that was found was the expected one.
            Found::Later if self.next_came => Fault::Edited,
            Found::Later | Found::Checkpoint => Fault::Deleted,
            Found::Unfit | Found::Earlier => Fault::Edited,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    Whole,
    Broken(Break),
    /// What follows was rewritten or stands on what was: its hashes prove nothing.
    Rewritten,
}

/// Checks one writer's chain while it streams by.
#[derive(Debug)]
pub struct ChainVerifier {
    /// The last entry that is proven to follow.
    head: ChainHead,
    /// Hash before that entry; nothing before the first one.
    before: Option<ChainHash>,
    /// Another entry for the head's place that follows as well.
    rival: Option<ChainHash>,
    head_line: u64,
    checkpoints_hash: ChainHash,
    end: Option<ChainEnd>,
    state: State,
    report: ChainReport,
}

impl ChainVerifier {
    /// A verifier of the chain behind `start`: [`ChainHead::empty`] for a whole chain. Without an
    /// `end` that is known from elsewhere, entries cut off behind the last checkpoint are missed.
    #[must_use]
    pub fn new(start: ChainHead, end: Option<ChainEnd>) -> Self {
        let report = ChainReport {
            writer: start.writer.clone(),
            entries: 0,
            checkpoints: 0,
            intact_to: start.sequence,
            signed_to: start.sequence,
            findings: Vec::new(),
            more_findings: 0,
        };
        Self {
            checkpoints_hash: ChainHash::of_no_checkpoint(&start.writer),
            head: start,
            before: None,
            rival: None,
            head_line: 0,
            end,
            state: State::Whole,
            report,
        }
    }

    /// The next entry of this writer.
    pub fn entry(&mut self, entry: &StatedEntry<'_>) {
        self.report.entries += 1;
        let expected = self.head.sequence.saturating_add(1);
        match self.state {
            State::Rewritten => {}
            State::Whole if self.is_rival(entry) => {
                self.rival = Some(entry.hash);
                self.find(Fault::Inserted, Some(self.head.sequence), Some(entry.line));
            }
            State::Whole if self.end.as_ref().is_some_and(|end| expected > end.sequence) => {
                self.find(Fault::Inserted, Some(expected), Some(entry.line));
            }
            State::Whole if self.follows(entry) => self.advance(entry),
            State::Whole => {
                let found = match entry.sequence.cmp(&expected) {
                    std::cmp::Ordering::Less => Found::Earlier,
                    std::cmp::Ordering::Equal => Found::Unfit,
                    std::cmp::Ordering::Greater => Found::Later,
                };
                self.state = State::Broken(Break::new(found, entry.line));
            }
            State::Broken(_) => self.after_break(entry),
        }
    }

    /// An entry below the place where the chain broke.
    fn after_break(&mut self, entry: &StatedEntry<'_>) {
        let follows = self.follows(entry);
        let next = self.head.sequence.saturating_add(2);
        let State::Broken(broken) = &mut self.state else {
            return;
        };
        match broken.found {
            // Without what stood there the chain is whole.
            Found::Unfit | Found::Earlier if follows => {
                let (sequence, line) = (entry.sequence, broken.line);
                self.state = State::Whole;
                self.find(Fault::Inserted, Some(sequence), Some(line));
                self.advance(entry);
            }
            _ => {
                broken.came_later |= follows;
                broken.next_came |= entry.sequence == next;
            }
        }
    }

    fn follows(&self, entry: &StatedEntry<'_>) -> bool {
        let is_next = self.head.sequence.checked_add(1) == Some(entry.sequence);
        let follows = |hash: &ChainHash| hash.after(entry.text) == entry.hash;
        is_next && (follows(&self.head.hash) || self.rival.as_ref().is_some_and(follows))
    }

    /// Whether the entry could stand in the place of the last one.
    fn is_rival(&self, entry: &StatedEntry<'_>) -> bool {
        let before = self.before.as_ref();
        entry.sequence == self.head.sequence
            && before.is_some_and(|before| before.after(entry.text) == entry.hash)
    }

    fn advance(&mut self, entry: &StatedEntry<'_>) {
        let rival = self.rival.take();
        let is_after_rival = rival.filter(|rival| rival.after(entry.text) == entry.hash);
        self.before = Some(is_after_rival.unwrap_or(self.head.hash));
        self.head.sequence = entry.sequence;
        self.head.hash = entry.hash;
        self.head_line = entry.line;
    }

    /// The next checkpoint that names this writer. `is_trusted`: its key may sign this trail.
    pub fn checkpoint(&mut self, line: u64, checkpoint: &Checkpoint, is_trusted: bool) {
        self.report.checkpoints += 1;
        self.checkpoints_hash = self.checkpoints_hash.after(&checkpoint.to_text());
        let stands_behind = matches!(self.state, State::Whole).then_some(self.head.sequence);
        if !is_trusted {
            return self.find(Fault::UnknownKey, stands_behind, Some(line));
        }
        if !checkpoint.is_signed() || checkpoint.writer != self.head.writer {
            return self.find(Fault::BadSignature, stands_behind, Some(line));
        }
        if !matches!(self.state, State::Whole) {
            return;
        }
        match checkpoint.sequence.cmp(&self.head.sequence) {
            std::cmp::Ordering::Less => {
                let sequence = Some(checkpoint.sequence);
                self.find(Fault::CheckpointMoved, sequence, Some(line));
            }
            std::cmp::Ordering::Greater => {
                self.state = State::Broken(Break::new(Found::Checkpoint, line));
            }
            std::cmp::Ordering::Equal => self.compare(checkpoint.hash, Some(line)),
        }
    }

    /// Compares the head with a signed hash of its place.
    fn compare(&mut self, signed: ChainHash, line: Option<u64>) {
        if let Some(rival) = self.rival.take().filter(|rival| *rival == signed) {
            self.head.hash = rival;
        }
        if self.head.hash == signed {
            self.report.signed_to = self.head.sequence;
            return;
        }
        let last = self.head.sequence;
        let first = self.report.signed_to.saturating_add(1).min(last);
        self.state = State::Rewritten;
        self.keep(Finding {
            fault: Fault::Rewritten,
            writer: Some(self.head.writer.clone()),
            sequence: Some(first),
            until: Some(last),
            unproven_from: None,
            line,
        });
    }

    fn find(&mut self, fault: Fault, sequence: Option<u64>, line: Option<u64>) {
        self.keep(Finding {
            fault,
            writer: Some(self.head.writer.clone()),
            sequence,
            until: None,
            unproven_from: None,
            line,
        });
    }

    fn keep(&mut self, finding: Finding) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(finding);
        } else {
            self.report.more_findings += 1;
        }
    }

    /// The end of the chain. `unreadable`: lines in growing order that could not be read, one of
    /// which may be the entry that is missing.
    #[must_use]
    pub fn finish(mut self, unreadable: &[u64]) -> ChainReport {
        let signed_to = self.report.signed_to;
        self.report.intact_to = match self.state {
            State::Rewritten => signed_to,
            State::Broken(broken) => {
                self.finish_broken(&broken, unreadable);
                signed_to
            }
            State::Whole => self.finish_whole(unreadable),
        };
        let unproven = self.report.intact_to.saturating_add(1);
        for finding in &mut self.report.findings {
            // A range says for itself where it begins.
            let is_later = finding.sequence.is_some_and(|place| unproven < place);
            finding.unproven_from = is_later.then_some(unproven);
        }
        self.report
            .findings
            .sort_by_key(|finding| finding.line.unwrap_or(u64::MAX));
        self.report
    }

    fn finish_broken(&mut self, broken: &Break, unreadable: &[u64]) {
        let place = self.head.sequence.saturating_add(1);
        let (fault, line) = match broken.fault() {
            Fault::Deleted => match self.first_unreadable(unreadable, Some(broken.line)) {
                Some(line) => (Fault::Edited, line),
                None => (Fault::Deleted, broken.line),
            },
            fault => (fault, broken.line),
        };
        self.find(fault, Some(place), Some(line));
    }

    /// A chain that agrees with itself; up to where it is proven.
    fn finish_whole(&mut self, unreadable: &[u64]) -> u64 {
        let signed_to = self.report.signed_to;
        let Some(end) = self.end.clone() else {
            return signed_to;
        };
        if self.head.sequence < end.sequence {
            self.finish_early(end.sequence, unreadable);
            return signed_to;
        }
        self.compare(end.hash, None);
        self.report.signed_to = signed_to;
        if matches!(self.state, State::Rewritten) {
            return signed_to;
        }
        let seen = (self.report.checkpoints, self.checkpoints_hash);
        if seen != (end.checkpoints, end.checkpoints_hash) {
            self.find(Fault::CheckpointsChanged, None, None);
        }
        self.head.sequence
    }

    /// The chain ends before its last entry.
    fn finish_early(&mut self, last: u64, unreadable: &[u64]) {
        let place = self.head.sequence.saturating_add(1);
        if let Some(line) = self.first_unreadable(unreadable, None) {
            return self.find(Fault::Edited, Some(place), Some(line));
        }
        self.keep(Finding {
            fault: Fault::Truncated,
            writer: Some(self.head.writer.clone()),
            sequence: Some(place),
            until: Some(last),
            unproven_from: None,
            line: None,
        });
    }

    /// The first unreadable line between the head and `line`.
    fn first_unreadable(&self, unreadable: &[u64], line: Option<u64>) -> Option<u64> {
        let is_in_gap = |at: &u64| *at > self.head_line && line.is_none_or(|line| *at < line);
        unreadable.iter().copied().find(is_in_gap)
    }
}

#[cfg(test)]
mod tests;

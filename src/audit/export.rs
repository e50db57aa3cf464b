//! The file that an auditor gets: JSON lines that prove themselves.

mod lines;
mod verifier;

use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, ChainHead};
use super::checkpoint::{Checkpoint, Signature};
use super::entry::{ENTRY_BYTES_MAX, Entry, SEQUENCE_MAX};
use super::text::{Text, WriterId};
use super::timestamp::Timestamp;
use super::verifier::ChainEnd;
use crate::digest::{bytes_of_hex, length_prefixed};
use crate::keys::{PublicKey, SigningKey};

pub use verifier::{ExportError, ExportReport, ExportVerifier, verify_export};

/// The format that this version of padan writes and reads.
pub const EXPORT_FORMAT: u64 = 1;

/// Most writers of one export.
pub const WRITERS_MAX: usize = 512;

/// Most keys of one export: the one that signs it, and those of its checkpoints.
pub const KEYS_MAX: usize = 64;

/// Most bytes of a line, its end included. The longest is the header of an export with all writers.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

const LABEL: &str = "padan audit export v1";

const HEADER: (&str, &str) = ("{\"header\":", ",\"signature\":\"");
const ENTRY: (&str, &str) = ("{\"entry\":", ",\"hash\":\"");
const CHECKPOINT: &str = "{\"checkpoint\":";

/// Which entries of a writer an export holds: all from `first` to `last`; none of them when `last`
/// is the sequence before `first`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRange {
    /// How many checkpoints of the writer the file holds.
    pub checkpoints: u64,
    /// Hash over them, see [`ChainHash::of_no_checkpoint`].
    pub checkpoints_hash: ChainHash,
    /// Sequence of the first entry, from 1 on.
    pub first: u64,
    /// Hash of the chain up to the last entry.
    pub hash: ChainHash,
    /// Sequence of the last entry.
    pub last: u64,
    /// Hash of the chain before the first entry.
    pub previous: ChainHash,
    /// Whose chain.
    pub writer: WriterId,
}

impl ExportRange {
    /// Where the range begins.
    #[must_use]
    pub fn start(&self) -> ChainHead {
        ChainHead {
            writer: self.writer.clone(),
            sequence: self.first.saturating_sub(1),
            hash: self.previous,
        }
    }

    /// Where it has to end.
    #[must_use]
    pub fn end(&self) -> ChainEnd {
        ChainEnd {
            sequence: self.last,
            hash: self.hash,
            checkpoints: self.checkpoints,
            checkpoints_hash: self.checkpoints_hash,
        }
    }

    fn is_consistent(&self) -> bool {
        let start = self.start();
        let is_range = self.first > 0 && start.sequence <= self.last && self.last <= SEQUENCE_MAX;
        let is_empty = start.sequence == self.last;
        is_range
            && (start.sequence > 0 || start == ChainHead::empty(self.writer.clone()))
            && (!is_empty || self.hash == self.previous)
    }
}

/// The first line of an export, signed: what the file has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// When the export was made.
    pub created: Timestamp,
    /// [`EXPORT_FORMAT`].
    pub format: u64,
    /// Key that signs this header.
    pub key: PublicKey,
    /// All keys that sign checkpoints of the file, with [`Self::key`].
    pub keys: Vec<PublicKey>,
    /// Version of padan that made the export.
    pub padan: Text,
    /// The chains, in the order of their writers.
    pub writers: Vec<ExportRange>,
}

/// A header that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the header of an audit export has 1 to {KEYS_MAX} keys, at most {WRITERS_MAX} writers, each \
     once, and ranges that fit their hashes"
)]
pub struct ExportHeaderError;

impl ExportHeader {
    /// A header for these chains, to be signed by `key`; `older_keys` signed some checkpoints.
    ///
    /// # Errors
    /// When there are too many keys or writers, or a range contradicts itself.
    pub fn new(
        created: Timestamp,
        mut writers: Vec<ExportRange>,
        key: PublicKey,
        older_keys: &[PublicKey],
    ) -> Result<Self, ExportHeaderError> {
        writers.sort_by(|a, b| a.writer.cmp(&b.writer));
        let mut keys = vec![key];
        keys.extend(older_keys.iter().filter(|older| **older != key));
        let header = Self {
            created,
            format: EXPORT_FORMAT,
            key,
            keys,
            padan: Text::fitted(env!("CARGO_PKG_VERSION")),
            writers,
        };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), ExportHeaderError> {
        let is_consistent = self.keys.contains(&self.key)
            && self.keys.len() <= KEYS_MAX
            && self.writers.len() <= WRITERS_MAX
            && self.writers.is_sorted_by(|a, b| a.writer < b.writer)
            && self.writers.iter().all(ExportRange::is_consistent);
        is_consistent.then_some(()).ok_or(ExportHeaderError)
    }

    fn to_text(&self) -> String {
        // Cannot fail: all keys are texts and writing to memory does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The line, signed, with its end.
    ///
    /// # Errors
    /// When the header contradicts itself or names another key.
    pub fn to_line(&self, key: &SigningKey) -> Result<String, ExportHeaderError> {
        self.check()?;
        if key.public() != self.key {
            return Err(ExportHeaderError);
        }
        let text = self.to_text();
        let signature = Signature::of(&message(&text), key);
        Ok(framed(HEADER, &text, &String::from(signature)))
    }
}

fn message(text: &str) -> Vec<u8> {
    length_prefixed(&[LABEL.as_bytes(), text.as_bytes()])
}

/// The line of an entry, with its end, from what the store holds of it.
#[must_use]
pub fn entry_line(text: &str, hash: &ChainHash) -> String {
    framed(ENTRY, text, &hash.to_string())
}

/// The line of a checkpoint, with its end. It follows the entry that it speaks of.
#[must_use]
pub fn checkpoint_line(checkpoint: &Checkpoint) -> String {
    format!("{CHECKPOINT}{}}}\n", checkpoint.to_text())
}

fn framed((before, between): (&str, &str), text: &str, digits: &str) -> String {
    format!("{before}{text}{between}{digits}\"}}\n")
}

/// What [`framed`] put together, without the line's end: the text and `N` bytes.
fn unframed<'a, const N: usize>(
    (before, between): (&str, &str),
    line: &'a str,
) -> Option<(&'a str, [u8; N])> {
    let rest = line.strip_prefix(before)?.strip_suffix("\"}")?;
    let at = rest.len().checked_sub(2 * N)?;
    let (text, digits) = (rest.get(..at)?, rest.get(at..)?);
    Some((text.strip_suffix(between)?, bytes_of_hex(digits).ok()?))
}

/// A line of an export below its header.
#[derive(Debug)]
enum Line<'a> {
    Entry {
        entry: Box<Entry>,
        text: &'a str,
        hash: ChainHash,
    },
    Checkpoint(Box<Checkpoint>),
}

/// The line without its end; nothing when it is neither an entry nor a checkpoint.
fn parse_line(line: &str) -> Option<Line<'_>> {
    if let Some((text, hash)) = unframed::<32>(ENTRY, line) {
        return Some(Line::Entry {
            entry: Box::new(Entry::parse(text).ok()?),
            text,
            hash: ChainHash::from_bytes(hash),
        });
    }
    let text = line.strip_prefix(CHECKPOINT)?.strip_suffix('}')?;
    let checkpoint = Checkpoint::parse(text).ok()?;
    Some(Line::Checkpoint(Box::new(checkpoint)))
}

/// What the first line of a file is.
#[derive(Debug)]
enum FirstLine {
    /// A header; whether its key signed it.
    Header(Box<ExportHeader>, bool),
    /// What may have been one.
    Damaged,
    /// A header of another format.
    Format(u64),
    /// Nothing of ours.
    Foreign,
}

/// The one field that all formats have.
#[derive(Debug, Deserialize)]
struct Format {
    format: u64,
}

fn parse_first_line(line: &[u8]) -> FirstLine {
    if !line.starts_with(HEADER.0.as_bytes()) {
        return FirstLine::Foreign;
    }
    let line = std::str::from_utf8(line).unwrap_or_default();
    let Some((text, signature)) = unframed::<64>(HEADER, line) else {
        return FirstLine::Damaged;
    };
    match serde_json::from_str::<Format>(text) {
        Ok(Format { format }) if format != EXPORT_FORMAT => return FirstLine::Format(format),
        _ => {}
    }
    let header = serde_json::from_str::<ExportHeader>(text).ok();
    let Some(header) = header.filter(|header| header.to_text() == text) else {
        return FirstLine::Damaged;
    };
    let is_signed = header.key.has_signed(&message(text), &signature);
    FirstLine::Header(Box::new(header), is_signed)
}

// A line of an entry fits, whatever the entry.
const _: () = assert!(ENTRY_BYTES_MAX + 100 < LINE_BYTES_MAX);

//! The audit trail: who did what, when, to whom, and what was decided, so that an edit, a deletion,
//! an insertion, a reordering or a truncation is found and its first place named.
//!
//! ## One entry
//!
//! An [`Entry`] is stored and exported as one canonical JSON text ([`Entry::to_text`]): keys
//! sorted, nothing between the tokens, absent values left out, times in UTC with six decimals, the
//! similarity as a decimal text with six decimals, no other fractions. There is one text for one
//! entry: [`Entry::parse`] refuses every other spelling, and every key it does not know.
//!
//! ## The chain
//!
//! Each writer (a process of padan) has a chain of its own; its entries are numbered from 1 on.
//!
//! ```text
//! hash(0) = SHA-256("padan audit genesis v1" 0x00 writer)
//! hash(n) = SHA-256(hash(n − 1) ‖ text of entry n)
//! ```
//!
//! Now and then a [`Checkpoint`] says, signed with Ed25519, which hash a chain had at which place.
//! What is signed are these parts, each after its length in 64 bits: `padan audit checkpoint v1`,
//! the writer, the sequence in 64 bits, the hash, the time in microseconds since 1970 in 64 bits,
//! and the public key. All numbers have the most significant byte first.
//!
//! ## The export
//!
//! A file of lines, each ended by one newline, none longer than [`LINE_BYTES_MAX`]:
//!
//! ```text
//! {"header":HEADER,"signature":"128 hexadecimal digits"}      first, see ExportHeader
//! {"entry":TEXT OF THE ENTRY,"hash":"64 hexadecimal digits"}  the chain up to and with it
//! {"checkpoint":CHECKPOINT}                                   directly behind its entry
//! ```
//!
//! Lines of one writer are in the order of its chain; the chains may be mixed. The header is signed
//! over `padan audit export v1` and its own text, by the same rule, and says where each chain
//! begins and ends, so that nothing can be cut off. [`verify_export`] checks a file of any length
//! in bounded memory, and names the first bad place of each chain.
//!
//! ## What it cannot show
//!
//! Whoever has the signing key can write a new history. An older export is a true one: compare its
//! time and its last sequences with what you expect. And a public key that comes out of the file
//! itself proves only that the file fits itself: get the key another way.

mod chain;
mod checkpoint;
mod entry;
mod export;
mod finding;
mod text;
mod timestamp;
mod verifier;

pub use chain::{ChainHash, ChainHead, Link};
pub use checkpoint::{Checkpoint, CheckpointError, Signature};
pub use entry::{
    Actor, DecimalSimilarity, ENTRY_BYTES_MAX, Entry, EntryError, Event, SEQUENCE_MAX,
};
pub use export::{
    EXPORT_FORMAT, ExportError, ExportHeader, ExportHeaderError, ExportRange, ExportReport,
    ExportVerifier, KEYS_MAX, LINE_BYTES_MAX, WRITERS_MAX, checkpoint_line, entry_line,
    verify_export,
};
pub use finding::{Fault, Finding};
pub use text::{TEXT_BYTES_MAX, Text, TextError, WriterId};
pub use timestamp::{Timestamp, TimestampError};
pub use verifier::{ChainEnd, ChainReport, ChainVerifier, StatedEntry};

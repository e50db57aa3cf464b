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

mod chain;
mod entry;
mod text;
mod timestamp;

pub use chain::{ChainHash, ChainHead, Link};
pub use entry::{
    Actor, DecimalSimilarity, ENTRY_BYTES_MAX, Entry, EntryError, Event, SEQUENCE_MAX,
};
pub use text::{HexError, TEXT_BYTES_MAX, Text, TextError, WriterId};
pub use timestamp::{Timestamp, TimestampError};

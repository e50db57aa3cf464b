//! What is wrong with a trail, and where.

use serde::Serialize;

use super::text::WriterId;

/// Why a trail is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fault {
    /// The entry, or the hash beside it, is not what was written.
    Edited,
    /// The entry is gone.
    Deleted,
    /// Something stands here that was not written here.
    Inserted,
    /// The entry is there, but later than its place.
    Reordered,
    /// The chain ends early.
    Truncated,
    /// The hashes agree with each other, but not with what was signed.
    Rewritten,
    /// A checkpoint that its key did not sign.
    BadSignature,
    /// A checkpoint by a key that is not trusted.
    UnknownKey,
    /// A checkpoint that is not behind the entry it speaks of.
    CheckpointMoved,
    /// Not the checkpoints that the header speaks of.
    CheckpointsChanged,
    /// An entry or a checkpoint of a writer that the header does not name.
    OtherChain,
    /// A line that is neither an entry nor a checkpoint.
    UnreadableLine,
    /// The file ends within a line.
    UnendedLine,
    /// The header cannot be read any more.
    HeaderEdited,
    /// The header is not what its key signed.
    HeaderSignature,
    /// The header was signed by another key than the pinned one.
    HeaderKey,
    /// The header contradicts itself.
    HeaderContradiction,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 17] = [
        Self::Edited,
        Self::Deleted,
        Self::Inserted,
        Self::Reordered,
        Self::Truncated,
        Self::Rewritten,
        Self::BadSignature,
        Self::UnknownKey,
        Self::CheckpointMoved,
        Self::CheckpointsChanged,
        Self::OtherChain,
        Self::UnreadableLine,
        Self::UnendedLine,
        Self::HeaderEdited,
        Self::HeaderSignature,
        Self::HeaderKey,
        Self::HeaderContradiction,
    ];

    /// In a word or two, for a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Rewritten => "rewritten",
            Self::BadSignature => "bad signature",
            Self::UnknownKey => "unknown key",
            Self::CheckpointMoved => "checkpoint moved",
            Self::CheckpointsChanged => "checkpoints changed",
            Self::OtherChain => "other chain",
            Self::UnreadableLine => "unreadable line",
            Self::UnendedLine => "unended line",
            Self::HeaderEdited => "header edited",
            Self::HeaderSignature => "header signature",
            Self::HeaderKey => "header key",
            Self::HeaderContradiction => "header contradiction",
        }
    }

    /// In a sentence, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Edited => "The entry, or the hash beside it, was edited.",
            Self::Deleted => "The entry was deleted.",
            Self::Inserted => "Something was inserted here that was not written here.",
            Self::Reordered => "The entry is not in its place: the order was changed.",
            Self::Truncated => "The chain ends early: the entries from here on were cut off.",
            Self::Rewritten => {
                "The hashes agree with each other but not with what was signed: entries in this \
                 range were rewritten."
            }
            Self::BadSignature => "A checkpoint was edited: its key did not sign this.",
            Self::UnknownKey => "A checkpoint was signed by a key that is not trusted.",
            Self::CheckpointMoved => "A checkpoint is not behind the entry it speaks of.",
            Self::CheckpointsChanged => "Checkpoints were deleted, inserted or exchanged.",
            Self::OtherChain => "The line belongs to a writer that the header does not name.",
            Self::UnreadableLine => "The line is neither an entry nor a checkpoint.",
            Self::UnendedLine => "The file ends within a line.",
            Self::HeaderEdited => "The header cannot be read: nothing below it was checked.",
            Self::HeaderSignature => "The header was edited: its key did not sign this.",
            Self::HeaderKey => "The header was signed by another key than the given one.",
            Self::HeaderContradiction => "The header contradicts itself.",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Why.
    pub fault: Fault,
    /// Whose chain; absent when a line does not say so any more.
    pub writer: Option<WriterId>,
    /// First bad sequence of that chain.
    pub sequence: Option<u64>,
    /// Last sequence that may be bad too, when the place cannot be told more exactly.
    pub until: Option<u64>,
    /// The first sequence that no signature vouches for, when it comes before the bad one: whoever
    /// computed the hashes anew may have changed entries from here on.
    pub unproven_from: Option<u64>,
    /// Line of the file, from 1 on, that shows it; absent when the end of the file does.
    pub line: Option<u64>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(writer) = &self.writer {
            write!(out, "{writer}")?;
            match (self.sequence, self.until) {
                (Some(first), Some(last)) if last != first => {
                    write!(out, ", entries {first} to {last}")?;
                }
                (Some(first), _) => write!(out, ", entry {first}")?,
                (None, _) => {}
            }
            write!(out, ": ")?;
        }
        if let Some(line) = self.line {
            write!(out, "line {line}: ")?;
        }
        write!(out, "{}", self.fault.sentence())?;
        match self.unproven_from {
            Some(first) => write!(out, " No signature vouches for entries from {first} on."),
            None => Ok(()),
        }
    }
}

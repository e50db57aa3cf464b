//! What can be wrong with keys. No text here repeats what a key file, a variable or a command
//! holds.

use std::path::PathBuf;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::id::{KeyId, KeyKind};
use super::secret::NoRandomness;

/// Why keys were not read or made; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such folder.
    #[error(
        "there is no folder {} with keys: make keys with `padan keys init`, or name their folder \
         with --keys", .0.display()
    )]
    NoFolder(PathBuf),
    /// A folder or file that the operating system does not give.
    #[error("cannot read {}: {cause}: run padan as the owner of the keys", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A folder, pipe or device instead of a file.
    #[error("{} is no regular file: a key file is one line of text", .0.display())]
    NotAFile(PathBuf),
    /// Others than the owner can reach it.
    #[error(
        "others may {may} {} (mode {mode:04o}): run `chmod {wanted:o} {}`, and replace the keys if \
         somebody could have done so", path.display(), path.display()
    )]
    TooOpen {
        /// Which.
        path: PathBuf,
        /// What others may do.
        may: &'static str,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: u32,
    },
    /// Somebody else can change it.
    #[error(
        "{} belongs to the user with the number {owner}, who can replace what is in it: run padan \
         as that user, or `chown` it, and replace the keys if they may be his", path.display()
    )]
    OtherOwner {
        /// Which.
        path: PathBuf,
        /// Number of its owner.
        owner: u32,
    },
    /// A new master key that is older than the active one.
    #[error(
        "a master key from {} on would never be used: the active one is younger; give a time from \
         {} on", rfc3339(*from), rfc3339(*least)
    )]
    NeverActive {
        /// When it was to become active.
        from: OffsetDateTime,
        /// The earliest time that makes sense.
        least: OffsetDateTime,
    },
    /// The environment does not have the variable.
    #[error("the environment variable {0} with the keys is not set, or is not text")]
    NoVariable(String),
    /// The command that gives keys did not.
    #[error("the command {program:?} gave no keys: {cause}")]
    Command {
        /// Its first word.
        program: String,
        /// What happened.
        cause: String,
    },
    /// More text than keys have.
    #[error("{0} holds more than {max} bytes: these are no keys", max = super::source::TEXT_BYTES_MAX)]
    TooLong(String),
    /// A line that is no key.
    #[error("{origin}, line {line}: {problem}")]
    Line {
        /// Where the text is from.
        origin: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: LineProblem,
    },
    /// A kind of key that is not there.
    #[error(
        "there is no {kind} key in {places}: bring the file back, or, if nothing was ever enrolled \
         with these keys, make new ones with `padan keys init` in another folder"
    )]
    Missing {
        /// Which.
        kind: KeyKind,
        /// Where was looked.
        places: String,
    },
    /// Two keys where there must be one.
    #[error("two {kind} keys, in {first} and in {second}: leave the one that is in use")]
    Twice {
        /// Of which kind.
        kind: KeyKind,
        /// Where one is.
        first: String,
        /// Where the other is.
        second: String,
    },
    /// The same bytes for two purposes.
    #[error("the {first} and the {second} key are the same bytes: each needs its own")]
    Shared {
        /// One purpose.
        first: KeyKind,
        /// The other.
        second: KeyKind,
    },
    /// All master keys become active later.
    #[error(
        "no master key is active yet, the first one from {0} on: check the clock of this machine"
    )]
    NoneActive(OffsetDateTime),
    /// Keys would be overwritten.
    #[error(
        "{} is there already: keys are never overwritten, since nothing that they sealed could \
         be read again. Use it as it is, or name another folder with --keys", .0.display()
    )]
    AlreadyThere(PathBuf),
    /// A file or folder was not written.
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The operating system has no random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

fn rfc3339(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// What is wrong with a line of a key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// Not the five words of a key.
    #[error(
        "not a key: a line is `padan-key-1 KIND ID TIME KEY`; `padan keys init` writes such lines"
    )]
    Shape,
    /// Made by a later padan, or not by padan.
    #[error("a kind of key that this padan does not know")]
    Kind,
    /// No time in RFC 3339.
    #[error("the time from which the key is used is not one, for example 2026-01-31T00:00:00Z")]
    Time,
    /// The last word is no base64.
    #[error("the key is no base64: a character was lost or changed; bring back a copy")]
    Base64,
    /// Too short or too long.
    #[error("the key has {0} bytes instead of 32: bring back a copy")]
    Length(usize),
    /// All bytes are the same.
    #[error("the key is a placeholder: all its bytes are the same")]
    Placeholder,
    /// The bytes are not those the id was computed from.
    #[error(
        "the key is not the one its id names, {expected}: it was damaged or mislabelled; bring \
         back a copy"
    )]
    OtherKey {
        /// The id in the line.
        expected: KeyId,
    },
}

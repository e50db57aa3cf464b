//! Stand-ins for `subject::SubjectHash` and `audit::Entry`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The keyed hash of a NIK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectHash([u8; 32]);

impl SubjectHash {
    /// Takes the hash's bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What happened, without its place in a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Microseconds since 1970, UTC.
    pub at_us: i64,
    /// Whom it concerns.
    pub subject: Option<SubjectHash>,
    /// Where.
    pub office: Option<String>,
    /// Who called.
    pub caller: Option<String>,
    /// The caller's id of the request.
    pub request_id: Option<String>,
    /// What.
    pub what: String,
}

impl Entry {
    /// The canonical text of the entry at its place in the chain.
    #[must_use]
    pub fn text(&self, writer: &str, sequence: u64) -> String {
        let subject = self.subject.map(|subject| {
            subject
                .as_bytes()
                .iter()
                .fold(String::new(), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                })
        });
        serde_json::json!({
            "at_us": self.at_us, "caller": self.caller, "office": self.office,
            "request_id": self.request_id, "sequence": sequence, "subject": subject,
            "what": self.what, "writer": writer,
        })
        .to_string()
    }
}

/// The hash before a writer's first entry.
#[must_use]
pub fn genesis(writer: &str) -> [u8; 32] {
    Sha256::digest(format!("padan audit chain {writer}")).into()
}

/// The hash of the entry with `text` after the one with `previous`.
#[must_use]
pub fn chain_hash(previous: &[u8; 32], text: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(previous)
        .chain_update(text)
        .finalize()
        .into()
}

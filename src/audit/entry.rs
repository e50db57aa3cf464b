//! One entry of the trail and its canonical text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::text::{Text, WriterId};
use super::timestamp::Timestamp;
use crate::compare::Similarity;
use crate::subject::SubjectHash;

/// Most bytes of an entry's text. An entry of fifty full texts still fits.
pub const ENTRY_BYTES_MAX: usize = 32 * 1024;

/// The last sequence of a chain: what a signed 64-bit column of a database holds.
pub const SEQUENCE_MAX: u64 = i64::MAX as u64;

/// What happened. Its name in the trail is the variant's in upper case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Event {
    /// A subject or a pair of samples was verified, or could not be.
    Verification,
    /// A case was handed to people, or one of them decided it.
    Review,
    /// A reference was stored, replaced, sealed anew or deleted.
    ReferenceChanged,
    /// A key was made, rotated or destroyed.
    KeysChanged,
    /// A result token was redeemed, or its redeeming refused.
    TokenRedeemed,
    /// A consent was recorded or withdrawn.
    ConsentChanged,
    /// A subject's key was destroyed, and with it what it sealed.
    SubjectErased,
    /// Data were deleted because their time was over.
    RetentionEnded,
    /// The trail was read or exported.
    TrailRead,
    /// A call was refused before anything was decided.
    CallRefused,
    /// A process of padan began its work, by the policies that the entry names, or ended it; a
    /// model was loaded, activated, tried or unloaded; or a backup was restored.
    ServiceChanged,
}

impl Event {
    /// All events.
    pub const ALL: [Self; 11] = [
        Self::Verification,
        Self::Review,
        Self::ReferenceChanged,
        Self::KeysChanged,
        Self::TokenRedeemed,
        Self::ConsentChanged,
        Self::SubjectErased,
        Self::RetentionEnded,
        Self::TrailRead,
        Self::CallRefused,
        Self::ServiceChanged,
    ];
}

impl Event {
    /// Its name in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verification => "VERIFICATION",
            Self::Review => "REVIEW",
            Self::ReferenceChanged => "REFERENCE_CHANGED",
            Self::KeysChanged => "KEYS_CHANGED",
            Self::TokenRedeemed => "TOKEN_REDEEMED",
            Self::ConsentChanged => "CONSENT_CHANGED",
            Self::SubjectErased => "SUBJECT_ERASED",
            Self::RetentionEnded => "RETENTION_ENDED",
            Self::TrailRead => "TRAIL_READ",
            Self::CallRefused => "CALL_REFUSED",
            Self::ServiceChanged => "SERVICE_CHANGED",
        }
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Name in the client certificate; absent for padan itself and without certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Text>,
    /// Role that the caller had.
    pub role: Text,
}

/// A similarity as the trail holds it: millionths, `-1.000000` to `1.000000` as text. Its `Debug`
/// shows no number.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DecimalSimilarity(i32);

const MILLION: i32 = 1_000_000;

/// A text that is no similarity of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a similarity of the audit trail is a decimal from -1.000000 to 1.000000")]
pub struct DecimalSimilarityError;

impl From<Similarity> for DecimalSimilarity {
    fn from(similarity: Similarity) -> Self {
        let millionths = (f64::from(similarity.value()) * f64::from(MILLION)).round();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a cosine is within -1 and 1"
        )]
        Self(millionths as i32)
    }
}

impl TryFrom<String> for DecimalSimilarity {
    type Error = DecimalSimilarityError;

    fn try_from(text: String) -> Result<Self, DecimalSimilarityError> {
        let digits: String = text.chars().filter(|&c| c != '.').collect();
        let millionths = digits.parse().map_err(|_| DecimalSimilarityError)?;
        let decimal = Self(millionths);
        let is_cosine = (-MILLION..=MILLION).contains(&millionths);
        if is_cosine && String::from(decimal) == text {
            Ok(decimal)
        } else {
            Err(DecimalSimilarityError)
        }
    }
}

impl From<DecimalSimilarity> for String {
    fn from(DecimalSimilarity(millionths): DecimalSimilarity) -> Self {
        let sign = if millionths < 0 { "-" } else { "" };
        let size = millionths.abs();
        format!("{sign}{}.{:06}", size / MILLION, size % MILLION)
    }
}

impl std::fmt::Debug for DecimalSimilarity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("DecimalSimilarity(…)")
    }
}

/// One entry of the trail. Its fields are in the order of their keys, which is that of the
/// canonical text; what is absent is left out there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Who acted.
    pub actor: Actor,
    /// How the probe was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Text>,
    /// Contract ids of the models that measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contracts: Vec<Text>,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Text>,
    /// What else is worth knowing; never an image, an embedding, a key or a NIK.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<Text, Text>,
    /// Device that captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Text>,
    /// What happened.
    pub event: Event,
    /// Office of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office: Option<Text>,
    /// Person at the counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Text>,
    /// Version of padan that wrote the entry.
    pub padan: Text,
    /// Version of the policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// What the verification was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Text>,
    /// Why, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Text>,
    /// Row version of the reference that was compared or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_version: Option<u64>,
    /// Request id of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Text>,
    /// Place in the writer's chain, from 1 on; 0 until [`super::ChainHead::append`] gives it one.
    pub sequence: u64,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<DecimalSimilarity>,
    /// Whom it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectHash>,
    /// When.
    pub time: Timestamp,
    /// Whose chain.
    pub writer: WriterId,
}

/// A text or an entry that the trail does not hold. Says nothing of what the text holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Longer than [`ENTRY_BYTES_MAX`].
    #[error("an audit entry has at most {ENTRY_BYTES_MAX} bytes: give it fewer or shorter texts")]
    TooLong,
    /// No place in a chain.
    #[error("an audit entry has a sequence from 1 to {SEQUENCE_MAX}")]
    Sequence,
    /// Not JSON, a key too many or too few, or a value out of its range.
    #[error("the text is not an audit entry that this version of padan knows: see byte {0}")]
    Malformed(usize),
    /// Means the same as an entry, but is spelled otherwise.
    #[error("the text is not the canonical text of an audit entry")]
    NotCanonical,
}

impl Entry {
    /// An entry with nothing but what every entry has; its place in the chain comes later.
    #[must_use]
    pub fn new(event: Event, time: Timestamp, actor: Actor, writer: WriterId) -> Self {
        Self {
            actor,
            channel: None,
            contracts: Vec::new(),
            decision: None,
            details: BTreeMap::new(),
            device: None,
            event,
            office: None,
            operator: None,
            padan: Text::fitted(env!("CARGO_PKG_VERSION")),
            policy: None,
            purpose: None,
            reasons: Vec::new(),
            reference_version: None,
            request: None,
            sequence: 0,
            similarity: None,
            subject: None,
            time,
            writer,
        }
    }

    /// Adds a detail; both are made to fit, see [`Text::fitted`].
    pub fn detail(&mut self, name: &str, value: &str) {
        self.details.insert(Text::fitted(name), Text::fitted(value));
    }

    /// The canonical text.
    ///
    /// # Errors
    /// When the entry has no place in a chain or would be too long.
    pub fn to_text(&self) -> Result<String, EntryError> {
        if !(1..=SEQUENCE_MAX).contains(&self.sequence) {
            return Err(EntryError::Sequence);
        }
        // Cannot fail: all keys are texts and writing to memory does not fail.
        let text = serde_json::to_string(self).map_err(|_| EntryError::Malformed(0))?;
        if text.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        Ok(text)
    }

    /// The entry of a canonical text; `parse(text)?.to_text()? == text`.
    ///
    /// # Errors
    /// When the text is anything else than the canonical text of an entry.
    pub fn parse(text: &str) -> Result<Self, EntryError> {
        if text.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        // The parser's own words would repeat what the text holds.
        let entry: Self =
            serde_json::from_str(text).map_err(|error| EntryError::Malformed(error.column()))?;
        if entry.to_text()? == text {
            Ok(entry)
        } else {
            Err(EntryError::NotCanonical)
        }
    }
}

#[cfg(test)]
pub(super) mod tests;

//! Signed statements about where a chain stood.

use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, ChainHead};
use super::text::WriterId;
use super::timestamp::Timestamp;
use crate::digest::{self, HexError, bytes_of_hex, length_prefixed};
use crate::keys::{PublicKey, SigningKey};

const LABEL: &str = "padan audit checkpoint v1";

/// An Ed25519 signature; 128 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The signature to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    pub(super) fn of(message: &[u8], key: &SigningKey) -> Self {
        Self(key.sign(message))
    }

    /// Whether it is that of `key` over `message`.
    pub(super) fn is_of(&self, key: &PublicKey, message: &[u8]) -> bool {
        key.has_signed(message, &self.0)
    }
}

impl TryFrom<String> for Signature {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        bytes_of_hex(&text).map(Self)
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        digest::hex(&signature.0)
    }
}

/// A text that is no checkpoint in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a checkpoint of the audit trail")]
pub struct CheckpointError;

/// "The chain of this writer had this hash at this place", signed. Whoever rewrites the chain
/// before that place needs the key. Its fields are in the order of the canonical text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Hash of the chain.
    pub hash: ChainHash,
    /// Key that signed.
    pub key: PublicKey,
    /// Sequence of the last entry that the hash covers; 0 for an empty chain.
    pub sequence: u64,
    /// Signature over all the rest.
    pub signature: Signature,
    /// When it was signed.
    pub time: Timestamp,
    /// Whose chain.
    pub writer: WriterId,
}

impl Checkpoint {
    /// Signs where a chain stands.
    #[must_use]
    pub fn sign(head: &ChainHead, time: Timestamp, key: &SigningKey) -> Self {
        let mut checkpoint = Self {
            hash: head.hash,
            key: key.public(),
            sequence: head.sequence,
            signature: Signature([0; 64]),
            time,
            writer: head.writer.clone(),
        };
        checkpoint.signature = Signature::of(&checkpoint.message(), key);
        checkpoint
    }

    /// Whether the key that it names signed it. Whether that key is to be trusted is another
    /// question.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signature.is_of(&self.key, &self.message())
    }

    fn message(&self) -> Vec<u8> {
        length_prefixed(&[
            LABEL.as_bytes(),
            self.writer.as_str().as_bytes(),
            &self.sequence.to_be_bytes(),
            self.hash.as_bytes(),
            &self.time.microseconds().to_be_bytes(),
            self.key.as_bytes(),
        ])
    }

    /// The canonical text, by the same rules as that of an entry.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Cannot fail: all keys are texts and writing to memory does not fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The checkpoint of a canonical text. The signature is not checked here.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let checkpoint: Self = serde_json::from_str(text).map_err(|_| CheckpointError)?;
        if checkpoint.to_text() == text {
            Ok(checkpoint)
        } else {
            Err(CheckpointError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyKind;
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_slice(KeyKind::Audit, &[seed; 32]).expect("32 bytes")
    }

    fn example() -> Checkpoint {
        let head = ChainHead::empty(WriterId::new("padan-1").expect("a name"));
        let time = Timestamp::from_microseconds(1_700_000_000_000_001).expect("in range");
        Checkpoint::sign(&head, time, &key(1))
    }

    #[test]
    fn every_part_of_a_checkpoint_is_signed() {
        let signed = example();
        assert!(signed.is_signed());
        let other_time = Timestamp::from_microseconds(1).expect("in range");
        let changes: [&dyn Fn(&mut Checkpoint); 6] = [
            &|checkpoint| checkpoint.sequence += 1,
            &|checkpoint| checkpoint.hash = checkpoint.hash.after(""),
            &|checkpoint| checkpoint.key = key(2).public(),
            &|checkpoint| checkpoint.time = other_time,
            &|checkpoint| checkpoint.writer = WriterId::new("padan-2").expect("a name"),
            &|checkpoint| checkpoint.signature.0[63] ^= 1,
        ];
        for change in changes {
            let mut changed = signed.clone();
            change(&mut changed);
            assert!(!changed.is_signed(), "{changed:?}");
        }
    }

    #[test]
    fn a_checkpoint_has_one_spelling() {
        let text = example().to_text();
        assert_eq!(Checkpoint::parse(&text), Ok(example()));
        let others = [
            text.replacen(',', ", ", 1),
            text.replace(r#""sequence":0"#, r#""sequence":0,"sign":1"#),
            text.replace(r#""sequence":0"#, r#""sequence":0.0"#),
            text.replace("padan-1", "padan 1"),
            text.to_uppercase(),
            String::new(),
        ];
        for other in others {
            assert_ne!(other, text);
            assert_eq!(Checkpoint::parse(&other), Err(CheckpointError), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_of_a_checkpoint_is_found(at in any::<prop::sample::Index>(), byte: u8) {
            let text = example().to_text();
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
            let read = Checkpoint::parse(&changed);
            prop_assert!(changed == text || !read.is_ok_and(|read| read.is_signed()));
        }
    }
}

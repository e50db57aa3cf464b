//! Signed statements about where a chain stood.

use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::chain::{ChainHash, ChainHead};
use super::text::{HexError, WriterId, bytes_of_hex};
use super::timestamp::Timestamp;

const LABEL: &str = "padan audit checkpoint v1";

/// A text that is no public key of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Neither 64 hexadecimal digits nor a PEM file.
    #[error("a public key is 64 hexadecimal digits, or a PEM file of an Ed25519 public key")]
    Form,
    /// Not a point of the curve, or one that anybody can sign for.
    #[error("these are not the bytes of a usable Ed25519 public key")]
    Weak,
}

/// An Ed25519 public key that signs the trail; 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The public half of `key`.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        Self(key.verifying_key())
    }

    /// A key from its 32 bytes.
    ///
    /// # Errors
    /// When they are no point of the curve, or a weak one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(PublicKeyError::Weak),
        }
    }

    /// A key from what a file holds: its 64 hexadecimal digits, or PEM (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// When it holds neither, or the key is unusable.
    pub fn from_file_text(text: &str) -> Result<Self, PublicKeyError> {
        let text = text.trim();
        let Some(body) = text
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
        else {
            return text.parse();
        };
        let body: String = body.split_ascii_whitespace().collect();
        let info = BASE64
            .decode(body.as_bytes())
            .map_err(|_| PublicKeyError::Form)?;
        // RFC 8410: what every SubjectPublicKeyInfo of Ed25519 begins with.
        let prefix = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        let key = info.strip_prefix(prefix).ok_or(PublicKeyError::Form)?;
        Self::from_bytes(key.try_into().map_err(|_| PublicKeyError::Form)?)
    }

    /// Whether `signature` is that of this key over `message`. Refuses the other signatures that
    /// some verifiers take for the same message, so that a signature cannot be changed either.
    pub(super) fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).is_ok()
    }

    fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let bytes = bytes_of_hex(text).map_err(|_| PublicKeyError::Form)?;
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, PublicKeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

/// An Ed25519 signature; 128 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

impl Signature {
    pub(super) fn of(message: &[u8], key: &SigningKey) -> Self {
        Self(key.sign(message).to_bytes())
    }

    pub(super) const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
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
        HEXLOWER.encode(&signature.0)
    }
}

/// The bytes that are signed: each part after its length, so that no part can lend bytes to its
/// neighbour. Lengths are 64 bits, the most significant byte first.
pub(super) fn signed_bytes(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        // A length of memory fits in 64 bits.
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(*part);
    }
    bytes
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
            key: PublicKey::of(key),
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
        self.key.has_signed(&self.message(), &self.signature)
    }

    fn message(&self) -> Vec<u8> {
        signed_bytes(&[
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
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
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
            &|checkpoint| checkpoint.key = PublicKey::of(&key(2)),
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
    fn parts_do_not_lend_each_other_bytes() {
        assert_ne!(signed_bytes(&[b"ab", b"c"]), signed_bytes(&[b"a", b"bc"]));
        assert_eq!(signed_bytes(&[b"a"]), b"\0\0\0\0\0\0\0\x01a");
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

    #[test]
    fn keys_are_read_from_hexadecimal_digits_and_from_pem() {
        // RFC 8410, section 10.1.
        let pem = "-----BEGIN PUBLIC KEY-----\n\
                   MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                   -----END PUBLIC KEY-----\n";
        let hex = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
        let key = PublicKey::from_file_text(pem).expect("a key");
        assert_eq!(key.to_string(), hex);
        assert_eq!(PublicKey::from_file_text(&format!("{hex}\n")), Ok(key));
        let other_curve = pem.replace("VwAyEA", "V3AyEA");
        for wrong in ["", "abc", &hex.to_uppercase(), &other_curve] {
            let error = PublicKey::from_file_text(wrong);
            assert_eq!(error, Err(PublicKeyError::Form), "{wrong}");
        }
        // The neutral element: everybody's signature.
        let neutral = format!("01{}", "00".repeat(31));
        assert_eq!(neutral.parse::<PublicKey>(), Err(PublicKeyError::Weak));
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

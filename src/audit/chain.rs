//! The chain of one writer.

use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::{Entry, EntryError};
use super::text::{HexError, WriterId, bytes_of_hex};

const GENESIS_LABEL: &[u8] = b"padan audit genesis v1\0";

/// SHA-256 over all entries of a chain up to a place; 64 hexadecimal digits as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChainHash([u8; 32]);

impl ChainHash {
    /// Before the first entry of `writer`.
    #[must_use]
    pub fn genesis(writer: &WriterId) -> Self {
        let hash = Sha256::new().chain_update(GENESIS_LABEL);
        Self(hash.chain_update(writer.as_str()).finalize().into())
    }

    /// After an entry with this canonical text.
    #[must_use]
    pub fn after(&self, text: &str) -> Self {
        let hash = Sha256::new().chain_update(self.0);
        Self(hash.chain_update(text).finalize().into())
    }

    /// A hash as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for ChainHash {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl FromStr for ChainHash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        bytes_of_hex(text).map(Self)
    }
}

impl TryFrom<String> for ChainHash {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        text.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> Self {
        hash.to_string()
    }
}

/// An entry that has its place in a chain: what is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Place in the chain, from 1 on.
    pub sequence: u64,
    /// Canonical text.
    pub text: String,
    /// Hash of the chain up to and with this entry.
    pub hash: ChainHash,
}

/// Where a writer's chain ends. Its writer appends to a clone and keeps that once the transaction
/// that stores the link is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// Whose chain.
    pub writer: WriterId,
    /// Sequence of the last entry; 0 for an empty chain.
    pub sequence: u64,
    /// Hash of the chain up to the last entry.
    pub hash: ChainHash,
}

impl ChainHead {
    /// An empty chain.
    #[must_use]
    pub fn empty(writer: WriterId) -> Self {
        let hash = ChainHash::genesis(&writer);
        Self {
            writer,
            sequence: 0,
            hash,
        }
    }

    /// Gives `entry` the next place in this chain, whatever writer and sequence it named before.
    ///
    /// # Errors
    /// When the entry is too long or the chain is full; then the chain is as before.
    pub fn append(&mut self, mut entry: Entry) -> Result<Link, EntryError> {
        let sequence = self.sequence.checked_add(1).ok_or(EntryError::Sequence)?;
        entry.writer.clone_from(&self.writer);
        entry.sequence = sequence;
        let text = entry.to_text()?;
        let hash = self.hash.after(&text);
        self.sequence = sequence;
        self.hash = hash;
        Ok(Link {
            sequence,
            text,
            hash,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::example;
    use super::*;
    use crate::digest::sha256_hex;

    fn writer(name: &str) -> WriterId {
        WriterId::new(name).expect("a name")
    }

    #[test]
    fn the_hash_is_the_published_construction() {
        let mut head = ChainHead::empty(writer("padan-1"));
        let genesis = sha256_hex(b"padan audit genesis v1\0padan-1");
        assert_eq!(head.hash.to_string(), genesis);
        let link = head.append(example()).expect("fits");
        let mut bytes = bytes_of_hex::<32>(&genesis).expect("a hash").to_vec();
        bytes.extend(link.text.as_bytes());
        assert_eq!(link.hash.to_string(), sha256_hex(&bytes));
        assert_eq!((head.sequence, head.hash), (1, link.hash));
    }

    #[test]
    fn two_writers_have_two_chains() {
        let hashes = ["a", "b"].map(|name| {
            let mut head = ChainHead::empty(writer(name));
            head.append(example()).expect("fits").hash
        });
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn an_entry_that_does_not_fit_leaves_the_chain_as_it_was() {
        let mut head = ChainHead::empty(writer("a"));
        head.append(example()).expect("fits");
        let before = head.clone();
        let mut long = example();
        long.reasons = vec![super::super::Text::fitted(&"x".repeat(300)); 200];
        assert_eq!(head.append(long), Err(EntryError::TooLong));
        assert_eq!(head, before);
        head.sequence = super::super::SEQUENCE_MAX;
        assert_eq!(head.append(example()), Err(EntryError::Sequence));
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = ChainHash::genesis(&writer("a"));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(ChainHash::from_bytes(*hash.as_bytes()), hash);
        assert!(
            hash.to_string()
                .to_uppercase()
                .parse::<ChainHash>()
                .is_err()
        );
    }
}

//! Names of keys.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::digest;

/// Bytes of the id that padan computes of a key.
const ID_BYTES: usize = 8;

/// Most bytes of a key's name: the names of key services are long.
const ID_BYTES_MAX: usize = 256;

/// What the id of a key is computed over, with its kind behind it.
const ID_LABEL: &[u8] = b"padan key id v1 ";

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Turns NIKs into subject hashes.
    Nik,
    /// Wraps the keys of the subjects.
    Master,
    /// Signs checkpoints of the audit trail.
    Audit,
    /// Signs result tokens.
    Token,
}

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Nik, Self::Master, Self::Audit, Self::Token];

    /// Its name in key files and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nik => "nik",
            Self::Master => "master",
            Self::Audit => "audit",
            Self::Token => "token",
        }
    }

    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether keys of this kind sign, and so have a public half.
    pub(super) const fn signs(self) -> bool {
        matches!(self, Self::Audit | Self::Token)
    }
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// Names one key; says nothing about its bytes that helps to find them.
///
/// The id of a key at hand is computed from the key (16 hexadecimal digits), so that a damaged or
/// mislabelled key shows itself. The id of a key in a key service is the service's name for it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

/// A text that is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to {ID_BYTES_MAX} printable ASCII characters and no space")]
pub struct NotAKeyId;

impl KeyId {
    /// A key id from its text.
    ///
    /// # Errors
    /// When the text is empty, long, or has other than printable ASCII characters.
    pub fn new(text: &str) -> Result<Self, NotAKeyId> {
        let is_id = (1..=ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_id.then(|| Self(text.into())).ok_or(NotAKeyId)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a key at hand. Of a key that signs its public half is named, so that whoever has
    /// that half can compute the id.
    pub(super) fn of(kind: KeyKind, secret: &Secret) -> Self {
        let public = kind.signs().then(|| {
            SigningKey::from_bytes(secret.expose())
                .verifying_key()
                .to_bytes()
        });
        Self::computed(kind, public.as_ref().unwrap_or(secret.expose()))
    }

    /// An id as padan computes it, from its text.
    pub(super) fn of_computed(text: &str) -> Option<Self> {
        digest::bytes_of_hex::<ID_BYTES>(text).ok()?;
        Some(Self(text.into()))
    }

    /// The id of a signing key by its public half.
    pub(super) fn of_public(kind: KeyKind, public: &[u8; 32]) -> Self {
        Self::computed(kind, public)
    }

    fn computed(kind: KeyKind, key: &[u8; 32]) -> Self {
        let mac = hmac(key)
            .chain_update(ID_LABEL)
            .chain_update(kind.name())
            .finalize()
            .into_bytes();
        let start: String = digest::hex(&mac).chars().take(2 * ID_BYTES).collect();
        Self(start.into())
    }
}

/// HMAC-SHA-256 under `key`.
pub(super) fn hmac(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key of 32 bytes is shorter than a block of SHA-256 (64 bytes), and is padded with zeros by
    // the definition of HMAC: this is the same as `new_from_slice`, without an error to handle.
    let mut block = Zeroizing::new([0; 64]);
    for (place, byte) in block.iter_mut().zip(key) {
        *place = *byte;
    }
    Hmac::new((&*block).into())
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::fmt::Debug for KeyId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeyId({self})")
    }
}

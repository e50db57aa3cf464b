//! Keys that sign (Ed25519), and their public halves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::id::{KeyId, KeyKind};
use super::secret::{NoRandomness, Secret};
use crate::digest;

/// Signs. Prints nothing of itself; overwritten when dropped.
pub struct SigningKey {
    // On the heap, so that moving it leaves no copy behind.
    key: Box<ed25519_dalek::SigningKey>,
    id: KeyId,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey({}, …)", self.id)
    }
}

impl SigningKey {
    /// A fresh key of a kind that signs: [`KeyKind::Audit`] or [`KeyKind::Token`].
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random(kind: KeyKind) -> Result<Self, NoRandomness> {
        Ok(Self::new(kind, &Secret::random()?))
    }

    /// A key of published test vectors.
    #[cfg(test)]
    pub(crate) fn from_slice(kind: KeyKind, bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(|secret| Self::new(kind, &secret))
    }

    pub(super) fn new(kind: KeyKind, secret: &Secret) -> Self {
        let key = Box::new(ed25519_dalek::SigningKey::from_bytes(secret.expose()));
        let id = KeyId::of_public(kind, key.verifying_key().as_bytes());
        Self { key, id }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> &KeyId {
        &self.id
    }

    /// What others need to check its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key())
    }

    /// The signature of `message`, 64 bytes.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

/// The public half of a signing key; 64 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

/// A text or bytes that are no public key of Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Neither 64 hexadecimal digits nor a PEM file.
    #[error("a public key is 64 hexadecimal digits, or a PEM file of an Ed25519 public key")]
    Form,
    /// Not a point of the curve, or one under which anything can be signed.
    #[error("these are not the bytes of a usable Ed25519 public key")]
    Weak,
}

impl PublicKey {
    /// A public key from its 32 bytes.
    ///
    /// # Errors
    /// When they are no point of the curve, or one under which anything can be signed.
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
        let info = BASE64.decode(body).map_err(|_| PublicKeyError::Form)?;
        // RFC 8410: what every SubjectPublicKeyInfo of Ed25519 begins with.
        let prefix = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
        let key = info.strip_prefix(prefix).ok_or(PublicKeyError::Form)?;
        Self::from_bytes(key.try_into().map_err(|_| PublicKeyError::Form)?)
    }

    /// Its 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The name of the key of this kind.
    #[must_use]
    pub fn id(&self, kind: KeyKind) -> KeyId {
        KeyId::of_public(kind, self.as_bytes())
    }

    /// Whether `signature` is one of `message` under this key. Strict: a message has no second
    /// signature that somebody without the key could derive from the first.
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&digest::hex(self.as_bytes()))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PublicKey({self})")
    }
}

impl std::str::FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = digest::bytes_of_hex(text).map_err(|_| PublicKeyError::Form)?;
        Self::from_bytes(&bytes)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

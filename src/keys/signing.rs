//! Keys that sign (Ed25519), and their public halves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};

use super::id::{KeyId, KeyKind};
use super::secret::{NoRandomness, Secret};

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

/// The public half of a signing key; its text is 44 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A text or bytes that are no public key of Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 32 bytes of Ed25519, written as 44 characters of base64")]
pub struct NotAPublicKey;

impl PublicKey {
    /// A public key from its 32 bytes.
    ///
    /// # Errors
    /// When they are no point of the curve, or one under which anything can be signed.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, NotAPublicKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| NotAPublicKey)?;
        if key.is_weak() {
            return Err(NotAPublicKey);
        }
        Ok(Self(key))
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
        out.write_str(&BASE64.encode(self.as_bytes()))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "PublicKey({self})")
    }
}

impl std::str::FromStr for PublicKey {
    type Err = NotAPublicKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64.decode(text).map_err(|_| NotAPublicKey)?;
        Self::from_bytes(&bytes.try_into().map_err(|_| NotAPublicKey)?)
    }
}

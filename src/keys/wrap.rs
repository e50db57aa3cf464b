//! Keys of subjects, and how master keys wrap them.

use super::id::{KeyId, KeyKind};
use super::seal::{NONCE_BYTES, SealError, Sealed, decrypt, encrypt};
use super::secret::{KEY_BYTES, NoRandomness, Secret};
use crate::digest::length_prefixed;
use crate::subject::SubjectHash;

/// Bytes that AES-GCM adds to a text.
const TAG_BYTES: usize = 16;

/// The key of one subject: 32 random bytes. Stored only wrapped; when the wrapped key is
/// destroyed, nothing that was sealed with it can be read again, in no backup either.
#[derive(Debug)]
pub struct SubjectKey(Secret);

impl SubjectKey {
    /// A fresh key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        Secret::random().map(Self)
    }

    /// A key from what a key service unwrapped; none unless there are 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Secret::from_slice(bytes).map(Self)
    }

    pub(super) fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The bytes, for a key service that wraps them.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        self.0.expose()
    }

    pub(super) const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// A subject's key under a master key: fit to be stored.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The master key.
    pub master_key_id: KeyId,
    /// What the master key made of it.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "WrappedKey(under {})", self.master_key_id)
    }
}

/// Why a subject's key was not wrapped or unwrapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The master key is none of those at hand.
    #[error(
        "a subject's key is wrapped under the master key {0}, which is not among the keys: bring \
         that key back (`padan keys show` lists those that are there)"
    )]
    UnknownMasterKey(KeyId),
    /// The master key is another one, the key was moved from another subject, or was changed.
    #[error(
        "a subject's key does not unwrap under the master key {0}: it was changed, or moved from \
         another subject"
    )]
    DoesNotUnwrap(KeyId),
    /// A key service failed. Its text names no key.
    #[error("the key service of the master key {id} failed: {cause}")]
    Service {
        /// The master key.
        id: KeyId,
        /// What the service said.
        cause: String,
    },
    /// No nonce.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// A master key, wherever it is: at hand ([`LocalWrapper`]), in a key service or in a hardware
/// security module.
///
/// A call may take as long as the service behind it, unless the key is at hand: off the threads of
/// an async runtime.
pub trait KeyWrapper: Send + Sync + std::fmt::Debug {
    /// Its name, stored beside what it wrapped.
    fn id(&self) -> &KeyId;

    /// Whether it answers by itself, so that nobody waits for another machine.
    fn is_at_hand(&self) -> bool {
        false
    }

    /// Wraps `key`, bound to `associated`.
    ///
    /// # Errors
    /// When it cannot.
    fn wrap(&self, key: &SubjectKey, associated: &[u8]) -> Result<Vec<u8>, WrapError>;

    /// Unwraps what it wrapped with the same `associated`.
    ///
    /// # Errors
    /// When it cannot, or anything was changed.
    fn unwrap(&self, wrapped: &[u8], associated: &[u8]) -> Result<SubjectKey, WrapError>;
}

/// A master key at hand: AES-256-GCM; what it wraps is nonce, key and tag, 60 bytes.
///
/// Nonces are random. Among the 2^28 wrapped keys of a whole country, two are the same with a
/// chance of 2^-41; NIST SP 800-38D allows 2^32 under one key.
#[derive(Debug)]
pub struct LocalWrapper {
    id: KeyId,
    secret: Secret,
}

impl LocalWrapper {
    /// A fresh master key that is nowhere stored.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        Secret::random().map(Self::new)
    }

    pub(super) fn new(secret: Secret) -> Self {
        Self {
            id: KeyId::of(KeyKind::Master, &secret),
            secret,
        }
    }
}

impl KeyWrapper for LocalWrapper {
    fn id(&self) -> &KeyId {
        &self.id
    }

    fn is_at_hand(&self) -> bool {
        true
    }

    fn wrap(&self, key: &SubjectKey, associated: &[u8]) -> Result<Vec<u8>, WrapError> {
        let sealed = encrypt(&self.secret, associated, key.expose()).map_err(|e| match e {
            SealError::NoRandomness(error) => WrapError::NoRandomness(error),
            SealError::DoesNotOpen | SealError::TooLong => WrapError::Service {
                id: self.id.clone(),
                cause: e.to_string(),
            },
        })?;
        Ok([sealed.nonce.as_slice(), &sealed.ciphertext].concat())
    }

    fn unwrap(&self, wrapped: &[u8], associated: &[u8]) -> Result<SubjectKey, WrapError> {
        let refused = || WrapError::DoesNotUnwrap(self.id.clone());
        let (nonce, ciphertext) = wrapped
            .split_first_chunk::<NONCE_BYTES>()
            .filter(|(_, rest)| rest.len() == KEY_BYTES + TAG_BYTES)
            .ok_or_else(refused)?;
        let sealed = Sealed {
            nonce: *nonce,
            ciphertext: ciphertext.to_vec(),
        };
        let key = decrypt(&self.secret, associated, &sealed).map_err(|_| refused())?;
        SubjectKey::from_slice(&key).ok_or_else(refused)
    }
}

/// What a wrapped key is bound to: its subject and its master key.
fn associated(subject: &SubjectHash, master_key_id: &KeyId) -> Vec<u8> {
    length_prefixed(&[
        b"padan subject key v1",
        subject.as_bytes(),
        master_key_id.as_str().as_bytes(),
    ])
}

pub(super) fn wrap(
    key: &SubjectKey,
    subject: &SubjectHash,
    master: &dyn KeyWrapper,
) -> Result<WrappedKey, WrapError> {
    let master_key_id = master.id().clone();
    let bytes = master.wrap(key, &associated(subject, &master_key_id))?;
    Ok(WrappedKey {
        master_key_id,
        bytes,
    })
}

pub(super) fn unwrap(
    wrapped: &WrappedKey,
    subject: &SubjectHash,
    master: &dyn KeyWrapper,
) -> Result<SubjectKey, WrapError> {
    if wrapped.master_key_id != *master.id() {
        return Err(WrapError::UnknownMasterKey(wrapped.master_key_id.clone()));
    }
    master.unwrap(&wrapped.bytes, &associated(subject, master.id()))
}

/// The same subject key under another master key. What is sealed with the subject key stays as it
/// is: that is what makes changing the master key cheap.
///
/// # Errors
/// When `from` did not wrap it for this subject, or either master key fails.
pub fn rewrap(
    wrapped: &WrappedKey,
    subject: &SubjectHash,
    from: &dyn KeyWrapper,
    to: &dyn KeyWrapper,
) -> Result<WrappedKey, WrapError> {
    wrap(&unwrap(wrapped, subject, from)?, subject, to)
}

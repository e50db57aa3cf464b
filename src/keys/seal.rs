//! Sealing: what is stored of a subject can be read only under the subject's key, and only in the
//! place it was sealed for.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use zeroize::Zeroizing;

use super::secret::{NoRandomness, Secret, fill_random};
use super::wrap::SubjectKey;
use crate::digest::length_prefixed;
use crate::embed::ContractId;
use crate::subject::SubjectHash;

/// Bytes of a nonce of AES-GCM.
pub const NONCE_BYTES: usize = 12;

/// Where a sealed text belongs. It opens nowhere else: not for another subject, not under another
/// contract, not as another version of the row, and not as another kind of content.
#[derive(Clone, PartialEq, Eq)]
pub struct Binding(Vec<u8>);

impl std::fmt::Debug for Binding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Binding(…)")
    }
}

impl Binding {
    /// A template of the reference.
    #[must_use]
    pub fn template(subject: &SubjectHash, contract: &ContractId, row_version: u64) -> Self {
        Self::new("padan template v1", subject, contract.as_str(), row_version)
    }

    /// The portrait that a template was made from.
    #[must_use]
    pub fn portrait(subject: &SubjectHash, row_version: u64) -> Self {
        Self::new("padan portrait v1", subject, "", row_version)
    }

    /// The reply to a request, kept for its repetition.
    #[must_use]
    pub fn reply(subject: &SubjectHash, request_id: &str, row_version: u64) -> Self {
        Self::new("padan reply v1", subject, request_id, row_version)
    }

    fn new(label: &str, subject: &SubjectHash, name: &str, row_version: u64) -> Self {
        Self(length_prefixed(&[
            label.as_bytes(),
            subject.as_bytes(),
            name.as_bytes(),
            &row_version.to_be_bytes(),
        ]))
    }
}

/// A sealed text.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Random, one for each text.
    pub nonce: [u8; NONCE_BYTES],
    /// As long as the plain text and 16 bytes.
    pub ciphertext: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sealed({} bytes)", self.ciphertext.len())
    }
}

/// Why something was not sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key or the place is another one, or the bytes were changed. Which of these it is,
    /// nobody can tell.
    #[error(
        "a sealed text does not open: it was changed, or moved from another subject, contract or \
         version, or its key is another one"
    )]
    DoesNotOpen,
    /// Longer than AES-GCM can seal under one nonce (64 GiB).
    #[error("the text is too long to be sealed")]
    TooLong,
    /// No nonce.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Seals `plaintext` with AES-256-GCM.
///
/// Nonces are random: a subject's key seals far fewer than 2^32 texts, the limit for those.
///
/// # Errors
/// [`SealError::NoRandomness`] and [`SealError::TooLong`].
pub fn seal(key: &SubjectKey, binding: &Binding, plaintext: &[u8]) -> Result<Sealed, SealError> {
    encrypt(key.secret(), &binding.0, plaintext)
}

/// Opens what [`seal`] sealed with the same key for the same place. The text is overwritten when
/// it is dropped.
///
/// # Errors
/// [`SealError::DoesNotOpen`].
pub fn open(
    key: &SubjectKey,
    binding: &Binding,
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    decrypt(key.secret(), &binding.0, sealed)
}

pub(super) fn encrypt(
    key: &Secret,
    associated: &[u8],
    plaintext: &[u8],
) -> Result<Sealed, SealError> {
    let mut nonce = [0; NONCE_BYTES];
    fill_random(&mut nonce)?;
    let payload = Payload {
        msg: plaintext,
        aad: associated,
    };
    let ciphertext = Aes256Gcm::new(key.expose().into())
        .encrypt(&Nonce::from(nonce), payload)
        .map_err(|_| SealError::TooLong)?;
    Ok(Sealed { nonce, ciphertext })
}

pub(super) fn decrypt(
    key: &Secret,
    associated: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let payload = Payload {
        msg: &sealed.ciphertext,
        aad: associated,
    };
    Aes256Gcm::new(key.expose().into())
        .decrypt(&Nonce::from(sealed.nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| SealError::DoesNotOpen)
}

//! The key that hides NIKs.

use hmac::Mac as _;
use zeroize::Zeroizing;

use super::id::{KeyId, KeyKind, hmac};
use super::secret::{NoRandomness, Secret};
use super::wrap::SubjectKey;
use crate::subject::{Nik, SubjectHash};

const REPLY_LABEL: &[u8] = b"padan reply key v1\0";
const BODY_LABEL: &[u8] = b"padan request body v1\0";

/// Turns NIKs into subject hashes. Whoever has it can try all NIKs: it stays with the service, and
/// is no part of a backup of the database. It cannot be changed without enrolling everybody again.
#[derive(Debug)]
pub struct NikKey(Secret);

impl NikKey {
    /// A fresh key.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, NoRandomness> {
        Secret::random().map(Self)
    }

    pub(super) const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// Its name: a store that was filled under another key finds nobody, so it remembers this.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(KeyKind::Nik, &self.0)
    }

    /// HMAC-SHA-256 of the 16 ASCII digits.
    #[must_use]
    pub fn hash(&self, nik: &Nik) -> SubjectHash {
        let mac = hmac(self.0.expose()).chain_update(nik.digits()).finalize();
        SubjectHash::from_bytes(mac.into_bytes().into())
    }

    /// Under labels that are longer than a NIK: no hash of a NIK is such a key or digest.
    pub(super) fn reply_key(&self, subject: &SubjectHash) -> SubjectKey {
        let mac = hmac(self.0.expose()).chain_update(REPLY_LABEL);
        let mac = mac.chain_update(subject.as_bytes()).finalize();
        SubjectKey::from_bytes(&Zeroizing::new(mac.into_bytes().into()))
    }

    pub(super) fn body_digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = hmac(self.0.expose()).chain_update(BODY_LABEL);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

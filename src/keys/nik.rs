//! The key that hides NIKs.

use hmac::Mac as _;

use super::id::{KeyId, KeyKind, hmac};
use super::secret::{NoRandomness, Secret};
use crate::subject::{Nik, SubjectHash};

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
}

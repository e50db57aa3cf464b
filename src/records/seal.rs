//! References to rows and back: what is sealed, under which key, for which place.

use std::sync::Arc;

use bytes::Bytes;

use super::{OpenReference, RecordsError};
use crate::embed::{ContractId, Template};
use crate::keys::{self, Binding, KeyId, KeyRing, SealError, Sealed, SubjectKey, WrappedKey};
use crate::store::{self, Reference, StoreError, Subject};
use crate::subject::SubjectHash;

/// What stands in place of a contract's id where a sealed portrait is kept.
pub const PORTRAIT: &str = "portrait";

/// A subject's key, with its wrapped form when it is new.
#[derive(Debug)]
pub struct SealedKey {
    /// The key.
    pub key: SubjectKey,
    /// To be stored; none for a key that is.
    pub new: Option<store::WrappedKey>,
}

impl SealedKey {
    /// A fresh key, wrapped by the active master key.
    ///
    /// # Errors
    /// When there is no randomness, or the master key cannot.
    pub fn fresh(keys: &KeyRing, subject: SubjectHash) -> Result<Self, RecordsError> {
        let key = SubjectKey::random().map_err(SealError::from)?;
        let wrapped = keys.wrap(&key, &subject)?;
        Ok(Self {
            key,
            new: Some(stored(wrapped)),
        })
    }

    /// The key of a subject that has one; otherwise a fresh one.
    ///
    /// # Errors
    /// As [`Self::fresh`] and [`subject_key`].
    pub fn of(
        keys: &KeyRing,
        subject: SubjectHash,
        row: Option<&Subject>,
    ) -> Result<Self, RecordsError> {
        match row {
            Some(row) if row.key.is_some() => Ok(Self {
                key: subject_key(keys, subject, row)?,
                new: None,
            }),
            _ => Self::fresh(keys, subject),
        }
    }
}

/// What is written beside a sealed reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The date of the portrait, `YYYY-MM-DD`; none when unknown.
    pub captured_on: Option<String>,
    /// Where the portrait came from.
    pub source: String,
    /// The band of its quality.
    pub quality: String,
    /// When it is stored, in microseconds since 1970, UTC.
    pub created_us: i64,
}

/// A place for references: of a subject, under its key, for one of its versions.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whose.
    pub subject: SubjectHash,
    /// The subject's key.
    pub key: &'a SubjectKey,
    /// The subject's version that they are sealed for.
    pub version: u64,
}

impl Place<'_> {
    /// A template, sealed.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn template(&self, template: &Template, facts: Facts) -> Result<Reference, RecordsError> {
        let plain = zeroize::Zeroizing::new(template.to_bytes());
        self.reference(template.contract_id.as_str(), &plain, facts)
    }

    /// The portrait that a template was made from, sealed.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn portrait(&self, image: &[u8], facts: Facts) -> Result<Reference, RecordsError> {
        self.reference(PORTRAIT, image, facts)
    }

    /// A reference that was sealed under another key of the same subject, here.
    ///
    /// # Errors
    /// When it does not open with that key.
    pub fn resealed(
        &self,
        old: &SubjectKey,
        reference: &Reference,
    ) -> Result<Reference, RecordsError> {
        let place = Place {
            subject: self.subject,
            key: old,
            version: reference.row_version,
        };
        let binding = place.binding(&reference.contract_id);
        let plain = keys::open(old, &binding, &sealed(reference)?)?;
        let facts = Facts {
            captured_on: reference.captured_on.clone(),
            source: reference.source.clone(),
            quality: reference.quality.clone(),
            created_us: reference.created_us,
        };
        self.reference(&reference.contract_id, &plain, facts)
    }

    fn reference(
        &self,
        contract_id: &str,
        plain: &[u8],
        facts: Facts,
    ) -> Result<Reference, RecordsError> {
        let sealed = keys::seal(self.key, &self.binding(contract_id), plain)?;
        Ok(Reference {
            contract_id: contract_id.to_owned(),
            row_version: self.version,
            nonce: sealed.nonce.to_vec(),
            ciphertext: sealed.ciphertext,
            captured_on: facts.captured_on,
            source: facts.source,
            quality: facts.quality,
            created_us: facts.created_us,
        })
    }

    fn binding(&self, contract_id: &str) -> Binding {
        if contract_id == PORTRAIT {
            return Binding::portrait(&self.subject, self.version);
        }
        Binding::template(&self.subject, &ContractId::new(contract_id), self.version)
    }
}

pub(super) fn open_reference(
    keys: &KeyRing,
    subject: SubjectHash,
    row: &Subject,
    reference: Reference,
    contract_id: ContractId,
) -> Result<OpenReference, RecordsError> {
    let key = subject_key(keys, subject, row)?;
    let binding = Binding::template(&subject, &contract_id, reference.row_version);
    let plain = keys::open(&key, &binding, &sealed(&reference)?)?;
    Ok(OpenReference {
        template: Template::from_bytes(contract_id, &plain)?,
        key: Arc::new(key),
        keyed_us: row.keyed_us,
        version: reference.row_version,
        captured_on: reference.captured_on,
    })
}

pub(super) fn open_portrait(
    keys: &KeyRing,
    subject: SubjectHash,
    row: &Subject,
    portrait: &Reference,
) -> Result<Bytes, RecordsError> {
    let key = subject_key(keys, subject, row)?;
    let binding = Binding::portrait(&subject, portrait.row_version);
    let plain = keys::open(&key, &binding, &sealed(portrait)?)?;
    Ok(Bytes::from_owner(plain))
}

/// The key of a subject as stored.
///
/// # Errors
/// When it has none, or its master key does not unwrap it.
pub fn subject_key(
    keys: &KeyRing,
    subject: SubjectHash,
    row: &Subject,
) -> Result<SubjectKey, RecordsError> {
    let damaged = || StoreError::Damaged("a subject without a usable key".to_owned());
    let stored = row.key.as_ref().ok_or_else(damaged)?;
    Ok(keys.unwrap(&wrapped(stored)?, &subject)?)
}

/// The same key under the active master key; none when it is already.
///
/// # Errors
/// When its master key does not unwrap it, or the active one cannot wrap.
pub fn rewrap(
    keys: &KeyRing,
    subject: SubjectHash,
    old: &store::WrappedKey,
) -> Result<Option<store::WrappedKey>, RecordsError> {
    Ok(keys.rewrap(&wrapped(old)?, &subject)?.map(stored))
}

fn stored(wrapped: WrappedKey) -> store::WrappedKey {
    store::WrappedKey {
        master_key: wrapped.master_key_id.as_str().to_owned(),
        bytes: wrapped.bytes,
    }
}

fn wrapped(stored: &store::WrappedKey) -> Result<WrappedKey, RecordsError> {
    let damaged = |_| StoreError::Damaged("a master key's id".to_owned());
    Ok(WrappedKey {
        master_key_id: KeyId::new(&stored.master_key).map_err(damaged)?,
        bytes: stored.bytes.clone(),
    })
}

fn sealed(reference: &Reference) -> Result<Sealed, RecordsError> {
    let nonce = reference.nonce.as_slice().try_into();
    Ok(Sealed {
        nonce: nonce.map_err(|_| SealError::DoesNotOpen)?,
        ciphertext: reference.ciphertext.clone(),
    })
}

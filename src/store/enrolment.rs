//! What changes a subject's references and status. Each change is one transaction with its
//! entry in the audit trail and, when it answers a request, with the request's id.

use async_trait::async_trait;

use super::chain::{Position, Write};
use super::error::StoreError;
use super::group::Change;
use super::requests::{Claim, Stored};
use super::sql::values;
use super::subjects::{Reference, WrappedKey};
use crate::audit::Entry;
use crate::subject::SubjectHash;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is durable, with its entry there.
    Done(Position),
    /// The subject is not as expected: read it again. Nothing was written.
    Stale,
    /// The same request was answered before: that is its reply. Nothing was written.
    Repeated(Vec<u8>),
    /// The id was used for another body. Nothing was written.
    OtherBody,
}

impl From<Stored> for Changed {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Reply(reply) => Self::Repeated(reply),
            Stored::OtherBody => Self::OtherBody,
        }
    }
}

/// Takes the id of a request that has one.
async fn take(claim: Option<&Claim>, write: &mut Write) -> Result<Option<Stored>, StoreError> {
    match claim {
        Some(claim) => claim.take(write).await,
        None => Ok(None),
    }
}

/// Nothing was changed, so nothing was answered.
async fn stale(claim: Option<&Claim>, write: &mut Write) -> Result<Changed, StoreError> {
    if let Some(claim) = claim {
        claim.give_back(write).await?;
    }
    Ok(Changed::Stale)
}

/// A reference to be stored, sealed for the subject's next version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutReference {
    /// Whose.
    pub subject: SubjectHash,
    /// The subject's version as read; 0 when there is no such subject. The reference's
    /// [`Reference::row_version`] is one more.
    pub expected_version: u64,
    /// A new key: needed for a new subject and for one that was erased, `None` otherwise.
    pub new_key: Option<WrappedKey>,
    /// The reference. One of the same contract is replaced, and those of other contracts go when
    /// they were made of another portrait: one of another day or source, or of an unknown day.
    pub reference: Reference,
    /// The sealed portrait it was made from, when portraits are kept: of the same version.
    pub portrait: Option<Reference>,
    /// The request that asks for it.
    pub claim: Option<Claim>,
    /// The entry in the audit trail.
    pub entry: Entry,
}

#[async_trait]
impl Change for PutReference {
    type Outcome = Changed;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Changed, StoreError> {
        let claim = self.claim.as_ref();
        if let Some(stored) = take(claim, write).await? {
            return Ok(stored.into());
        }
        let next = NextVersion {
            subject: self.subject,
            expected: self.expected_version,
            new_key: self.new_key.as_ref(),
            at_us: self.reference.created_us,
        };
        let mut references = std::iter::once(&self.reference).chain(&self.portrait);
        let is_sealed_for_next = references.all(|it| it.row_version == self.expected_version + 1);
        if !is_sealed_for_next || !next.take(write).await? {
            return stale(claim, write).await;
        }
        for reference in std::iter::once(&self.reference).chain(&self.portrait) {
            put(self.subject, reference, write).await?;
        }
        let mut entry = self.entry.clone();
        // A new key comes without references that it could open.
        if self.new_key.is_none() {
            let removed = remove_of_others(self.subject, &self.reference, write).await?;
            if removed > 0 {
                entry.detail("removed", &removed.to_string());
            }
        }
        Ok(Changed::Done(write.append(&entry).await?))
    }
}

async fn put(
    subject: SubjectHash,
    reference: &Reference,
    write: &mut Write,
) -> Result<(), StoreError> {
    const PUT: &str = "INSERT INTO face_references (subject, contract_id, row_version, nonce,
        ciphertext, captured_on, source, quality, created_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (subject, contract_id) DO UPDATE SET row_version = $3, nonce = $4,
        ciphertext = $5, captured_on = $6, source = $7, quality = $8, created_us = $9";
    let values = values![
        subject,
        &reference.contract_id,
        reference.row_version,
        &reference.nonce,
        &reference.ciphertext,
        &reference.captured_on,
        &reference.source,
        &reference.quality,
        reference.created_us,
    ];
    write.execute(PUT, values).await.map(drop)
}

/// Removes what was made of another portrait than the reference just put: otherwise a portrait
/// that was replaced would decide again, as soon as the model of another contract is asked. What
/// was made of the same portrait stays, so that the model before still has its template after a
/// roll-back.
async fn remove_of_others(
    subject: SubjectHash,
    put: &Reference,
    write: &mut Write,
) -> Result<u64, StoreError> {
    // A portrait is known again by its day and source; an unknown day is like no other.
    const REMOVE: &str = "DELETE FROM face_references WHERE subject = $1 AND row_version <> $2
        AND (captured_on = $3 AND source = $4) IS NOT TRUE";
    let values = values![subject, put.row_version, &put.captured_on, &put.source];
    write.execute(REMOVE, values).await
}

/// A subject's step from the version it was read with to the next.
struct NextVersion<'a> {
    subject: SubjectHash,
    expected: u64,
    new_key: Option<&'a WrappedKey>,
    at_us: i64,
}

impl NextVersion<'_> {
    /// False when the subject was not as expected.
    async fn take(&self, write: &mut Write) -> Result<bool, StoreError> {
        const NEW: &str = "INSERT INTO subjects
            (subject, wrapped_key, master_key, status, version, keyed_us, updated_us)
            VALUES ($1, $2, $3, 'active', 1, $4, $4) ON CONFLICT (subject) DO NOTHING";
        const AGAIN: &str = "UPDATE subjects SET wrapped_key = $2, master_key = $3,
            status = 'active', version = version + 1, keyed_us = $4, updated_us = $4
            WHERE subject = $1 AND version = $5 AND status = 'erased'";
        const NEXT: &str = "UPDATE subjects SET version = version + 1, updated_us = $3
            WHERE subject = $1 AND version = $2 AND status <> 'erased'";
        let (subject, expected, at_us) = (self.subject, self.expected, self.at_us);
        let changed = match self.new_key {
            Some(key) if expected == 0 => {
                let values = values![subject, &key.bytes, &key.master_key, at_us];
                write.execute(NEW, values).await?
            }
            Some(key) => {
                let values = values![subject, &key.bytes, &key.master_key, at_us, expected];
                write.execute(AGAIN, values).await?
            }
            None => {
                write
                    .execute(NEXT, values![subject, expected, at_us])
                    .await?
            }
        };
        Ok(changed == 1)
    }
}

/// A subject to be known before its portrait arrives: new, or enrolled again after an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// Whom.
    pub subject: SubjectHash,
    /// The subject's version as read; 0 when there is no such subject.
    pub expected_version: u64,
    /// Its key.
    pub new_key: WrappedKey,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The request that asks for it.
    pub claim: Option<Claim>,
    /// The entry in the audit trail.
    pub entry: Entry,
}

#[async_trait]
impl Change for Announce {
    type Outcome = Changed;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Changed, StoreError> {
        let claim = self.claim.as_ref();
        if let Some(stored) = take(claim, write).await? {
            return Ok(stored.into());
        }
        let next = NextVersion {
            subject: self.subject,
            expected: self.expected_version,
            new_key: Some(&self.new_key),
            at_us: self.at_us,
        };
        if !next.take(write).await? {
            return stale(claim, write).await;
        }
        Ok(Changed::Done(write.append(&self.entry).await?))
    }
}

/// References to be deleted. The subject, its key and its status stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteReferences {
    /// Whose.
    pub subject: SubjectHash,
    /// The contract of the one; `None` for all.
    pub contract_id: Option<String>,
    /// The request that asks for it.
    pub claim: Option<Claim>,
    /// The entry in the audit trail.
    pub entry: Entry,
}

/// What became of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// So many are gone, and the entry is there.
    Done(u64),
    /// The same request was answered before: that is its reply. Nothing was written.
    Repeated(Vec<u8>),
    /// The id was used for another body. Nothing was written.
    OtherBody,
}

#[async_trait]
impl Change for DeleteReferences {
    type Outcome = Deleted;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Deleted, StoreError> {
        const ONE: &str = "DELETE FROM face_references WHERE subject = $1 AND contract_id = $2";
        const ALL: &str = "DELETE FROM face_references WHERE subject = $1";
        match take(self.claim.as_ref(), write).await? {
            None => {}
            Some(Stored::Reply(reply)) => return Ok(Deleted::Repeated(reply)),
            Some(Stored::OtherBody) => return Ok(Deleted::OtherBody),
        }
        let deleted = match &self.contract_id {
            Some(contract) => write.execute(ONE, values![self.subject, contract]).await?,
            None => write.execute(ALL, values![self.subject]).await?,
        };
        write.append(&self.entry).await?;
        Ok(Deleted::Done(deleted))
    }
}

/// A subject to be blocked, or to be verified again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetBlocked {
    /// Whom.
    pub subject: SubjectHash,
    /// Whether to block.
    pub blocked: bool,
    /// When, in microseconds since 1970, UTC.
    pub at_us: i64,
    /// The request that asks for it.
    pub claim: Option<Claim>,
    /// The entry in the audit trail.
    pub entry: Entry,
}

#[async_trait]
impl Change for SetBlocked {
    type Outcome = Changed;

    fn subject(&self) -> Option<SubjectHash> {
        Some(self.subject)
    }

    async fn apply(&self, write: &mut Write) -> Result<Changed, StoreError> {
        const SET: &str = "UPDATE subjects SET status = $2, updated_us = $3
            WHERE subject = $1 AND status <> 'erased'";
        let claim = self.claim.as_ref();
        if let Some(stored) = take(claim, write).await? {
            return Ok(stored.into());
        }
        let status = if self.blocked { "blocked" } else { "active" };
        let values = values![self.subject, status, self.at_us];
        if write.execute(SET, values).await? == 0 {
            return stale(claim, write).await;
        }
        Ok(Changed::Done(write.append(&self.entry).await?))
    }
}

/// A request that changes nothing, and leaves an entry: it was refused, or there was nothing to
/// do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The request.
    pub claim: Option<Claim>,
    /// The entry in the audit trail.
    pub entry: Entry,
}

#[async_trait]
impl Change for Note {
    type Outcome = Changed;

    fn subject(&self) -> Option<SubjectHash> {
        self.entry.subject
    }

    async fn apply(&self, write: &mut Write) -> Result<Changed, StoreError> {
        if let Some(stored) = take(self.claim.as_ref(), write).await? {
            return Ok(stored.into());
        }
        Ok(Changed::Done(write.append(&self.entry).await?))
    }
}

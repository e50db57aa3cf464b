//! The records: the store, and the keys that open what is in it. Whoever has the one without the
//! other has nothing.

mod seal;

use std::sync::Arc;

use bytes::Bytes;

use crate::access::{Caller, Method, Refusal};
use crate::audit::{Actor, Entry, Event, Text, Timestamp, WriterId};
use crate::embed::{ContractId, NotATemplate, Template};
use crate::keys::{KeyId, KeyRing, SealError, SubjectKey, WrapError};
use crate::store::{Reference, Store, StoreError, Subject, SubjectStatus};
use crate::subject::SubjectHash;

pub use seal::{Facts, PORTRAIT, Place, SealedKey, rewrap, subject_key};

/// Under this name the store remembers which NIK key its subjects' hashes are of.
const NIK_KEY: &str = "nik_key";

/// The store with its keys.
pub struct Records {
    store: Arc<dyn Store>,
    keys: Arc<KeyRing>,
    writer: WriterId,
}

/// What is enrolled of a subject.
#[derive(Debug)]
pub enum Enrolled {
    /// Nothing, or nothing any more.
    Nothing,
    /// The registry has to look at this subject first.
    Blocked,
    /// The subject is known, and has no reference of the served contract yet.
    NotSynced,
    /// A reference.
    Reference(OpenReference),
}

/// A reference that was opened.
#[derive(Debug, Clone)]
pub struct OpenReference {
    /// The template.
    pub template: Template,
    /// The subject's version that it was sealed for.
    pub version: u64,
    /// The subject's key, which also seals what is kept of this verification.
    pub key: Arc<SubjectKey>,
    /// When that key was made, as [`crate::store::Subject::keyed_us`].
    pub keyed_us: i64,
    /// The date of the portrait, `YYYY-MM-DD`; none when unknown.
    pub captured_on: Option<String>,
}

/// What keeps the records from being used. Never a reason to say MATCH.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A subject's key.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// What the key seals.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What was sealed.
    #[error(transparent)]
    Template(#[from] NotATemplate),
    /// The hashes in the database are of another NIK key: nobody would be found.
    #[error(
        "the database was made with the NIK key {made_with}, and the one among the keys is \
         {at_hand}: bring the keys back that belong to this database"
    )]
    OtherNikKey {
        /// The one that the database remembers.
        made_with: String,
        /// The one that was read.
        at_hand: KeyId,
    },
    /// Subjects in the database could not be opened.
    #[error(
        "subjects in the database are under the master key {0}, which is not among the keys: bring \
         that key back (`padan keys show` lists those that are there)"
    )]
    MasterKeyMissing(String),
}

impl Records {
    /// Joins a store with the keys that belong to it.
    ///
    /// # Errors
    /// When other keys belong to it: nothing is half open.
    pub async fn open(
        store: Arc<dyn Store>,
        keys: Arc<KeyRing>,
        writer: WriterId,
    ) -> Result<Self, RecordsError> {
        let at_hand = keys.nik_key().id();
        let made_with = store.remember(NIK_KEY, at_hand.as_str()).await?;
        if made_with != at_hand.as_str() {
            return Err(RecordsError::OtherNikKey { made_with, at_hand });
        }
        for id in store.master_keys().await? {
            let is_there = KeyId::new(&id).is_ok_and(|id| keys.has_master_key(&id));
            if !is_there {
                return Err(RecordsError::MasterKeyMissing(id));
            }
        }
        Ok(Self {
            store,
            keys,
            writer,
        })
    }

    /// What is stored.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What opens it.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.keys
    }

    /// Whose chain this process writes.
    #[must_use]
    pub const fn writer(&self) -> &WriterId {
        &self.writer
    }

    /// An entry of this moment about what `caller` did; the rest is for whoever knows it.
    #[must_use]
    pub fn entry(&self, event: Event, caller: &Caller) -> Entry {
        Entry::new(event, Timestamp::now(), caller.actor(), self.writer.clone())
    }

    /// An entry of this moment about what padan did by itself.
    #[must_use]
    pub fn own_entry(&self, event: Event) -> Entry {
        let actor = Actor {
            certificate: None,
            role: Text::fitted("padan"),
        };
        Entry::new(event, Timestamp::now(), actor, self.writer.clone())
    }

    /// An entry of this moment about a call of `method` that was refused at the door.
    #[must_use]
    pub fn refusal_entry(&self, refusal: &Refusal, method: &Method) -> Entry {
        let actor = refusal.actor();
        let mut entry = Entry::new(
            Event::CallRefused,
            Timestamp::now(),
            actor,
            self.writer.clone(),
        );
        entry.office = refusal.office();
        entry.details = [
            ("method", method.path().as_str()),
            ("reason", refusal.reason()),
        ]
        .map(|(key, value)| (Text::fitted(key), Text::fitted(value)))
        .into();
        entry
    }

    /// Opens what the store found of `subject` under `contract_id`.
    ///
    /// # Errors
    /// When it does not open here: rows that were swapped, changed or sealed with other keys.
    pub async fn open_found(
        &self,
        subject: SubjectHash,
        found: Option<(Subject, Option<Reference>)>,
        contract_id: &ContractId,
    ) -> Result<Enrolled, RecordsError> {
        let Some((row, reference)) = found else {
            return Ok(Enrolled::Nothing);
        };
        match row.status {
            SubjectStatus::Erased => return Ok(Enrolled::Nothing),
            SubjectStatus::Blocked => return Ok(Enrolled::Blocked),
            SubjectStatus::Active => {}
        }
        let Some(reference) = reference else {
            return Ok(Enrolled::NotSynced);
        };
        let contract_id = contract_id.clone();
        let open =
            move |keys: &KeyRing| seal::open_reference(keys, subject, &row, reference, contract_id);
        // One record is opened in less time than the way to another thread takes.
        let opened = if self.keys.are_at_hand() {
            open(&self.keys)
        } else {
            self.with_keys(open).await
        };
        opened.map(Enrolled::Reference)
    }

    /// The portrait that the template of `version` was made from; none where it was not kept, or
    /// the subject is not one to be verified any more.
    ///
    /// # Errors
    /// When the database fails, or the portrait does not open here.
    pub async fn portrait(
        &self,
        subject: SubjectHash,
        version: u64,
    ) -> Result<Option<Bytes>, RecordsError> {
        let found = self.store.subject(subject, PORTRAIT).await?;
        let Some((row, Some(portrait))) = found else {
            return Ok(None);
        };
        if row.status != SubjectStatus::Active || portrait.row_version != version {
            return Ok(None);
        }
        let open = move |keys: &KeyRing| seal::open_portrait(keys, subject, &row, &portrait);
        self.with_keys(open).await.map(Some)
    }

    /// The key of `subject`, whatever its status; none when there is no such subject or key.
    ///
    /// # Errors
    /// When the database fails, or the key does not unwrap.
    pub async fn subject_key(
        &self,
        subject: SubjectHash,
    ) -> Result<Option<SubjectKey>, RecordsError> {
        let found = self.store.subject(subject, "").await?;
        let Some((row, _)) = found.filter(|(row, _)| row.key.is_some()) else {
            return Ok(None);
        };
        self.with_keys(move |keys| subject_key(keys, subject, &row).map(Some))
            .await
    }

    /// Does something with the keys where it keeps nobody waiting: a master key may be in a key
    /// service, which takes its time.
    ///
    /// # Errors
    /// Those of `work`.
    pub async fn with_keys<T: Send + 'static>(
        &self,
        work: impl FnOnce(&KeyRing) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let keys = Arc::clone(&self.keys);
        let done = tokio::task::spawn_blocking(move || work(&keys));
        done.await
            .map_err(|_| StoreError::Internal("keys".to_owned()))?
    }
}

//! Rotation: every subject's key under the active master key and, when asked for, fresh keys.

use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;

use std::sync::Arc;

use super::{Enrolment, EnrolmentError, TRIES_MAX};
use crate::access::Caller;
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::keys::KeyRing;
use crate::records::{Place, RecordsError, SealedKey, rewrap, subject_key};
use crate::store::{Changed, Reference, ReplaceKey, Rewrap, Subject, WrappedKey};
use crate::subject::SubjectHash;

/// Subjects whose keys are wrapped anew in one transaction.
const PAGE: u32 = 256;
/// Subjects that get a fresh key before it is told how far it is.
const FRESH_PAGE: u32 = 32;
/// Walks over what other master keys wrap: replicas that still have another active master key add
/// to it until they are started anew.
const WALKS_MAX: u32 = 3;

/// How far a rotation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RekeyProgress {
    /// Subjects whose key was wrapped or replaced.
    pub subjects: u64,
    /// Steps, each durable.
    pub steps: u64,
    /// Whether no other master key than the active one wraps anything any more.
    pub is_finished: bool,
}

/// A rotation under way.
struct Rotation<'a> {
    enrolment: &'a Arc<Enrolment>,
    caller: &'a Caller,
    request_id: &'a Text,
    report: &'a Sender<RekeyProgress>,
    progress: RekeyProgress,
}

impl Enrolment {
    /// Wraps every subject's key by the active master key; with `fresh`, gives every subject
    /// another key before and seals its references anew. What is done stays done when it is cut
    /// off; it ends when nobody receives its reports.
    ///
    /// # Errors
    /// When a key does not unwrap, the database fails, or nobody receives the reports.
    pub async fn rekey(
        self: &Arc<Self>,
        caller: &Caller,
        request_id: &Text,
        fresh: bool,
        report: &Sender<RekeyProgress>,
    ) -> Result<(), EnrolmentError> {
        let mut rotation = Rotation {
            enrolment: self,
            caller,
            request_id,
            report,
            progress: RekeyProgress::default(),
        };
        let walked = rotation.walk(fresh).await;
        // What was overwritten is the reason for rotating: it goes also after a fault.
        self.records.store().forget_overwritten().await?;
        walked?;
        rotation.progress.is_finished = self.others().await?.is_empty();
        rotation.tell().await
    }

    fn active(&self) -> &str {
        self.records.keys().active_master_key().as_str()
    }

    /// Master keys that still wrap something, and should not.
    async fn others(&self) -> Result<Vec<String>, EnrolmentError> {
        let mut ids = self.records.store().master_keys().await?;
        ids.retain(|id| id != self.active());
        Ok(ids)
    }

    /// Another key for a subject; false when it has none any more.
    async fn replace_key(
        &self,
        subject: SubjectHash,
        entry: &Entry,
    ) -> Result<bool, EnrolmentError> {
        let store = self.records.store();
        let contract = self.served();
        for _ in 0..TRIES_MAX {
            let found = store.subject(subject, contract.as_str()).await?;
            let Some(row) = found.map(|(row, _)| row).filter(|row| row.key.is_some()) else {
                return Ok(false);
            };
            let references = store.references(subject).await?;
            let mut entry = entry.clone();
            entry.subject = Some(subject);
            entry.reference_version = Some(row.version + 1);
            let names = references.iter().map(|it| Text::fitted(&it.contract_id));
            entry.contracts = names.collect();
            let replaced = self
                .records
                .with_keys(move |keys| replaced(keys, subject, &row, &references, entry));
            match store.replace_key(replaced.await?).await? {
                Changed::Done(_) => return Ok(true),
                Changed::Stale | Changed::Repeated(_) | Changed::OtherBody => {}
            }
        }
        Err(EnrolmentError::Contended)
    }
}

/// The same references under a fresh key.
fn replaced(
    keys: &KeyRing,
    subject: SubjectHash,
    row: &Subject,
    references: &[Reference],
    entry: Entry,
) -> Result<ReplaceKey, RecordsError> {
    let old = subject_key(keys, subject, row)?;
    let fresh = SealedKey::fresh(keys, subject)?;
    let place = Place {
        subject,
        key: &fresh.key,
        version: row.version + 1,
    };
    let references = references.iter().map(|it| place.resealed(&old, it));
    let missing = || crate::store::StoreError::Damaged("a subject without a key".to_owned());
    Ok(ReplaceKey {
        subject,
        expected_version: row.version,
        old: row.key.clone().ok_or_else(missing)?,
        references: references.collect::<Result<_, _>>()?,
        new: fresh.new.ok_or_else(missing)?,
        at_us: Timestamp::now().microseconds(),
        entry,
    })
}

impl Rotation<'_> {
    async fn walk(&mut self, fresh: bool) -> Result<(), EnrolmentError> {
        if fresh {
            // The active one first: what is moved to it later has its fresh key already.
            let active = self.enrolment.active().to_owned();
            self.replace_under(&active).await?;
            for id in self.enrolment.others().await? {
                self.replace_under(&id).await?;
            }
        }
        for _ in 0..WALKS_MAX {
            let others = self.enrolment.others().await?;
            if others.is_empty() {
                break;
            }
            for id in others {
                self.rewrap_under(&id).await?;
            }
        }
        Ok(())
    }

    /// Subjects under a master key, after one.
    async fn page(
        &self,
        master_key: &str,
        after: Option<SubjectHash>,
        size: u32,
    ) -> Result<Vec<(SubjectHash, WrappedKey)>, EnrolmentError> {
        let store = self.enrolment.records.store();
        Ok(store.wrapped_by(master_key, after, size).await?)
    }

    async fn rewrap_under(&mut self, master_key: &str) -> Result<(), EnrolmentError> {
        let mut after = None;
        loop {
            let page = self.page(master_key, after, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            let mut entry = self.entry(Event::KeysChanged, "rewrap");
            entry.detail("from", master_key);
            entry.detail("to", self.enrolment.active());
            entry.detail("subjects", &page.len().to_string());
            let rewraps = self.enrolment.records.with_keys(move |keys| {
                let wrapped = page.into_iter().map(|it| rewrapped(keys, it));
                wrapped.filter_map(Result::transpose).collect()
            });
            let store = self.enrolment.records.store();
            let changed = store.rewrap(rewraps.await?, entry).await?;
            self.step(changed).await?;
        }
    }

    async fn replace_under(&mut self, master_key: &str) -> Result<(), EnrolmentError> {
        let mut after = None;
        loop {
            let page = self.page(master_key, after, FRESH_PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(*last);
            let mut tasks = JoinSet::new();
            for (subject, _) in page {
                let enrolment = Arc::clone(self.enrolment);
                let entry = self.entry(Event::ReferenceChanged, "rekey");
                tasks.spawn(async move { enrolment.replace_key(subject, &entry).await });
            }
            let mut changed = 0;
            while let Some(done) = tasks.join_next().await {
                let done =
                    done.map_err(|_| EnrolmentError::Internal("a task failed".to_owned()))?;
                changed += u64::from(done?);
            }
            self.step(changed).await?;
        }
    }

    fn entry(&self, event: Event, operation: &str) -> Entry {
        let mut entry = self.enrolment.records.entry(event, self.caller);
        entry.request = Some(self.request_id.clone());
        entry.detail("operation", operation);
        entry
    }

    async fn step(&mut self, subjects: u64) -> Result<(), EnrolmentError> {
        self.progress.subjects += subjects;
        self.progress.steps += 1;
        self.tell().await
    }

    async fn tell(&self) -> Result<(), EnrolmentError> {
        let told = self.report.send(self.progress).await;
        told.map_err(|_| EnrolmentError::Abandoned)
    }
}

/// None when the active master key wraps it already.
fn rewrapped(
    keys: &KeyRing,
    (subject, old): (SubjectHash, WrappedKey),
) -> Result<Option<Rewrap>, RecordsError> {
    let new = rewrap(keys, subject, &old)?;
    Ok(new.map(|new| Rewrap { subject, old, new }))
}

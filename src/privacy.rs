//! The rights of the people whose faces are compared: to withdraw a consent, to be erased, and to
//! know what is kept of them. Each answer is a [`SignedReceipt`], or ends with one.

mod erasures;
mod export;
mod receipt;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::access::Caller;
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::records::Records;
use crate::store::{
    Claim, Erase, Erasure, Once, OnceOutcome, RequestKey, StoreError, WithdrawConsent,
};
use crate::subject::SubjectHash;
use crate::trail::{Journal, JournalError};

pub use erasures::{Replayed, replay};
pub use export::EXPORT_FORMAT;
pub use receipt::{Done, Receipt, ReceiptError, SignedReceipt};

/// Lines of an export that may wait for their reader.
const LINES_WAITING_MAX: usize = 16;

/// Answers what people ask for their data.
#[derive(Clone)]
pub struct Privacy {
    records: Arc<Records>,
    journal: Arc<Journal>,
}

/// Who asks, and about whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub caller: Caller,
    /// The caller's id of the request.
    pub request_id: Text,
    /// Whose data.
    pub subject: SubjectHash,
}

/// Consents that were withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// How many held until then.
    pub consents: u64,
    /// For the person.
    pub receipt: SignedReceipt,
}

/// A subject that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasedSubject {
    /// Whether there was a key to destroy.
    pub had_key: bool,
    /// References deleted.
    pub references: u64,
    /// For the person.
    pub receipt: SignedReceipt,
}

/// Lines of an export as they are read, each without its newline. An error is the last one.
pub type Lines = mpsc::Receiver<Result<String, PrivacyError>>;

/// Why a wish was not fulfilled, or nobody knows whether it was: asked again with the same id, the
/// same is done at most once.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The list of erasures beside it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The request id was used for another request.
    #[error("this request id was used for another request: give each request an id of its own")]
    OtherBody,
}

impl Privacy {
    /// Answers about the subjects of `records`; erasures are also noted in `journal`.
    #[must_use]
    pub fn new(records: Arc<Records>, journal: Arc<Journal>) -> Self {
        Self { records, journal }
    }

    /// The records it works on.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// Ends the consent of this id, or all that hold. Earlier ones hold no more either. Once
    /// begun, it goes on to its end, also when nobody waits for it any more.
    ///
    /// # Errors
    /// When nothing was done, or nobody knows.
    pub async fn withdraw(
        &self,
        asked: &Asked,
        consent: Option<&Text>,
    ) -> Result<Withdrawn, PrivacyError> {
        let (this, asked, consent) = (self.clone(), asked.clone(), consent.cloned());
        to_its_end(async move { this.withdraw_now(&asked, consent.as_ref()).await }).await
    }

    async fn withdraw_now(
        &self,
        asked: &Asked,
        consent: Option<&Text>,
    ) -> Result<Withdrawn, PrivacyError> {
        let now = Timestamp::now();
        let mut entry = self.entry(Event::ConsentChanged, asked, now);
        let which = consent.map_or("all", Text::as_str);
        entry.detail("withdrawn", which);
        let change = WithdrawConsent {
            subject: asked.subject,
            id: consent.map(|id| id.as_str().to_owned()),
            at_us: now.microseconds(),
            entry,
        };
        let named = consent.map_or("", Text::as_str);
        let once = self.once(asked, ["WithdrawConsent", named], now, change);
        let (time, consents) = match self.records.store().withdraw_consent_once(once).await? {
            OnceOutcome::Now(ended) => (now, ended),
            OnceOutcome::Before { reply, counts } => {
                (time(&reply)?, counts.first().copied().unwrap_or_default())
            }
            OnceOutcome::OtherBody => return Err(PrivacyError::OtherBody),
        };
        let counts = [("consents", consents)];
        let mut receipt = self.receipt(asked, Done::ConsentWithdrawn, time, &counts);
        receipt.consent = consent.cloned();
        let receipt = receipt.sign(self.records.keys().audit_key());
        Ok(Withdrawn { consents, receipt })
    }

    /// Destroys the subject's key and deletes its references and cases. The erasure is on the
    /// journal's list before this returns, and comes there also when nobody waits any more.
    ///
    /// # Errors
    /// When nothing was done, or nobody knows.
    pub async fn erase(&self, asked: &Asked) -> Result<ErasedSubject, PrivacyError> {
        let (this, asked) = (self.clone(), asked.clone());
        to_its_end(async move { this.erase_now(&asked).await }).await
    }

    async fn erase_now(&self, asked: &Asked) -> Result<ErasedSubject, PrivacyError> {
        let now = Timestamp::now();
        let change = Erase {
            subject: asked.subject,
            at_us: now.microseconds(),
            entry: self.entry(Event::SubjectErased, asked, now),
        };
        let once = self.once(asked, ["Erase", ""], now, change);
        let erasure = |at_us| Erasure {
            subject: asked.subject,
            at_us,
        };
        let (time, keys, references) = match self.records.store().erase_once(once).await? {
            OnceOutcome::Now(erased) => {
                erasures::note(&self.journal, erasure(erased.at_us)).await?;
                (now, u64::from(erased.had_key), erased.references)
            }
            OnceOutcome::Before { reply, counts } => {
                let count = |at: usize| counts.get(at).copied().unwrap_or_default();
                // The journal may have failed the first time.
                let listed = erasure(count(2).cast_signed());
                erasures::note_once(&self.journal, listed).await?;
                (time(&reply)?, count(0), count(1))
            }
            OnceOutcome::OtherBody => return Err(PrivacyError::OtherBody),
        };
        let counts = [("keys", keys), ("references", references)];
        let receipt = self.receipt(asked, Done::SubjectErased, time, &counts);
        Ok(ErasedSubject {
            had_key: keys > 0,
            references,
            receipt: receipt.sign(self.records.keys().audit_key()),
        })
    }

    /// Everything that is kept of a subject up to now, line by line. That it was asked for is in
    /// the trail before the first line.
    ///
    /// # Errors
    /// When the entry cannot be written; later ones are the last line.
    pub async fn export(&self, asked: Asked) -> Result<Lines, PrivacyError> {
        let now = Timestamp::now();
        let entry = self.entry(Event::TrailRead, &asked, now);
        self.records.store().append(entry).await?;
        let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
        let records = Arc::clone(&self.records);
        tokio::spawn(async move {
            let writer = export::Writer::new(sender);
            writer.run(&records, &asked, now).await;
        });
        Ok(lines)
    }

    fn entry(&self, event: Event, asked: &Asked, now: Timestamp) -> Entry {
        let mut entry = self.records.entry(event, &asked.caller);
        entry.time = now;
        entry.subject = Some(asked.subject);
        entry.request = Some(asked.request_id.clone());
        entry
    }

    /// `body` is what was asked for, beside whom it is about.
    fn once<C>(&self, asked: &Asked, body: [&str; 2], now: Timestamp, change: C) -> Once<C> {
        let [method, consent] = body.map(str::as_bytes);
        let parts = [method, asked.subject.as_bytes().as_slice(), consent];
        let claim = Claim {
            request: RequestKey::new(&asked.caller.name, &asked.request_id),
            body_digest: self.records.keys().body_digest(&parts),
            at_us: now.microseconds(),
            // No personal data: it outlives the subject's key.
            reply: now.microseconds().to_be_bytes().to_vec(),
        };
        Once { claim, change }
    }

    fn receipt(
        &self,
        asked: &Asked,
        done: Done,
        time: Timestamp,
        counts: &[(&str, u64)],
    ) -> Receipt {
        let counts = counts.iter().map(|(name, n)| (Text::fitted(name), *n));
        Receipt {
            consent: None,
            counts: counts.collect::<BTreeMap<_, _>>(),
            done,
            key: self.records.keys().audit_key().public(),
            lines_sha256: None,
            request: asked.request_id.clone(),
            subject: asked.subject,
            time,
        }
    }
}

/// Runs `work` in a task of its own: a deadline, or a caller that is gone, drops what waits for it,
/// and must not come between the database and the journal.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, PrivacyError>> + Send + 'static,
) -> Result<T, PrivacyError> {
    let ended = tokio::spawn(work).await;
    // It panicked, or the process ends: how far it came is not known.
    ended.unwrap_or(Err(PrivacyError::Store(StoreError::Unknown)))
}

/// The time of a reply that was kept.
fn time(reply: &[u8]) -> Result<Timestamp, StoreError> {
    let damaged = || StoreError::Damaged("a kept reply".to_owned());
    let bytes = reply.try_into().map_err(|_| damaged())?;
    Timestamp::from_microseconds(i64::from_be_bytes(bytes)).map_err(|_| damaged())
}

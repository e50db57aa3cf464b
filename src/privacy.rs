//! The rights of the people whose faces are compared: to withdraw a consent, to be erased, and to
//! know what is kept of them. Each answer is a [`SignedReceipt`], or ends with one.

mod erasures;
mod export;
mod receipt;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::access::Caller;
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::records::Records;
use crate::store::{Erase, Erasure, Once, OnceOutcome, RequestKey, StoreError, WithdrawConsent};
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

    /// Ends the consent of this id, or all that hold. Earlier ones hold no more either.
    ///
    /// # Errors
    /// When nothing was done, or nobody knows.
    pub async fn withdraw(
        &self,
        asked: &Asked,
        consent: Option<&Text>,
    ) -> Result<SignedReceipt, PrivacyError> {
        let now = Timestamp::now();
        let mut entry = self.entry(Event::ConsentChanged, asked, now);
        let which = consent.map_or("all", Text::as_str);
        let detail = (Text::fitted("withdrawn"), Text::fitted(which));
        entry.details.extend([detail]);
        let change = WithdrawConsent {
            subject: asked.subject,
            id: consent.map(|id| id.as_str().to_owned()),
            at_us: now.microseconds(),
            entry,
        };
        let once = self.once(asked, "WithdrawConsent", consent, now, change);
        let (time, ended) = match self.records.store().withdraw_consent_once(once).await? {
            OnceOutcome::Now(ended) => (now, ended),
            OnceOutcome::Before { reply, counts } => {
                (time(&reply)?, counts.first().copied().unwrap_or_default())
            }
            OnceOutcome::OtherBody => return Err(PrivacyError::OtherBody),
        };
        let counts = [("consents", ended)];
        Ok(self.receipt(asked, Done::ConsentWithdrawn, time, consent, &counts))
    }

    /// Destroys the subject's key and deletes its references and cases. The erasure is on the
    /// journal's list before this returns.
    ///
    /// # Errors
    /// When nothing was done, or nobody knows.
    pub async fn erase(&self, asked: &Asked) -> Result<SignedReceipt, PrivacyError> {
        let now = Timestamp::now();
        let change = Erase {
            subject: asked.subject,
            at_us: now.microseconds(),
            entry: self.entry(Event::SubjectErased, asked, now),
        };
        let once = self.once(asked, "Erase", None, now, change);
        let erasure = |time: Timestamp| Erasure {
            subject: asked.subject,
            at_us: time.microseconds(),
        };
        let (time, keys, references) = match self.records.store().erase_once(once).await? {
            OnceOutcome::Now(erased) => {
                erasures::note(&self.journal, erasure(now)).await?;
                (now, u64::from(erased.had_key), erased.references)
            }
            OnceOutcome::Before { reply, counts } => {
                let time = time(&reply)?;
                // The journal may have failed the first time.
                erasures::note_once(&self.journal, erasure(time)).await?;
                let count = |at: usize| counts.get(at).copied().unwrap_or_default();
                (time, count(0), count(1))
            }
            OnceOutcome::OtherBody => return Err(PrivacyError::OtherBody),
        };
        let counts = [("keys", keys), ("references", references)];
        Ok(self.receipt(asked, Done::SubjectErased, time, None, &counts))
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

    fn once<C>(
        &self,
        asked: &Asked,
        method: &str,
        consent: Option<&Text>,
        now: Timestamp,
        change: C,
    ) -> Once<C> {
        let consent = consent.map_or("", Text::as_str);
        let parts = [
            method.as_bytes(),
            asked.subject.as_bytes(),
            consent.as_bytes(),
        ];
        Once {
            request: RequestKey {
                caller: asked.caller.name.as_str().to_owned(),
                id: asked.request_id.as_str().to_owned(),
            },
            body_digest: self.records.keys().body_digest(&parts),
            at_us: now.microseconds(),
            // No personal data: it outlives the subject's key.
            reply: now.microseconds().to_be_bytes().to_vec(),
            change,
        }
    }

    fn receipt(
        &self,
        asked: &Asked,
        done: Done,
        time: Timestamp,
        consent: Option<&Text>,
        counts: &[(&str, u64)],
    ) -> SignedReceipt {
        let key = self.records.keys().audit_key();
        let counts = counts.iter().map(|(name, n)| (Text::fitted(name), *n));
        let receipt = Receipt {
            consent: consent.cloned(),
            counts: counts.collect::<BTreeMap<_, _>>(),
            done,
            key: key.public(),
            lines_sha256: None,
            request: asked.request_id.clone(),
            subject: asked.subject,
            time,
        };
        receipt.sign(key)
    }
}

/// The time of a reply that was kept.
fn time(reply: &[u8]) -> Result<Timestamp, StoreError> {
    let damaged = || StoreError::Damaged("a kept reply".to_owned());
    let bytes = reply.try_into().map_err(|_| damaged())?;
    Timestamp::from_microseconds(i64::from_be_bytes(bytes)).map_err(|_| damaged())
}

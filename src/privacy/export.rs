//! Everything that is kept of one subject, as lines of JSON, for the person who asks.
//!
//! ```text
//! {"header":{…}}                      the format, whose data, when
//! {"subject":{…}}                     status and version; none when there is no such subject
//! {"reference":{…}}                   of each reference; never the template itself
//! {"consent":{…}}
//! {"review":{…}}                      cases for a human
//! {"attempts":{…}}                    comparisons counted by the day
//! {"erasure":{…}}
//! {"entry":TEXT,"hash":"…"}           the subject's entries in the trail, in the order of time
//! {"receipt":{…},"signature":"…"}     the last line: a signed receipt over all lines before it
//! ```
//!
//! An export without its receipt, or whose lines do not give the receipt's SHA-256, is not whole.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{Asked, Done, PrivacyError, Receipt};
use crate::audit::{Text, Timestamp, entry_line};
use crate::digest;
use crate::records::Records;
use crate::store::{
    Consent, EntryQuery, KeptAttempts, KeptReview, Position, Reference, Selection, StoreError,
    Subject, SubjectStatus,
};
use crate::subject::SubjectHash;

/// The first line says this.
pub const EXPORT_FORMAT: &str = "padan subject export v1";

/// Entries that are read at a time.
const PAGE: u32 = 100;

/// A line but for those of entries and the receipt. Fields in the order of their keys.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Header {
        format: &'a str,
        request: &'a Text,
        subject: SubjectHash,
        time: Timestamp,
    },
    Subject {
        keyed: Timestamp,
        status: &'a str,
        version: u64,
    },
    Reference {
        captured_on: Option<&'a str>,
        contract: &'a str,
        created: Timestamp,
        quality: &'a str,
        source: &'a str,
        version: u64,
    },
    Consent {
        channel: &'a str,
        granted: Timestamp,
        id: &'a str,
        legal_basis: &'a str,
        notice_version: &'a str,
        office: &'a str,
        operator: &'a str,
        purpose: &'a str,
        withdrawn: Option<Timestamp>,
    },
    Review {
        captured_by: &'a str,
        claimed: Option<Timestamp>,
        claimed_by: Option<&'a str>,
        created: Timestamp,
        decided: Option<Timestamp>,
        decided_by: Option<&'a str>,
        device: &'a str,
        id: &'a str,
        office: &'a str,
        purpose: &'a str,
        reasons: &'a str,
        request: &'a str,
        verdict: Option<&'a str>,
    },
    Attempts {
        attempts: u64,
        day: i64,
    },
    Erasure {
        time: Timestamp,
    },
}

/// Writes lines into a channel, and keeps what the receipt says about them.
pub(super) struct Writer {
    lines: mpsc::Sender<Result<String, PrivacyError>>,
    hash: Sha256,
    counts: BTreeMap<Text, u64>,
}

/// Whoever asked went away: nothing more is read for them.
struct Gone;

/// Why writing ended early.
enum Ended {
    Gone,
    Failed(PrivacyError),
}

impl From<Gone> for Ended {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl Writer {
    pub(super) fn new(lines: mpsc::Sender<Result<String, PrivacyError>>) -> Self {
        Self {
            lines,
            hash: Sha256::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Writes everything up to `time`, and the receipt. What keeps it from that is the last line.
    pub(super) async fn run(mut self, records: &Records, asked: &Asked, time: Timestamp) {
        match self.all(records, asked, time).await {
            Ok(()) | Err(Ended::Gone) => {}
            // Gone or not: there is nobody else to tell.
            Err(Ended::Failed(error)) => drop(self.lines.send(Err(error)).await),
        }
    }

    async fn all(
        &mut self,
        records: &Records,
        asked: &Asked,
        time: Timestamp,
    ) -> Result<(), Ended> {
        let header = Line::Header {
            format: EXPORT_FORMAT,
            request: &asked.request_id,
            subject: asked.subject,
            time,
        };
        self.send(text(&header)).await?;
        self.references(records, asked.subject).await?;
        for consent in records.store().consents(asked.subject).await? {
            self.one("consents", &of_consent(&consent)?).await?;
        }
        let kept = records.store().kept(asked.subject).await?;
        for review in &kept.reviews {
            self.one("reviews", &of_review(review)?).await?;
        }
        for &KeptAttempts { day, attempts } in &kept.attempts {
            self.one("attempts", &Line::Attempts { attempts, day })
                .await?;
        }
        for &at_us in &kept.erasures_us {
            let time = moment(at_us)?;
            self.one("erasures", &Line::Erasure { time }).await?;
        }
        self.entries(records, asked.subject, time).await?;
        let key = records.keys().audit_key();
        let hash = digest::hex(&self.hash.clone().finalize());
        let receipt = Receipt {
            consent: None,
            counts: std::mem::take(&mut self.counts),
            done: Done::SubjectExported,
            key: key.public(),
            lines_sha256: Some(Text::fitted(&hash)),
            request: asked.request_id.clone(),
            subject: asked.subject,
            time,
        };
        self.send(receipt.sign(key).line()).await?;
        Ok(())
    }

    async fn references(&mut self, records: &Records, subject: SubjectHash) -> Result<(), Ended> {
        let store = records.store();
        // Also of a subject without references: no contract has an empty name.
        if let Some((found, _)) = store.subject(subject, "").await? {
            self.one("subjects", &of_subject(&found)?).await?;
        }
        for contract in store.contracts(subject).await? {
            let found = store.subject(subject, &contract).await?;
            if let Some(reference) = found.and_then(|(_, reference)| reference) {
                self.one("references", &of_reference(&reference)?).await?;
            }
        }
        Ok(())
    }

    async fn entries(
        &mut self,
        records: &Records,
        subject: SubjectHash,
        until: Timestamp,
    ) -> Result<(), Ended> {
        let mut after: Option<(i64, Position)> = None;
        loop {
            let query = EntryQuery {
                selection: Selection::Subject(subject),
                from_us: 0,
                until_us: until.microseconds(),
                after: after.take(),
                limit: PAGE,
            };
            let page = records.store().entries(&query).await?;
            for entry in &page {
                let line = entry_line(&entry.text, &entry.hash);
                self.count("entries");
                self.send(line.trim_end().to_owned()).await?;
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some((last.at_us, last.position)),
                None => return Ok(()),
            }
        }
    }

    async fn one(&mut self, what: &str, line: &Line<'_>) -> Result<(), Gone> {
        self.count(what);
        self.send(text(line)).await
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(Text::fitted(what)).or_default() += 1;
    }

    async fn send(&mut self, line: String) -> Result<(), Gone> {
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        self.lines.send(Ok(line)).await.map_err(|_| Gone)
    }
}

fn text(line: &Line<'_>) -> String {
    // Texts and numbers under fixed names: always JSON.
    serde_json::to_string(line).unwrap_or_default()
}

fn moment(at_us: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microseconds(at_us).map_err(|_| StoreError::Damaged("a time".to_owned()))
}

fn of_subject(subject: &Subject) -> Result<Line<'_>, StoreError> {
    Ok(Line::Subject {
        keyed: moment(subject.keyed_us)?,
        status: match subject.status {
            SubjectStatus::Active => "ACTIVE",
            SubjectStatus::Blocked => "BLOCKED",
            SubjectStatus::Erased => "ERASED",
        },
        version: subject.version,
    })
}

fn of_reference(reference: &Reference) -> Result<Line<'_>, StoreError> {
    Ok(Line::Reference {
        captured_on: reference.captured_on.as_deref(),
        contract: &reference.contract_id,
        created: moment(reference.created_us)?,
        quality: &reference.quality,
        source: &reference.source,
        version: reference.row_version,
    })
}

fn of_consent(consent: &Consent) -> Result<Line<'_>, StoreError> {
    Ok(Line::Consent {
        channel: &consent.channel,
        granted: moment(consent.granted_us)?,
        id: &consent.id,
        legal_basis: &consent.legal_basis,
        notice_version: &consent.notice_version,
        office: &consent.office,
        operator: &consent.operator,
        purpose: &consent.purpose,
        withdrawn: consent.withdrawn_us.map(moment).transpose()?,
    })
}

fn of_review(review: &KeptReview) -> Result<Line<'_>, StoreError> {
    Ok(Line::Review {
        captured_by: &review.captured_by,
        claimed: review.claimed_us.map(moment).transpose()?,
        claimed_by: review.claimed_by.as_deref(),
        created: moment(review.created_us)?,
        decided: review.decided_us.map(moment).transpose()?,
        decided_by: review.decided_by.as_deref(),
        device: &review.device,
        id: &review.id,
        office: &review.office,
        purpose: &review.purpose,
        reasons: &review.reasons,
        request: &review.request,
        verdict: review.verdict.as_deref(),
    })
}

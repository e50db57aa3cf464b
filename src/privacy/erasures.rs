//! The list of erasures outside the database, so that no restored backup brings anybody back.
//!
//! Each line of `erasures.jsonl` in the journal's folder is
//! `{"subject":"64 hexadecimal digits","time":"2026-11-22T09:30:00.000001Z"}`. A line that is there
//! twice means the same as once.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::PrivacyError;
use crate::audit::{Event, Text, Timestamp};
use crate::records::Records;
use crate::store::{Erasure, StoreError};
use crate::subject::SubjectHash;
use crate::trail::{ERASURES_FILE, Journal};

/// Erasures in one transaction at most.
const CHUNK: usize = 500;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    subject: SubjectHash,
    time: Timestamp,
}

/// What a replay found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Erasures that the database did not know.
    pub missing: u64,
    /// Keys that were destroyed again.
    pub keys: u64,
    /// Erasures that the journal did not know: padan was cut off before they were answered.
    pub noted: u64,
}

/// By time, then subject: the order of the store's list.
type Key = (i64, SubjectHash);

/// Brings the list of erasures in the database and that in the journal together: what a restored
/// backup has forgotten is erased again, with one entry in the trail for up to 500 of them. To be
/// called before anything is served.
///
/// A key that was made after an erasure stays.
///
/// # Errors
/// When the journal is damaged or cannot be read, or the database fails: nothing may be served.
pub async fn replay(records: &Records, journal: &Arc<Journal>) -> Result<Replayed, PrivacyError> {
    let file = Arc::clone(journal);
    let noted = blocking(move || read(&file)).await?;
    let listed = listed(records).await?;
    let mut replayed = Replayed::default();
    let missing: Vec<Erasure> = noted.difference(&listed).map(erasure).collect();
    for chunk in missing.chunks(CHUNK) {
        let mut entry = records.own_entry(Event::SubjectErased);
        let number = chunk.len().to_string();
        let detail = (Text::fitted("replayed"), Text::fitted(&number));
        entry.details.extend([detail]);
        let store = records.store();
        replayed.keys += store.replay_erasures(chunk.to_vec(), entry).await?;
        replayed.missing += chunk.len() as u64;
    }
    for key in listed.difference(&noted) {
        note(journal, erasure(key)).await?;
        replayed.noted += 1;
    }
    Ok(replayed)
}

fn erasure(&(at_us, subject): &Key) -> Erasure {
    Erasure { subject, at_us }
}

/// All that the database lists.
async fn listed(records: &Records) -> Result<BTreeSet<Key>, StoreError> {
    const PAGE: u32 = 1000;
    let mut all = BTreeSet::new();
    let mut after = None;
    loop {
        let page = records.store().erasures(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        after = Some(*last);
        all.extend(page.iter().map(|it| (it.at_us, it.subject)));
    }
}

/// Notes an erasure; durable when this returns.
pub(super) async fn note(journal: &Arc<Journal>, erasure: Erasure) -> Result<(), PrivacyError> {
    let line = Line {
        subject: erasure.subject,
        time: Timestamp::from_microseconds(erasure.at_us)
            .map_err(|_| StoreError::Damaged("the time of an erasure".to_owned()))?,
    };
    // Two texts under fixed names: always JSON.
    let line = serde_json::to_string(&line).unwrap_or_default();
    let journal = Arc::clone(journal);
    blocking(move || Ok(journal.append(ERASURES_FILE, &line)?)).await
}

/// Notes an erasure unless it is noted: an answer that is repeated shall not make the file grow.
pub(super) async fn note_once(journal: &Arc<Journal>, one: Erasure) -> Result<(), PrivacyError> {
    let file = Arc::clone(journal);
    let is_noted = blocking(move || {
        for line in each(&file)? {
            if line? == (one.at_us, one.subject) {
                return Ok(true);
            }
        }
        Ok(false)
    });
    if is_noted.await? {
        return Ok(());
    }
    note(journal, one).await
}

fn read(journal: &Journal) -> Result<BTreeSet<Key>, PrivacyError> {
    each(journal)?.collect()
}

fn each(
    journal: &Journal,
) -> Result<impl Iterator<Item = Result<Key, PrivacyError>>, PrivacyError> {
    let mut lines = journal.lines(ERASURES_FILE)?;
    Ok(std::iter::from_fn(move || {
        let line = match lines.next()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error.into())),
        };
        let erasure: Result<Line, _> = serde_json::from_str(&line.text);
        let erasure = erasure.map_err(|_| lines.damaged(line.number).into());
        Some(erasure.map(|it| (it.time.microseconds(), it.subject)))
    }))
}

/// The journal waits for its disk: not on the threads of the service.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PrivacyError> + Send + 'static,
) -> Result<T, PrivacyError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| StoreError::Closed)?
}

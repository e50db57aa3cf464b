//! Before padan serves: is this the database that the journal speaks of, and is its end whole?

use std::sync::Arc;

use super::checkpoints::{Journaled, blocking, journaled};
use super::journal::{CHECKPOINTS_FILE, Journal, RETIRED_FILE};
use super::plan::{self, Extent, Part};
use super::retired::retired;
use super::verify::Verification;
use super::{Trail, TrailError};
use crate::audit::{ChainHead, Checkpoint, Finding, WriterId};
use crate::keys::PublicKey;
use crate::records::Records;
use crate::store::{Store, StoreError};

/// Entries at the end of this process's own chain that a start checks.
pub const TAIL_ENTRIES: u64 = 1000;

/// Why padan does not start on this database.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database or the journal cannot be read.
    #[error(transparent)]
    Trail(#[from] TrailError),
    /// The database knows less than the journal.
    #[error(
        "the database is older than the journal {journal}: the chain of {writer} ends at entry \
         {found} there, and entry {signed} was signed. Take the database that belongs to the \
         journal; if this backup is the newest that is left, run `padan trail restore`, which \
         repeats the erasures that it has forgotten"
    )]
    Older {
        /// Whose chain.
        writer: WriterId,
        /// Its last sequence in the database; 0 when it has none.
        found: u64,
        /// What the journal knows.
        signed: u64,
        /// The journal's folder.
        journal: String,
    },
    /// The database says something else than the journal.
    #[error(
        "the audit trail was changed: entry {sequence} of {writer} is not the one that was signed. \
         Keep this database for whoever looks into it, and restore a backup; `padan audit export` \
         and `padan audit verify` tell more"
    )]
    Changed {
        /// Whose chain.
        writer: WriterId,
        /// The entry of the checkpoint.
        sequence: u64,
    },
    /// A line of the journal that no key of ours signed.
    #[error(
        "line {line} of {CHECKPOINTS_FILE} in the journal was not signed by the audit key at hand \
         nor by one of `[trail] older_keys`: bring back the keys and the journal that belong to \
         this database"
    )]
    NotSigned {
        /// Counted from 1.
        line: u64,
    },
    /// This process has a name that lost entries when a backup was restored.
    #[error(
        "the name {writer} is retired: its chain was signed up to entry {signed}, and the backup \
         that was restored had {found}, so that what this process writes under that name could be \
         a second entry under a number that was signed. Give this process a new name: \
         store.writer; {RETIRED_FILE} in the journal lists the names that no process may have again"
    )]
    RetiredName {
        /// The name of this process.
        writer: WriterId,
        /// How many entries the backup had of it.
        found: u64,
        /// How many were signed.
        signed: u64,
    },
    /// The end of this process's chain is broken.
    #[error(
        "the audit trail in the database is broken: {0} Keep this database for whoever looks into \
         it, and restore a backup"
    )]
    Broken(Finding),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Trail(error.into())
    }
}

/// What a start has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Chains that the journal knows; 0 for a new journal, which can show nothing yet.
    pub chains: usize,
    /// Whether the journal ended within a line: the process before was cut off as it signed.
    pub is_torn: bool,
}

/// Checks the database against the journal, and the end of this process's chain against itself.
/// `older_keys`: as for [`Trail::new`].
///
/// # Errors
/// [`StartError`] says what is wrong, and what to do.
pub async fn check_start(
    records: &Arc<Records>,
    journal: &Journal,
    older_keys: &[PublicKey],
) -> Result<Started, StartError> {
    let trail = Trail::new(Arc::clone(records), journal.clone(), older_keys);
    refuse_retired(&trail).await?;
    let folder = journal.clone();
    let known = blocking(move || journaled(&folder)).await?;
    let store = records.store();
    let heads = store.heads().await?;
    for (line, checkpoint) in known.furthest.values() {
        if !checkpoint.is_signed() || !trail.trusted.contains(&checkpoint.key) {
            return Err(StartError::NotSigned { line: *line });
        }
        compare(store, &heads, checkpoint, journal).await?;
    }
    let started = Started {
        chains: known.furthest.len(),
        is_torn: known.is_torn,
    };
    check_tail(&trail, &heads, known).await?;
    Ok(started)
}

/// No process may have a name that the journal says lost entries.
pub(super) async fn refuse_retired(trail: &Trail) -> Result<(), StartError> {
    let journal = trail.journal.clone();
    let mut names = blocking(move || retired(&journal)).await?;
    match names.remove(trail.records.writer()) {
        None => Ok(()),
        Some(chain) => Err(StartError::RetiredName {
            writer: chain.writer,
            found: chain.found,
            signed: chain.signed,
        }),
    }
}

async fn compare(
    store: &Arc<dyn Store>,
    heads: &[ChainHead],
    signed: &Checkpoint,
    journal: &Journal,
) -> Result<(), StartError> {
    let head = heads.iter().find(|head| head.writer == signed.writer);
    let found = head.map_or(0, |head| head.sequence);
    if found < signed.sequence {
        return Err(StartError::Older {
            writer: signed.writer.clone(),
            found,
            signed: signed.sequence,
            journal: journal.folder().display().to_string(),
        });
    }
    let row = store.chain(&signed.writer, signed.sequence, 1).await?;
    let is_there = |row: &crate::store::StoredEntry| {
        row.position.sequence == signed.sequence && row.hash == signed.hash
    };
    if row.first().is_some_and(is_there) {
        return Ok(());
    }
    Err(StartError::Changed {
        writer: signed.writer.clone(),
        sequence: signed.sequence,
    })
}

/// The last entries of the own chain, with what is signed of them.
async fn check_tail(
    trail: &Trail,
    heads: &[ChainHead],
    known: Journaled,
) -> Result<(), StartError> {
    let writer = trail.records.writer();
    let Some(head) = heads.iter().find(|head| head.writer == *writer) else {
        return Ok(());
    };
    let first = head.sequence.saturating_sub(TAIL_ENTRIES - 1).max(1);
    let part = Part {
        writer: Some(writer.clone()),
        extent: Extent::From(first),
    };
    let plans = plan::plan_with(trail, &part, known.chains()).await?;
    let mut tail = Verification::of(trail.records.store(), &trail.trusted, plans);
    while let Some(report) = tail.next(&mut |_| {}).await? {
        if let Some(finding) = report.findings.into_iter().next() {
            return Err(StartError::Broken(finding));
        }
    }
    Ok(())
}

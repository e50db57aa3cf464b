//! The audit trail of a running service: checkpoints are signed and kept twice, the start and an
//! auditor check what the database holds, and all of it can be exported.
//!
//! Whoever may write to the database can change it. What they cannot do is sign, and what they may
//! not reach is the [`Journal`], which knows how far each chain has come:
//!
//! - The [`Checkpointer`] signs where this process's chain stands and keeps that in the database
//!   and in the journal.
//! - [`check_start`] refuses a database that is older than the journal, or whose end was changed.
//!   [`check_backup`] finds out whether an old one is only old, and [`Backup::accept`] brings it
//!   back to service when nothing newer is left.
//! - [`Trail::verify`] finds the first bad entry of each chain; [`Trail::export`] writes what
//!   `padan audit verify` checks without padan. Both walk over the same rows in the same order.
//!
//! A read of the trail leaves an entry: what was asked, and never what was found.

mod checkpoints;
mod export;
mod journal;
mod plan;
mod query;
mod reads;
mod restore;
mod retired;
mod scope;
mod start;
mod verify;
mod walk;

use std::sync::Arc;

use crate::audit::{ExportHeaderError, WriterId};
use crate::keys::PublicKey;
use crate::records::Records;
use crate::store::StoreError;

pub use checkpoints::{Checkpointer, checkpoint_of, stored_checkpoint};
pub use export::Export;
pub use journal::{
    CHECKPOINTS_FILE, ERASURES_FILE, Journal, JournalError, JournalLine, JournalLines,
    LINE_BYTES_MAX, RETIRED_FILE,
};
pub use plan::{Extent, Part};
pub use query::{ENTRIES_MAX, Filter, Page, PageToken, Query};
pub use reads::{note_model, note_start, note_stop};
pub use restore::{Backup, LostChain, RestoreError, Restored, check_backup};
pub use scope::{BreachScope, ScopeQuestion};
pub use start::{StartError, Started, TAIL_ENTRIES, check_start};
pub use verify::Verification;

/// Why the trail was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum TrailError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder beside it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// More than one export holds.
    #[error("the trail does not fit in one export: name one writer")]
    Header(#[from] ExportHeaderError),
    /// No chain of that name.
    #[error("there is no chain of the writer {0}")]
    UnknownWriter(WriterId),
    /// A part behind the end of a chain.
    #[error("the chain of {writer} ends at {last}: begin there or before")]
    BeyondEnd {
        /// Whose chain.
        writer: WriterId,
        /// Its last sequence.
        last: u64,
    },
}

/// The trail, for whoever checks, reads and exports it.
#[derive(Clone)]
pub struct Trail {
    records: Arc<Records>,
    journal: Journal,
    trusted: Arc<[PublicKey]>,
}

impl Trail {
    /// The trail of these records. `older_keys`: public keys that signed checkpoints before the
    /// audit key of today.
    #[must_use]
    pub fn new(records: Arc<Records>, journal: Journal, older_keys: &[PublicKey]) -> Self {
        let trusted = trusted(&records, older_keys);
        Self {
            records,
            journal,
            trusted,
        }
    }

    /// The records whose trail it is.
    #[must_use]
    pub fn records(&self) -> &Arc<Records> {
        &self.records
    }
}

/// All keys whose checkpoints count, today's first.
fn trusted(records: &Records, older_keys: &[PublicKey]) -> Arc<[PublicKey]> {
    let today = records.keys().audit_key().public();
    let older = older_keys.iter().filter(|older| **older != today);
    std::iter::once(today).chain(older.copied()).collect()
}

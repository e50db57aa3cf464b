//! Exports: the file that `padan audit verify` checks, made while it is read.

use std::collections::VecDeque;
use std::sync::Arc;

use super::plan::{self, Part, Plan};
use super::walk::{Mark, Step, Walk};
use super::{Trail, TrailError};
use crate::audit::{ExportHeader, Timestamp, checkpoint_line, entry_line};
use crate::store::{Store, StoreError};

/// Bytes of a piece, beyond which no further line is put to it.
const PIECE_BYTES: usize = 64 * 1024;

/// An export that is made piece by piece, in bounded memory.
pub struct Export {
    store: Arc<dyn Store>,
    header: Option<String>,
    plans: VecDeque<Plan>,
    walk: Option<Walk>,
}

impl Trail {
    /// Plans an export and signs its header: what stands in the database from then on is not in
    /// it, and what vanishes from the database is found missing.
    ///
    /// # Errors
    /// When the database or the journal cannot be read, there is no such part, or it does not fit
    /// in one export.
    pub async fn export(&self, part: &Part) -> Result<Export, TrailError> {
        let plans = plan::plan(self, part).await?;
        let ranges = plans.iter().map(Plan::range).collect();
        let key = self.records.keys().audit_key();
        let older: &[_] = self.trusted.get(1..).unwrap_or_default();
        let header = ExportHeader::new(Timestamp::now(), ranges, key.public(), older)?;
        Ok(Export {
            store: Arc::clone(self.records.store()),
            header: Some(header.to_line(key)?),
            plans: plans.into(),
            walk: None,
        })
    }
}

impl Export {
    /// The next whole lines; none at the end.
    ///
    /// # Errors
    /// When the database cannot be read. The export is of no use then.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let mut piece = self.header.take().unwrap_or_default();
        while piece.len() < PIECE_BYTES {
            match self.line().await? {
                Some(line) => piece.push_str(&line),
                None => break,
            }
        }
        Ok((!piece.is_empty()).then_some(piece))
    }

    async fn line(&mut self) -> Result<Option<String>, StoreError> {
        loop {
            if let Some(walk) = &mut self.walk {
                match walk.next().await? {
                    Some(step) => return Ok(Some(line(&step))),
                    None => self.walk = None,
                }
            }
            let Some(plan) = self.plans.pop_front() else {
                return Ok(None);
            };
            self.walk = Some(Walk::new(Arc::clone(&self.store), plan));
        }
    }
}

/// Rows that are not what padan wrote make lines that are none, so that they are found.
fn line(step: &Step) -> String {
    match step {
        Step::Entry(stored) => entry_line(&stored.text, &stored.hash),
        Step::Checkpoint(Mark::Readable(checkpoint)) => checkpoint_line(checkpoint),
        Step::Checkpoint(Mark::Unreadable(sequence)) => {
            format!("{{\"unreadable checkpoint\":{sequence}}}\n")
        }
    }
}

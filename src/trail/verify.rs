//! Checks the chains in the database against their hashes, signed checkpoints, heads and the
//! journal.

use std::collections::VecDeque;
use std::sync::Arc;

use super::checkpoints::on_thread;
use super::plan::{self, Part, Plan};
use super::walk::{Mark, Step, Walk};
use super::{Trail, TrailError};
use crate::audit::{ChainReport, ChainVerifier, Entry, Fault, Finding, StatedEntry, WriterId};
use crate::keys::PublicKey;
use crate::store::{EntryColumns, Store, StoreError, StoredEntry};

/// Most rows that are remembered as unreadable; any more are as bad as the first.
const UNREADABLE_MAX: usize = 64;

/// Rows that are checked at a time, after which progress is told.
const ROWS: usize = 500;

/// A check that goes on chain by chain.
pub struct Verification {
    store: Arc<dyn Store>,
    trusted: Arc<[PublicKey]>,
    plans: VecDeque<Plan>,
    entries: u64,
    read: u64,
}

impl Trail {
    /// Plans a check of a part of the trail.
    ///
    /// # Errors
    /// When the database or the journal cannot be read, or there is no such part.
    pub async fn verify(&self, part: &Part) -> Result<Verification, TrailError> {
        let plans = plan::plan(self, part).await?;
        Ok(Verification::of(self.records.store(), &self.trusted, plans))
    }
}

impl Verification {
    pub(super) fn of(store: &Arc<dyn Store>, trusted: &Arc<[PublicKey]>, plans: Vec<Plan>) -> Self {
        let entries = |plan: &Plan| plan.end.sequence.saturating_sub(plan.start.sequence);
        Self {
            store: Arc::clone(store),
            trusted: Arc::clone(trusted),
            entries: plans.iter().map(entries).sum(),
            plans: plans.into(),
            read: 0,
        }
    }

    /// Entries that all chains together should have in this part.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Checks the next chain; none when all are checked. `progress` is called with the rows read
    /// so far of all chains.
    ///
    /// # Errors
    /// When the database cannot be read. What is wrong with a chain is no error: the report names
    /// the first bad sequence first.
    pub async fn next(
        &mut self,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<ChainReport>, StoreError> {
        let Some(plan) = self.plans.pop_front() else {
            return Ok(None);
        };
        let mut check = Check::new(&plan, Arc::clone(&self.trusted));
        let mut walk = Walk::new(Arc::clone(&self.store), plan);
        loop {
            let steps = walk.steps(ROWS).await?;
            if steps.is_empty() {
                return Ok(Some(check.finish()));
            }
            self.read += steps.len() as u64;
            check = on_thread(move || check.after(&steps)).await?;
            progress(self.read);
        }
    }
}

/// The check of one chain.
struct Check {
    writer: WriterId,
    trusted: Arc<[PublicKey]>,
    verifier: ChainVerifier,
    rows: u64,
    /// Rows that are no entry of this writer: their place in the walk and their sequence.
    unreadable: Vec<(u64, u64)>,
    /// The first row that is found by other values than its text has.
    misfiled: Option<u64>,
    /// The first row that can be no checkpoint.
    bad_mark: Option<u64>,
}

impl Check {
    fn new(plan: &Plan, trusted: Arc<[PublicKey]>) -> Self {
        Self {
            writer: plan.writer().clone(),
            trusted,
            verifier: ChainVerifier::new(plan.start.clone(), Some(plan.end.clone())),
            rows: 0,
            unreadable: Vec::new(),
            misfiled: None,
            bad_mark: None,
        }
    }

    fn after(mut self, steps: &[Step]) -> Self {
        for step in steps {
            self.step(step);
        }
        self
    }

    fn step(&mut self, step: &Step) {
        self.rows += 1;
        match step {
            Step::Entry(stored) => self.entry(stored),
            Step::Checkpoint(Mark::Readable(checkpoint)) => {
                let is_trusted = self.trusted.contains(&checkpoint.key);
                self.verifier.checkpoint(self.rows, checkpoint, is_trusted);
            }
            Step::Checkpoint(Mark::Unreadable(sequence)) => {
                self.bad_mark.get_or_insert(*sequence);
            }
        }
    }

    fn entry(&mut self, stored: &StoredEntry) {
        let entry = Entry::parse(&stored.text).ok();
        let Some(entry) = entry.filter(|entry| entry.writer == self.writer) else {
            if self.unreadable.len() < UNREADABLE_MAX {
                self.unreadable.push((self.rows, stored.position.sequence));
            }
            return;
        };
        self.verifier.entry(&StatedEntry {
            sequence: entry.sequence,
            text: &stored.text,
            hash: stored.hash,
            line: self.rows,
        });
        let is_filed = stored.position.sequence == entry.sequence
            && stored.at_us == entry.time.microseconds()
            && stored.columns == EntryColumns::of(&entry);
        if !is_filed {
            self.misfiled.get_or_insert(stored.position.sequence);
        }
    }

    fn finish(self) -> ChainReport {
        let rows: Vec<u64> = self.unreadable.iter().map(|(row, _)| *row).collect();
        let mut report = self.verifier.finish(&rows);
        let is_named = |sequence: u64| {
            let mut named = report
                .findings
                .iter()
                .filter_map(|finding| finding.sequence);
            named.any(|named| named == sequence)
        };
        let unreadable = self.unreadable.first().map(|(_, sequence)| *sequence);
        let more: Vec<Finding> = [
            (self.misfiled, Fault::Edited),
            (unreadable, Fault::UnreadableLine),
            (self.bad_mark, Fault::BadSignature),
        ]
        .into_iter()
        .filter_map(|(sequence, fault)| Some((sequence?, fault)))
        .filter(|(sequence, _)| !is_named(*sequence))
        .map(|(sequence, fault)| Finding {
            fault,
            writer: Some(self.writer.clone()),
            sequence: Some(sequence),
            until: None,
            unproven_from: None,
            line: None,
        })
        .collect();
        report.findings.extend(more);
        for finding in &mut report.findings {
            // Rows of a walk are no lines of a file.
            finding.line = None;
        }
        let place = |finding: &Finding| finding.sequence.unwrap_or(u64::MAX);
        report.findings.sort_by_key(place);
        report
    }
}

//! The rows of one chain in the order of an export: entries, each checkpoint behind its entry.

use std::collections::VecDeque;
use std::sync::Arc;

use super::checkpoints::checkpoint_of;
use super::plan::Plan;
use crate::audit::Checkpoint;
use crate::store::{Store, StoreError, StoredCheckpoint, StoredEntry};

/// Rows read at a time.
const PAGE: u32 = 500;

/// A checkpoint of a chain.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// As it was signed, or not.
    Readable(Box<Checkpoint>),
    /// A row that can be none, by its sequence.
    Unreadable(u64),
}

impl Mark {
    fn of(stored: &StoredCheckpoint) -> Self {
        let sequence = stored.position.sequence;
        checkpoint_of(stored).map_or(Self::Unreadable(sequence), |it| {
            Self::Readable(Box::new(it))
        })
    }

    const fn sequence(&self) -> u64 {
        match self {
            Self::Readable(checkpoint) => checkpoint.sequence,
            Self::Unreadable(sequence) => *sequence,
        }
    }
}

/// The checkpoints of a plan, those of the database with the journal's in its place.
pub(super) struct Checkpoints {
    store: Arc<dyn Store>,
    plan: Plan,
    from: u64,
    page: VecDeque<StoredCheckpoint>,
    is_over: bool,
    journaled: Option<Checkpoint>,
    left: u64,
}

impl Checkpoints {
    pub fn new(store: Arc<dyn Store>, plan: &Plan) -> Self {
        Self {
            store,
            plan: plan.clone(),
            from: plan.start.sequence.saturating_add(1),
            page: VecDeque::new(),
            is_over: false,
            journaled: plan.journaled.clone(),
            left: plan.marks,
        }
    }

    /// The next one. Those that were signed after the plan are left out: they come last.
    pub async fn next(&mut self) -> Result<Option<Mark>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.fill().await?;
        self.left -= 1;
        let stored = self.page.front();
        let journaled = self.journaled.as_ref();
        if let (Some(stored), Some(journaled)) = (stored, journaled) {
            let is_same =
                stored.position.sequence == journaled.sequence && stored.hash == journaled.hash;
            if is_same {
                self.journaled = None;
            }
        }
        let is_before = |journaled: &mut Checkpoint| {
            stored.is_none_or(|stored| journaled.sequence <= stored.position.sequence)
        };
        if let Some(journaled) = self.journaled.take_if(is_before) {
            return Ok(Some(Mark::Readable(Box::new(journaled))));
        }
        Ok(self.page.pop_front().map(|stored| Mark::of(&stored)))
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        if self.is_over || !self.page.is_empty() {
            return Ok(());
        }
        let writer = self.plan.writer();
        let page = self.store.checkpoints(writer, self.from, PAGE).await?;
        self.is_over = page.len() < PAGE as usize;
        if let Some(last) = page.last() {
            self.from = last.position.sequence.saturating_add(1);
        }
        let end = (!self.plan.is_open).then_some(self.plan.end.sequence);
        let is_within =
            |stored: &StoredCheckpoint| end.is_none_or(|end| stored.position.sequence <= end);
        let before = page.len();
        self.page = page.into_iter().filter(is_within).collect();
        self.is_over |= self.page.len() < before;
        Ok(())
    }
}

/// What stands next in a chain.
pub(super) enum Step {
    Entry(StoredEntry),
    Checkpoint(Mark),
}

/// Walks over a chain as planned, in bounded memory.
pub(super) struct Walk {
    store: Arc<dyn Store>,
    plan: Plan,
    from: u64,
    page: VecDeque<StoredEntry>,
    is_over: bool,
    checkpoints: Checkpoints,
    mark: Option<Mark>,
    began: bool,
}

impl Walk {
    pub fn new(store: Arc<dyn Store>, plan: Plan) -> Self {
        Self {
            checkpoints: Checkpoints::new(Arc::clone(&store), &plan),
            from: plan.start.sequence.saturating_add(1),
            store,
            plan,
            page: VecDeque::new(),
            is_over: false,
            mark: None,
            began: false,
        }
    }

    /// The next rows, `most` of them; fewer at the end, and none behind it.
    pub async fn steps(&mut self, most: usize) -> Result<Vec<Step>, StoreError> {
        let mut steps = Vec::new();
        while steps.len() < most {
            match self.next().await? {
                Some(step) => steps.push(step),
                None => break,
            }
        }
        Ok(steps)
    }

    /// The next row.
    pub async fn next(&mut self) -> Result<Option<Step>, StoreError> {
        if !self.began {
            self.began = true;
            self.mark = self.checkpoints.next().await?;
        }
        self.fill().await?;
        let entry = self.page.front().map(|entry| entry.position.sequence);
        let is_due = |mark: &mut Mark| entry.is_none_or(|entry| mark.sequence() < entry);
        if let Some(mark) = self.mark.take_if(is_due) {
            self.mark = self.checkpoints.next().await?;
            return Ok(Some(Step::Checkpoint(mark)));
        }
        Ok(self.page.pop_front().map(Step::Entry))
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        if self.is_over || !self.page.is_empty() {
            return Ok(());
        }
        let writer = self.plan.writer();
        let mut page = self.store.chain(writer, self.from, PAGE).await?;
        let last = page.last().map_or(0, |entry| entry.position.sequence);
        self.is_over = page.len() < PAGE as usize || last > self.plan.reach;
        if !self.is_over {
            // A sequence that stands there twice, as it may on PostgreSQL, is read whole.
            page.retain(|entry| entry.position.sequence < last);
            if page.is_empty() {
                let cause = format!("one sequence of an audit chain {PAGE} times");
                return Err(StoreError::Damaged(cause));
            }
            self.from = last;
        }
        page.retain(|entry| entry.position.sequence <= self.plan.reach);
        self.page = page.into();
        Ok(())
    }
}

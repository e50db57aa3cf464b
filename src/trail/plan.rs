//! What a check or an export is going to read, fixed before the first entry is: the service goes on
//! writing meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checkpoints::{blocking, journaled};
use super::walk::{Checkpoints, Mark};
use super::{Trail, TrailError};
use crate::audit::{ChainEnd, ChainHash, ChainHead, Checkpoint, ExportRange, WriterId};
use crate::store::{Store, StoreError};

/// Which entries of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// From this sequence (from 1) to the chain's end.
    From(u64),
    /// From the first sequence to the last, both included.
    Sequences(u64, u64),
    /// From one time on and before another (microseconds since 1970, UTC): all from the first
    /// entry of that time to the last, and what the writer wrote between them.
    Times(i64, i64),
}

/// Which part of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Whose chain; none: all.
    pub writer: Option<WriterId>,
    /// Which entries of it.
    pub extent: Extent,
}

/// What is going to be read of one chain.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Before the first entry.
    pub start: ChainHead,
    /// Where it has to end.
    pub end: ChainEnd,
    /// The last sequence to be read: beyond the end when entries stand where none may be.
    pub reach: u64,
    /// Whether the end is the chain's own, so that no checkpoint may be beyond it.
    pub is_open: bool,
    /// The journal's checkpoint in this part.
    pub journaled: Option<Checkpoint>,
    /// How many checkpoints to read, unreadable ones included.
    pub marks: u64,
}

impl Plan {
    pub const fn writer(&self) -> &WriterId {
        &self.start.writer
    }

    /// As the header of an export says it.
    pub fn range(&self) -> ExportRange {
        let is_empty = self.end.sequence == self.start.sequence;
        ExportRange {
            checkpoints: self.end.checkpoints,
            checkpoints_hash: self.end.checkpoints_hash,
            first: self.start.sequence.saturating_add(1),
            hash: if is_empty {
                self.start.hash
            } else {
                self.end.hash
            },
            last: self.end.sequence,
            previous: self.start.hash,
            writer: self.start.writer.clone(),
        }
    }
}

/// Plans a part, chain by chain. Empty chains are in it; chains without an entry in a window of
/// time are not.
pub(super) async fn plan(trail: &Trail, part: &Part) -> Result<Vec<Plan>, TrailError> {
    let journal = trail.journal.clone();
    // The journal comes first and the heads come last: what is signed is never beyond a head then,
    // unless the head was moved back.
    let known = blocking(move || journaled(&journal)).await?;
    plan_with(trail, part, known.chains()).await
}

/// As [`plan`], with what was read of the journal before: the chains that it knows, with the
/// checkpoint that each has to fit.
pub(super) async fn plan_with(
    trail: &Trail,
    part: &Part,
    mut known: BTreeMap<WriterId, Option<Checkpoint>>,
) -> Result<Vec<Plan>, TrailError> {
    let store = trail.records.store();
    for head in store.heads().await? {
        known.entry(head.writer).or_default();
    }
    if let Some(writer) = &part.writer {
        let Some(journaled) = known.remove(writer) else {
            return Err(TrailError::UnknownWriter(writer.clone()));
        };
        known = BTreeMap::from([(writer.clone(), journaled)]);
    }
    let mut plans = Vec::new();
    for (writer, journaled) in known {
        let planner = Planner {
            store: Arc::clone(store),
            writer,
            journaled,
        };
        plans.extend(planner.plan(part.extent).await?);
    }
    Ok(plans)
}

struct Planner {
    store: Arc<dyn Store>,
    writer: WriterId,
    journaled: Option<Checkpoint>,
}

impl Planner {
    async fn plan(self, extent: Extent) -> Result<Option<Plan>, TrailError> {
        let (first, last) = match extent {
            Extent::From(first) => (first, None),
            Extent::Sequences(first, last) => (first, Some(last)),
            Extent::Times(from_us, until_us) => {
                let times = Some((from_us, until_us));
                match self.store.span(&self.writer, times).await? {
                    None => return Ok(None),
                    Some((first, last)) => (first, Some(last)),
                }
            }
        };
        let first = first.max(1);
        let start = ChainHead {
            sequence: first - 1,
            hash: self.hash_at(first - 1).await?,
            writer: self.writer.clone(),
        };
        let plan = match last {
            None => self.open(start).await?,
            Some(last) => self.closed(start, last).await?,
        };
        Ok(Some(plan))
    }

    /// To the end of the chain.
    async fn open(self, start: ChainHead) -> Result<Plan, TrailError> {
        let mut plan = self.unended(start, None);
        self.count_checkpoints(&mut plan).await?;
        let beyond = self.store.span(&self.writer, None).await?;
        let head = self.head().await?;
        self.refuse_beyond(&plan.start, head.sequence)?;
        plan.end.sequence = head.sequence;
        plan.end.hash = head.hash;
        plan.reach = beyond.map_or(0, |(_, last)| last).max(head.sequence);
        Ok(plan)
    }

    /// To an entry of the chain.
    async fn closed(self, start: ChainHead, last: u64) -> Result<Plan, TrailError> {
        let head = self.head().await?;
        self.refuse_beyond(&start, head.sequence)?;
        let last = last.min(head.sequence);
        let mut plan = self.unended(start, Some(last));
        plan.end.sequence = last;
        plan.end.hash = self.hash_at(last).await?;
        plan.reach = last;
        self.count_checkpoints(&mut plan).await?;
        Ok(plan)
    }

    fn refuse_beyond(&self, start: &ChainHead, last: u64) -> Result<(), TrailError> {
        if start.sequence > last {
            return Err(TrailError::BeyondEnd {
                writer: self.writer.clone(),
                last,
            });
        }
        Ok(())
    }

    /// A plan whose end is not known yet.
    fn unended(&self, start: ChainHead, last: Option<u64>) -> Plan {
        let is_within = |checkpoint: &&Checkpoint| {
            let sequence = checkpoint.sequence;
            sequence > start.sequence && last.is_none_or(|last| sequence <= last)
        };
        Plan {
            journaled: self.journaled.as_ref().filter(is_within).cloned(),
            end: ChainEnd {
                sequence: start.sequence,
                hash: start.hash,
                checkpoints: 0,
                checkpoints_hash: ChainHash::of_no_checkpoint(&self.writer),
            },
            reach: start.sequence,
            is_open: last.is_none(),
            marks: u64::MAX,
            start,
        }
    }

    async fn count_checkpoints(&self, plan: &mut Plan) -> Result<(), StoreError> {
        let mut marks = 0;
        let mut checkpoints = Checkpoints::new(Arc::clone(&self.store), plan);
        while let Some(mark) = checkpoints.next().await? {
            marks += 1;
            if let Mark::Readable(checkpoint) = mark {
                let text = checkpoint.to_text();
                plan.end.checkpoints += 1;
                plan.end.checkpoints_hash = plan.end.checkpoints_hash.after(&text);
            }
        }
        plan.marks = marks;
        Ok(())
    }

    async fn head(&self) -> Result<ChainHead, StoreError> {
        let mut heads = self.store.heads().await?.into_iter();
        let own = heads.find(|head| head.writer == self.writer);
        Ok(own.unwrap_or_else(|| ChainHead::empty(self.writer.clone())))
    }

    /// The hash stored at a sequence. Where there is none, one that no entry follows or ends with.
    async fn hash_at(&self, sequence: u64) -> Result<ChainHash, StoreError> {
        let genesis = ChainHash::genesis(&self.writer);
        if sequence == 0 {
            return Ok(genesis);
        }
        let row = self.store.chain(&self.writer, sequence, 1).await?;
        let row = row.first().filter(|row| row.position.sequence == sequence);
        Ok(row.map_or(genesis, |row| row.hash))
    }
}

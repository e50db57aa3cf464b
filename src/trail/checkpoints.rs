//! Checkpoints: signed now and then, kept in the database and in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::TrailError;
use super::journal::{CHECKPOINTS_FILE, Journal, JournalError};
use crate::audit::{ChainHead, Checkpoint, Signature, Timestamp, WriterId};
use crate::keys::PublicKey;
use crate::records::Records;
use crate::store::{Position, StoreError, StoredCheckpoint};

/// A checkpoint in the form of the store.
#[must_use]
pub fn stored_checkpoint(checkpoint: &Checkpoint) -> StoredCheckpoint {
    StoredCheckpoint {
        position: Position {
            writer: checkpoint.writer.clone(),
            sequence: checkpoint.sequence,
        },
        hash: checkpoint.hash,
        at_us: checkpoint.time.microseconds(),
        key: checkpoint.key.as_bytes().to_vec(),
        signature: checkpoint.signature.as_bytes().to_vec(),
    }
}

/// A checkpoint as it was signed; none when the row cannot be one. The signature is not checked.
#[must_use]
pub fn checkpoint_of(stored: &StoredCheckpoint) -> Option<Checkpoint> {
    let key = stored.key.as_slice().try_into().ok()?;
    let signature = stored.signature.as_slice().try_into().ok()?;
    Some(Checkpoint {
        hash: stored.hash,
        key: PublicKey::from_bytes(key).ok()?,
        sequence: stored.position.sequence,
        signature: Signature::from_bytes(signature),
        time: Timestamp::from_microseconds(stored.at_us).ok()?,
        writer: stored.position.writer.clone(),
    })
}

/// What the journal says of checkpoints.
#[derive(Debug, Default)]
pub(super) struct Journaled {
    /// The furthest of each writer, with its line.
    pub furthest: BTreeMap<WriterId, (u64, Checkpoint)>,
    /// Whether the file ended within a line.
    pub is_torn: bool,
}

impl Journaled {
    /// The chains with their furthest checkpoints.
    pub fn chains(self) -> BTreeMap<WriterId, Option<Checkpoint>> {
        let chains = self.furthest.into_iter();
        chains
            .map(|(writer, (_, checkpoint))| (writer, Some(checkpoint)))
            .collect()
    }
}

/// Reads the checkpoints of the journal, in memory for one a writer. It blocks on the disk.
pub(super) fn journaled(journal: &Journal) -> Result<Journaled, JournalError> {
    let mut lines = journal.lines(CHECKPOINTS_FILE)?;
    let mut found = Journaled::default();
    while let Some(line) = lines.next() {
        let line = line?;
        let Ok(checkpoint) = Checkpoint::parse(&line.text) else {
            return Err(lines.damaged(line.number));
        };
        let furthest = found.furthest.get(&checkpoint.writer);
        if furthest.is_none_or(|(_, known)| known.sequence <= checkpoint.sequence) {
            let writer = checkpoint.writer.clone();
            found.furthest.insert(writer, (line.number, checkpoint));
        }
    }
    found.is_torn = lines.is_torn();
    Ok(found)
}

/// Does what blocks on the disk on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, JournalError> + Send + 'static,
) -> Result<T, TrailError> {
    Ok(on_thread(work).await??)
}

/// Does what takes long on a thread for that, so that no other call waits for it.
pub(super) async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        if error.is_panic() {
            // A bug of ours: what it was half through must not pass for the whole.
            StoreError::Internal("a task of the trail".to_owned())
        } else {
            // Only when the runtime ends.
            StoreError::Closed
        }
    })
}

/// Signs where this process's chain stands, whenever it grew and a period is over.
#[derive(Debug)]
pub struct Checkpointer {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), TrailError>>,
}

impl Checkpointer {
    /// Starts the task on this runtime. It signs at once, then every `period`.
    #[must_use]
    pub fn start(records: Arc<Records>, journal: Journal, period: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let signer = Signer {
            records,
            journal,
            last: 0,
        };
        let task = tokio::spawn(signer.run(period, stopped));
        Self { stop, task }
    }

    /// Signs a last time, and ends. Called when nothing writes to the chain any more and before
    /// the store is closed.
    ///
    /// # Errors
    /// When the last checkpoint could not be kept; those before are.
    pub async fn stop(self) -> Result<(), TrailError> {
        self.stop.send_replace(true);
        // A panic of the task is a bug of ours; the checkpoints before are kept.
        self.task.await.map_err(|_| StoreError::Closed)?
    }
}

struct Signer {
    records: Arc<Records>,
    journal: Journal,
    /// The last sequence that this process signed, or found signed; 0 at first.
    last: u64,
}

impl Signer {
    async fn run(
        mut self,
        period: Duration,
        mut stopped: watch::Receiver<bool>,
    ) -> Result<(), TrailError> {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // An error means that the owner is gone: stop as well.
                _ = stopped.changed() => return self.sign().await,
            }
            if let Err(error) = self.sign().await {
                tracing::warn!(%error, "no checkpoint of the audit trail; padan tries again");
            }
        }
    }

    async fn sign(&mut self) -> Result<(), TrailError> {
        let heads = self.records.store().heads().await?;
        let is_own = |head: &ChainHead| head.writer == *self.records.writer();
        let grown = heads.into_iter().find(is_own);
        let Some(head) = grown.filter(|head| head.sequence > self.last) else {
            return Ok(());
        };
        // A process that wrote nothing yet may find its chain signed by the one before.
        if self.last == 0 && self.is_signed(&head).await? {
            self.last = head.sequence;
            return Ok(());
        }
        let key = self.records.keys().audit_key();
        let checkpoint = Checkpoint::sign(&head, Timestamp::now(), key);
        let stored = stored_checkpoint(&checkpoint);
        self.records.store().put_checkpoint(stored).await?;
        let journal = self.journal.clone();
        let line = checkpoint.to_text();
        blocking(move || journal.append(CHECKPOINTS_FILE, &line)).await?;
        self.last = head.sequence;
        Ok(())
    }

    /// Whether both the database and the journal have a checkpoint of this head.
    async fn is_signed(&self, head: &ChainHead) -> Result<bool, TrailError> {
        let store = self.records.store();
        let stored = store.checkpoints(&head.writer, head.sequence, 1).await?;
        let is_stored =
            |it: &StoredCheckpoint| it.position.sequence == head.sequence && it.hash == head.hash;
        if !stored.first().is_some_and(is_stored) {
            return Ok(false);
        }
        let journal = self.journal.clone();
        let known = blocking(move || journaled(&journal)).await?.furthest;
        let is_noted =
            |(_, it): &(u64, Checkpoint)| it.sequence == head.sequence && it.hash == head.hash;
        Ok(known.get(&head.writer).is_some_and(is_noted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_on_a_thread_is_an_error() {
        let work = || -> u32 { panic!("a fault of ours") };
        let done = on_thread(work).await;
        assert!(matches!(done, Err(StoreError::Internal(_))), "{done:?}");
        assert_eq!(on_thread(|| 7).await, Ok(7));
    }
}

//! Group commit: one task writes, and each of its transactions takes all changes that wait.
//!
//! A change that finds the task idle is committed at once; those that arrive during the disk's
//! flush share the next one. No timer waits for a group to fill. An answer means durable.

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::chain::Write;
use super::error::StoreError;
use super::partitions::Months;
use super::sql::Pool;
use crate::audit::WriterId;
use crate::subject::SubjectHash;

/// Changes of one transaction at most: it bounds how long its locks are held.
const GROUP_MAX: usize = 64;
/// Tries of a transaction that met another one.
const TRIES_MAX: u32 = 6;

/// Something to be written, whole or not at all.
#[async_trait]
pub(super) trait Change: Send + Sync + 'static {
    /// What the caller learns.
    type Outcome: Send + 'static;

    /// Whose rows it changes: groups are sorted by it, so that two replicas take the locks of two
    /// subjects in the same order.
    fn subject(&self) -> Option<SubjectHash>;

    /// Writes it. Called again, in a new transaction, when the group had to be rolled back.
    async fn apply(&self, write: &mut Write) -> Result<Self::Outcome, StoreError>;
}

/// A change with the caller that waits for its outcome.
struct Waiting<C: Change> {
    change: C,
    outcome: Option<C::Outcome>,
    reply: oneshot::Sender<Result<C::Outcome, StoreError>>,
}

#[async_trait]
trait Job: Send {
    fn subject(&self) -> Option<SubjectHash>;
    async fn apply(&mut self, write: &mut Write) -> Result<(), StoreError>;
    fn answer(self: Box<Self>, result: Result<(), StoreError>);
}

#[async_trait]
impl<C: Change> Job for Waiting<C> {
    fn subject(&self) -> Option<SubjectHash> {
        self.change.subject()
    }

    async fn apply(&mut self, write: &mut Write) -> Result<(), StoreError> {
        self.outcome = Some(self.change.apply(write).await?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { outcome, reply, .. } = *self;
        // The caller may be gone; what is written stays written.
        let _ = reply.send(result.and_then(|()| outcome.ok_or(StoreError::Closed)));
    }
}

enum Message {
    Change(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The way to the writing task.
#[derive(Clone, Debug)]
pub(super) struct Group {
    inbox: mpsc::Sender<Message>,
}

impl Group {
    /// Starts the task.
    ///
    /// # Errors
    ///
    /// When the machine gives no thread.
    pub fn start(
        pool: Pool,
        writer: WriterId,
        months: Months,
        waiting_max: usize,
    ) -> Result<Self, StoreError> {
        let (inbox, waiting) = mpsc::channel(waiting_max);
        let writer = Writer {
            pool,
            name: writer,
            months,
        };
        match &writer.pool {
            // Its calls keep their thread until they end, so it has one of its own.
            Pool::Sqlite(_) => {
                let runtime = Handle::current();
                let run = move || runtime.block_on(writer.run(waiting));
                let thread = std::thread::Builder::new().name("padan-store".to_owned());
                thread.spawn(run).map_err(|error| {
                    StoreError::Unavailable(format!("no thread to write on: {}", error.kind()))
                })?;
            }
            Pool::Postgres(_) => {
                tokio::spawn(writer.run(waiting));
            }
        }
        Ok(Self { inbox })
    }

    /// Writes `change` with all that wait, and answers once it is durable. A caller that stops
    /// waiting does not stop the change.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] at once when too many wait.
    pub async fn submit<C: Change>(&self, change: C) -> Result<C::Outcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Waiting {
            change,
            outcome: None,
            reply,
        });
        self.inbox
            .try_send(Message::Change(job))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })?;
        // The task ended in between; nobody knows whether before the commit or after it.
        answer.await.unwrap_or(Err(StoreError::Unknown))
    }

    /// Writes what waits, then ends the task.
    pub async fn close(&self) {
        let (done, ended) = oneshot::channel();
        if self.inbox.send(Message::Close(done)).await.is_ok() {
            // An error means that it has ended already.
            let _ = ended.await;
        }
    }
}

struct Writer {
    pool: Pool,
    name: WriterId,
    months: Months,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        while let Some(first) = waiting.recv().await {
            let mut group = Vec::new();
            let mut next = Ok(first);
            let mut close = None;
            while let Ok(message) = next {
                match message {
                    Message::Change(job) => group.push(job),
                    Message::Close(done) => close = Some(done),
                }
                if group.len() == GROUP_MAX || close.is_some() {
                    break;
                }
                next = waiting.try_recv();
            }
            // Stable: changes of one subject stay in the order of their arrival.
            group.sort_by_key(|job| job.subject());
            self.write(group).await;
            if let Some(done) = close {
                waiting.close();
                let _ = done.send(());
            }
        }
    }

    /// Writes a group, or each of its changes alone when one of them spoils it.
    async fn write(&mut self, mut group: Vec<Box<dyn Job>>) {
        let result = self.commit(&mut group).await;
        let alone = group.len() > 1 && result.as_ref().is_err_and(StoreError::is_of_one_change);
        for mut job in group {
            let result = if alone {
                self.commit(std::slice::from_mut(&mut job)).await
            } else {
                result.clone()
            };
            job.answer(result);
        }
    }

    /// One transaction, tried again when it met another one.
    async fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let mut tries = 1;
        loop {
            match self.commit_once(group).await {
                Err(StoreError::NoPartition(at_us)) if tries < TRIES_MAX => {
                    self.months.make(&self.pool, at_us).await?;
                }
                Err(StoreError::Conflict) if tries < TRIES_MAX => {
                    // The other one is let through first.
                    tokio::time::sleep(std::time::Duration::from_millis(5) * tries).await;
                }
                result => return result,
            }
            tries += 1;
        }
    }

    async fn commit_once(&self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        if group.is_empty() {
            return Ok(());
        }
        let transaction = self.pool.begin().await?;
        let mut write = Write::begin(transaction, &self.name, self.months.clone()).await?;
        for job in group {
            job.apply(&mut write).await?;
        }
        write.commit().await
    }
}

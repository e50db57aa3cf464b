//! Who runs what on which thread: lanes, one bounded queue with classes, deadlines.
//!
//! A lane is one thread that owns its own worker (with its own sessions) and takes a task from
//! start to end without handing it over: on a CPU, embedding costs the same per face alone and in
//! a batch, so batching would only add waiting. An accelerator is shared by all lanes through a
//! [`Batcher`]. Rules, each with a test:
//!
//! - each accepted job gets exactly one reply, also when its worker panics;
//! - a full queue refuses at once, and jobs of one request are accepted all or none;
//! - a job that is too late, or whose caller hung up, is dropped before it costs inference.

mod batcher;
mod buckets;
mod lane;
mod queue;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use batcher::{BatchCounts, BatchError, BatchWorker, BatchWorkerFactory, Batcher};
pub use buckets::{Buckets, BucketsError};
pub use lane::{Checkpoint, Stopped};
pub use queue::Class;

use lane::{Job, Shared};

/// What a lane owns and runs.
pub trait Worker: 'static {
    /// What goes in.
    type Task: Send + 'static;
    /// What comes out.
    type Output: Send + 'static;

    /// Does one task. Long work asks the checkpoint between its stages whether to go on.
    ///
    /// # Errors
    /// Only what the checkpoint said.
    fn work(
        &mut self,
        task: Self::Task,
        checkpoint: &Checkpoint<'_>,
    ) -> Result<Self::Output, Stopped>;
}

/// Makes a lane's worker, on the lane's own thread: at start, and again after a panic.
pub type WorkerFactory<W> = dyn Fn() -> Result<W, String> + Send + Sync;

/// How much an engine does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineSettings {
    /// Threads that work.
    pub lanes: NonZeroUsize,
    /// Most jobs that wait for a lane.
    pub queue_length_max: NonZeroUsize,
}

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A worker could not be made.
    #[error("{0}")]
    Worker(String),
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A job was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full.
    #[error("the queue is full")]
    Full {
        /// When there is likely room again.
        retry_after: Duration,
    },
    /// The engine is closing, has lost all its lanes, or lacks the device that they need.
    #[error("the engine takes no more work")]
    Closed,
}

/// A job was accepted, but has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// Its deadline passed.
    #[error("the deadline passed")]
    Expired,
    /// Its worker panicked or was lost.
    #[error("the worker failed")]
    Crashed,
}

/// A result, and how long the job waited for a lane.
#[derive(Debug)]
pub struct Completed<T> {
    /// What the worker made.
    pub output: T,
    /// Time in the queue.
    pub queued: Duration,
}

/// The one reply to a job.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Receiver<Result<Completed<T>, JobError>>);

impl<T> Reply<T> {
    /// Waits for the reply. Dropping it instead tells the lane that nobody waits any more.
    ///
    /// # Errors
    /// When the job has no result.
    pub async fn wait(self) -> Result<Completed<T>, JobError> {
        self.0.await.unwrap_or(Err(JobError::Crashed))
    }

    /// Waits on a thread that runs no asynchronous work.
    ///
    /// # Errors
    /// When the job has no result.
    pub fn wait_blocking(self) -> Result<Completed<T>, JobError> {
        self.0.blocking_recv().unwrap_or(Err(JobError::Crashed))
    }
}

/// A running engine. Dropping it refuses new work, finishes what was accepted, and joins.
pub struct Engine<W: Worker> {
    shared: Arc<Shared<W>>,
    threads: Vec<std::thread::JoinHandle<()>>,
    settings: EngineSettings,
    /// Whether what all lanes need is there.
    has_device: Box<dyn Fn() -> bool + Send + Sync>,
}

impl<W: Worker> Engine<W> {
    /// Starts the lanes, and waits until each has made its worker.
    ///
    /// # Errors
    /// When a worker cannot be made or a thread cannot be had.
    pub fn start(
        settings: EngineSettings,
        factory: Box<WorkerFactory<W>>,
    ) -> Result<Self, StartError> {
        let mut engine = Self {
            shared: Arc::new(Shared::new(settings, factory)),
            threads: Vec::new(),
            settings,
            has_device: Box::new(|| true),
        };
        let (ready, made) = std::sync::mpsc::channel();
        for number in 0..settings.lanes.get() {
            let (shared, ready) = (Arc::clone(&engine.shared), ready.clone());
            let thread = std::thread::Builder::new()
                .name(format!("lane-{number}"))
                .spawn(move || lane::run(&shared, ready))?;
            engine.threads.push(thread);
        }
        drop(ready);
        for result in made {
            result.map_err(StartError::Worker)?;
        }
        Ok(engine)
    }

    /// Names what all lanes need. While `has_device` says no, no lane counts as alive, and no work
    /// is accepted.
    #[must_use]
    pub fn needing(mut self, has_device: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.has_device = Box::new(has_device);
        self
    }

    /// Queues the tasks of one request: all of them, or none.
    ///
    /// # Errors
    /// When they do not all fit, or the engine is closing.
    pub fn submit<const N: usize>(
        &self,
        class: Class,
        deadline: Option<Instant>,
        tasks: [W::Task; N],
    ) -> Result<[Reply<W::Output>; N], SubmitError> {
        if !(self.has_device)() {
            return Err(SubmitError::Closed);
        }
        let queued_at = Instant::now();
        let mut jobs = Vec::with_capacity(N);
        let replies = tasks.map(|task| {
            let (reply, receiver) = oneshot::channel();
            jobs.push(Job {
                task,
                reply,
                deadline,
                queued_at,
            });
            Reply(receiver)
        });
        self.shared.accept(class, jobs)?;
        Ok(replies)
    }

    /// When there is likely room for so many jobs, if they would be refused now for want of it.
    #[must_use]
    pub fn no_room(&self, jobs: usize) -> Option<Duration> {
        self.shared.no_room(jobs)
    }

    /// Jobs that wait for a lane now.
    #[must_use]
    pub fn queue_length(&self) -> usize {
        self.shared.queue_length()
    }

    /// Lanes that work; 0 means that nothing will be done any more.
    #[must_use]
    pub fn lanes_alive(&self) -> usize {
        if !(self.has_device)() {
            return 0;
        }
        self.shared.lanes_alive.load(Ordering::Acquire)
    }

    /// Panics of workers so far.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.shared.crashes.load(Ordering::Relaxed)
    }

    /// Ends as a drop does, and says how often its workers panicked.
    #[must_use]
    pub fn end(mut self) -> u64 {
        self.join();
        self.crashes()
    }

    /// What it was started with.
    #[must_use]
    pub fn settings(&self) -> EngineSettings {
        self.settings
    }

    fn join(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            // A lane catches its worker's panics; there is nothing left to report.
            drop(thread.join());
        }
    }
}

impl<W: Worker> Drop for Engine<W> {
    fn drop(&mut self) {
        self.join();
    }
}

#[cfg(test)]
mod tests;

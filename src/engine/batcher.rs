//! One device, many callers: a thread owns the device's worker, callers wait for their own job.
//!
//! While the device runs, jobs gather; when it is free, it takes what waits. No timer ever delays a
//! job. Rules, each with a test:
//!
//! - each job gets exactly one answer, also when the worker fails, panics or cannot be made again;
//! - after a failure everyone who waits is told, and the worker is made anew; until it is there,
//!   new jobs are refused at once;
//! - what waits is bounded.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::StartError;
use super::buckets::{Batch, Buckets, Gathering};

/// What a device thread owns and runs.
pub trait BatchWorker: 'static {
    /// What goes in.
    type Item: Send + 'static;
    /// What comes out.
    type Output: Send + 'static;

    /// Runs `items`, padded to `bucket`; one output for each, in their order. What is wrong with
    /// one item belongs into its output: an error fails the whole batch and costs the worker.
    ///
    /// # Errors
    /// When the device failed.
    fn run(&mut self, items: Vec<Self::Item>, bucket: usize) -> Result<Vec<Self::Output>, String>;
}

/// Makes a device's worker, on the device's own thread: at start, and again after a failure.
pub type BatchWorkerFactory<W> = dyn Fn() -> Result<W, String> + Send + Sync;

/// A job without an output. No variant carries anything of an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The batch failed, or the one before it while this job waited.
    #[error("the device failed: {0}")]
    Failed(String),
    /// The worker is being made again after a failure.
    #[error("the device is being made ready again after a failure")]
    NotReady,
    /// The worker could not be made again.
    #[error("the device is lost: {0}. Restart padan when the device works again")]
    Lost(String),
    /// More jobs wait than were said to come.
    #[error("too many jobs wait for the device")]
    Full,
}

/// What a batcher has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchCounts {
    /// Batches run, by number of jobs in them.
    pub batches: BTreeMap<usize, u64>,
    /// Times the worker failed.
    pub failures: u64,
}

struct Job<W: BatchWorker> {
    item: W::Item,
    reply: SyncSender<Result<W::Output, BatchError>>,
}

impl<W: BatchWorker> Job<W> {
    fn fail(self, error: &BatchError) {
        // The receiver may be gone; then nobody waits.
        drop(self.reply.send(Err(error.clone())));
    }
}

enum Phase {
    Working,
    /// The worker failed and is being made again.
    NotReady,
    Lost(String),
    /// No more jobs; what waits is still run.
    Closing,
}

struct State<W: BatchWorker> {
    gathering: Gathering<Job<W>>,
    phase: Phase,
    counts: BatchCounts,
}

struct Shared<W: BatchWorker> {
    state: Mutex<State<W>>,
    changed: Condvar,
}

/// A running device. Dropping it finishes what waits, and joins the device's thread.
pub struct Batcher<W: BatchWorker> {
    shared: Arc<Shared<W>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl<W: BatchWorker> Batcher<W> {
    /// Starts the device's thread, and waits until it has made its worker. At most `waiting_max`
    /// jobs may wait: as many as there are callers.
    ///
    /// # Errors
    /// When the worker cannot be made or a thread cannot be had.
    pub fn start(
        buckets: Buckets,
        waiting_max: NonZeroUsize,
        factory: Box<BatchWorkerFactory<W>>,
    ) -> Result<Self, StartError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                gathering: Gathering::new(buckets, waiting_max),
                phase: Phase::Working,
                counts: BatchCounts::default(),
            }),
            changed: Condvar::new(),
        });
        let (ready, made) = mpsc::sync_channel(1);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("device".to_owned())
            .spawn(move || run(&for_thread, &factory, &ready))?;
        let batcher = Self {
            shared,
            thread: Some(thread),
        };
        let made = made.recv();
        made.unwrap_or_else(|_| Err("the device's thread ended".to_owned()))
            .map_err(StartError::Worker)?;
        Ok(batcher)
    }

    /// Runs one item in the device's next batch, and waits for its output.
    ///
    /// # Errors
    /// When the device failed or is not there.
    pub fn run(&self, item: W::Item) -> Result<W::Output, BatchError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.shared.accept(Job { item, reply })?;
        let lost = |_| Err(BatchError::Lost("its thread ended".to_owned()));
        answer.recv().unwrap_or_else(lost)
    }

    /// Whether the device takes jobs now: not while its worker is made again, nor once it is lost.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.shared.lock().phase, Phase::Working)
    }

    /// Jobs that wait for the device now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().gathering.len()
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> BatchCounts {
        self.shared.lock().counts.clone()
    }
}

impl<W: BatchWorker> Drop for Batcher<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if !matches!(state.phase, Phase::Lost(_)) {
            state.phase = Phase::Closing;
        }
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // The thread catches its worker's panics; there is nothing left to report.
            drop(thread.join());
        }
    }
}

impl<W: BatchWorker> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // No code that can panic runs under the lock, and the state is valid between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, job: Job<W>) -> Result<(), BatchError> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Working | Phase::Closing => {}
            Phase::NotReady => return Err(BatchError::NotReady),
            Phase::Lost(cause) => return Err(BatchError::Lost(cause.clone())),
        }
        state.gathering.push(job).map_err(|_| BatchError::Full)?;
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// What to run next; waits for it. `None` when closed and nothing is left.
    fn next(&self) -> Option<Batch<Job<W>>> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.gathering.take() {
                *state.counts.batches.entry(batch.jobs.len()).or_default() += 1;
                return Some(batch);
            }
            if matches!(state.phase, Phase::Closing) {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Refuses new jobs from now on, then fails all that wait. In this order nobody slips between.
    fn refuse(&self, phase: Phase, error: &BatchError) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Closing) {
            state.phase = phase;
        }
        let waiting = state.gathering.take_all();
        drop(state);
        for job in waiting {
            job.fail(error);
        }
    }

    fn lose(&self, cause: &str) {
        tracing::error!(cause, "the device is lost");
        self.lock().phase = Phase::Lost(cause.to_owned());
        let lost = BatchError::Lost(cause.to_owned());
        self.refuse(Phase::Lost(cause.to_owned()), &lost);
    }
}

/// The life of the device's thread.
fn run<W: BatchWorker>(
    shared: &Shared<W>,
    factory: &BatchWorkerFactory<W>,
    ready: &SyncSender<Result<(), String>>,
) {
    let mut worker = match make_worker(factory) {
        Ok(worker) => worker,
        Err(cause) => return drop(ready.send(Err(cause))),
    };
    drop(ready.send(Ok(())));
    let _obituary = Obituary(shared);
    while let Some(batch) = shared.next() {
        let Err((cause, unanswered)) = serve(&mut worker, batch) else {
            continue;
        };
        tracing::error!(cause, "the device failed; its worker is made again");
        shared.lock().counts.failures += 1;
        let failed = BatchError::Failed(cause);
        shared.refuse(Phase::NotReady, &failed);
        for reply in unanswered {
            // The receiver may be gone; then nobody waits.
            drop(reply.send(Err(failed.clone())));
        }
        // The old worker may hold the memory that the new one needs.
        drop(catch_unwind(AssertUnwindSafe(|| drop(worker))));
        worker = match make_worker(factory) {
            Ok(fresh) => fresh,
            Err(cause) => return shared.lose(&cause),
        };
        let mut state = shared.lock();
        if matches!(state.phase, Phase::NotReady) {
            state.phase = Phase::Working;
        }
    }
}

fn make_worker<W: BatchWorker>(factory: &BatchWorkerFactory<W>) -> Result<W, String> {
    catch_unwind(AssertUnwindSafe(factory))
        .unwrap_or_else(|_| Err("making the device's worker panicked".to_owned()))
}

/// Should the thread itself ever panic, nobody may wait for it.
struct Obituary<'a, W: BatchWorker>(&'a Shared<W>);

impl<W: BatchWorker> Drop for Obituary<'_, W> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lose("its thread panicked");
        }
    }
}

type Replies<W> = Vec<SyncSender<Result<<W as BatchWorker>::Output, BatchError>>>;

/// Runs a batch and answers each of its jobs. After an error the worker must not be used again,
/// and the jobs are still to be answered.
fn serve<W: BatchWorker>(worker: &mut W, batch: Batch<Job<W>>) -> Result<(), (String, Replies<W>)> {
    let jobs = batch.jobs.into_iter().map(|job| (job.item, job.reply));
    let (items, replies): (Vec<_>, Vec<_>) = jobs.unzip();
    let count = items.len();
    // The worker's state is thrown away after a panic, so nothing broken is seen again.
    let outcome = catch_unwind(AssertUnwindSafe(|| worker.run(items, batch.bucket)))
        .unwrap_or_else(|_| Err("its worker panicked".to_owned()));
    match outcome {
        Ok(outputs) if outputs.len() == count => {
            for (reply, output) in replies.into_iter().zip(outputs) {
                // The receiver may be gone; then nobody waits.
                drop(reply.send(Ok(output)));
            }
            Ok(())
        }
        Ok(outputs) => Err((
            format!("{} outputs for {count} items", outputs.len()),
            replies,
        )),
        Err(cause) => Err((cause, replies)),
    }
}

#[cfg(test)]
mod tests;

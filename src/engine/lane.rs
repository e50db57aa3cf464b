//! One lane: take a job, drop it if nobody wants it any more, work, reply.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::queue::{Class, JobQueue};
use super::{Completed, EngineSettings, JobError, SubmitError, Worker, WorkerFactory};

/// Why work on a task ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The deadline passed.
    #[error("the deadline passed")]
    Expired,
    /// The caller hung up.
    #[error("the caller hung up")]
    Abandoned,
}

/// Whether work on a task is still wanted. Asked before each costly stage.
pub struct Checkpoint<'a> {
    deadline: Option<Instant>,
    is_abandoned: &'a dyn Fn() -> bool,
}

impl<'a> Checkpoint<'a> {
    /// A checkpoint for work that is wanted until `deadline`, unless `is_abandoned`.
    pub fn new(deadline: Option<Instant>, is_abandoned: &'a dyn Fn() -> bool) -> Self {
        Self {
            deadline,
            is_abandoned,
        }
    }

    /// A checkpoint for work that is always wanted.
    #[must_use]
    pub fn always() -> Checkpoint<'static> {
        Checkpoint::new(None, &|| false)
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// When the work is not wanted any more.
    pub fn check(&self) -> Result<(), Stopped> {
        if (self.is_abandoned)() {
            return Err(Stopped::Abandoned);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stopped::Expired),
            _ => Ok(()),
        }
    }
}

/// The sending end of a job's one reply.
pub type ReplySender<T> = oneshot::Sender<Result<Completed<T>, JobError>>;

/// A task with what is known about its caller.
pub struct Job<W: Worker> {
    pub task: W::Task,
    pub reply: ReplySender<W::Output>,
    pub deadline: Option<Instant>,
    pub queued_at: Instant,
}

impl<W: Worker> Job<W> {
    /// Whether its caller hung up or its deadline passed.
    fn is_unwanted(&self) -> bool {
        let is_abandoned = || self.reply.is_closed();
        Checkpoint::new(self.deadline, &is_abandoned)
            .check()
            .is_err()
    }
}

struct Waiting<W: Worker> {
    queue: JobQueue<Job<W>>,
    is_closed: bool,
}

impl<W: Worker> Waiting<W> {
    /// A full queue has no places for jobs that nobody waits for any more.
    fn discard_unwanted(&mut self) {
        for job in self.queue.remove_if(Job::is_unwanted) {
            // The receiver may be gone; then nobody waits.
            drop(job.reply.send(Err(JobError::Expired)));
        }
    }
}

/// What the lanes and the engine share.
pub struct Shared<W: Worker> {
    waiting: Mutex<Waiting<W>>,
    changed: Condvar,
    factory: Box<WorkerFactory<W>>,
    lanes: usize,
    pub lanes_alive: AtomicUsize,
    pub crashes: AtomicU64,
    /// Mean time a job takes on a lane, microseconds, exponentially weighted.
    work_us: AtomicU64,
}

impl<W: Worker> Shared<W> {
    pub fn new(settings: EngineSettings, factory: Box<WorkerFactory<W>>) -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                queue: JobQueue::new(settings.queue_length_max.get()),
                is_closed: false,
            }),
            changed: Condvar::new(),
            factory,
            lanes: settings.lanes.get(),
            lanes_alive: AtomicUsize::new(0),
            crashes: AtomicU64::new(0),
            work_us: AtomicU64::new(20_000),
        }
    }

    /// Queues all jobs or none.
    pub fn accept(&self, class: Class, jobs: Vec<Job<W>>) -> Result<(), SubmitError> {
        let count = jobs.len();
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(SubmitError::Closed);
        }
        if let Err(jobs) = waiting.queue.push(class, jobs) {
            waiting.discard_unwanted();
            if waiting.queue.push(class, jobs).is_err() {
                let retry_after = self.time_to_empty(waiting.queue.len());
                return Err(SubmitError::Full { retry_after });
            }
        }
        drop(waiting);
        for _ in 0..count {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// When there is likely room for so many jobs, if there is none now for those of any class.
    pub fn no_room(&self, jobs: usize) -> Option<Duration> {
        let mut waiting = self.lock();
        if !waiting.queue.has_room(jobs) {
            waiting.discard_unwanted();
        }
        let refused = !waiting.queue.has_room(jobs) && !waiting.is_closed;
        refused.then(|| self.time_to_empty(waiting.queue.len()))
    }

    /// When a queue of this length will be empty, by the pace of the last jobs; 50 ms to 5 s.
    fn time_to_empty(&self, length: usize) -> Duration {
        let work = Duration::from_micros(self.work_us.load(Ordering::Relaxed));
        let jobs = u32::try_from(length.div_ceil(self.lanes)).unwrap_or(u32::MAX);
        work.saturating_mul(jobs)
            .clamp(Duration::from_millis(50), Duration::from_secs(5))
    }

    pub fn queue_length(&self) -> usize {
        self.lock().queue.len()
    }

    /// Takes no more jobs; lanes end when the queue is empty.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// The next job; waits for one. `None` when the engine is closed and nothing is left.
    fn next(&self) -> Option<Job<W>> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.queue.pop() {
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<W>> {
        // No code that can panic runs under the lock, and a queue is valid between any two lines.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_work(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mean = self.work_us.load(Ordering::Relaxed);
        self.work_us
            .store(mean - mean / 16 + took / 16, Ordering::Relaxed);
    }

    /// A lane is lost. With the last one gone, nobody may wait for ever: close, then fail all.
    fn lose_lane(&self) {
        if self.lanes_alive.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        self.close();
        while let Some(job) = self.next() {
            // The receiver may be gone; then nobody waits.
            drop(job.reply.send(Err(JobError::Crashed)));
        }
    }
}

/// The life of a lane, from its thread's start to its end.
pub fn run<W: Worker>(shared: &Shared<W>, ready: Sender<Result<(), String>>) {
    let mut worker = match make_worker(shared) {
        Ok(worker) => worker,
        Err(cause) => return drop(ready.send(Err(cause))),
    };
    shared.lanes_alive.fetch_add(1, Ordering::AcqRel);
    drop(ready.send(Ok(())));
    // The engine's start waits until every lane has dropped its sender.
    drop(ready);
    while let Some(job) = shared.next() {
        if serve(shared, &mut worker, job) {
            continue;
        }
        shared.crashes.fetch_add(1, Ordering::Relaxed);
        match make_worker(shared) {
            Ok(fresh) => worker = fresh,
            Err(cause) => {
                tracing::error!(cause, "a lane could not be replaced after a panic");
                return shared.lose_lane();
            }
        }
    }
    shared.lanes_alive.fetch_sub(1, Ordering::AcqRel);
}

fn make_worker<W: Worker>(shared: &Shared<W>) -> Result<W, String> {
    catch_unwind(AssertUnwindSafe(|| (shared.factory)()))
        .unwrap_or_else(|_| Err("making a lane's worker panicked".to_owned()))
}

/// Serves one job. `false`: the worker panicked and must not be used again.
fn serve<W: Worker>(shared: &Shared<W>, worker: &mut W, job: Job<W>) -> bool {
    let Job {
        task,
        reply,
        deadline,
        queued_at,
    } = job;
    let queued = queued_at.elapsed();
    let started = Instant::now();
    // The worker's state is thrown away after a panic, so nothing broken is seen again.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let is_abandoned = || reply.is_closed();
        let checkpoint = Checkpoint::new(deadline, &is_abandoned);
        checkpoint.check()?;
        worker.work(task, &checkpoint)
    }));
    shared.note_work(started.elapsed());
    let is_sound = outcome.is_ok();
    let result = match outcome {
        Ok(Ok(output)) => Ok(Completed { output, queued }),
        Ok(Err(Stopped::Expired)) => Err(JobError::Expired),
        Ok(Err(Stopped::Abandoned)) => return true,
        Err(_) => Err(JobError::Crashed),
    };
    // The receiver may be gone; then nobody waits.
    drop(reply.send(result));
    is_sound
}

//! Callers: a closed loop (so many at once) and an open one (so many a second, whoever waits).

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::statistics::percentile;

/// One call and how it was answered. Cheap to clone: a connection is shared.
pub trait Call: Clone + Send + 'static {
    /// Sends one request and waits for its answer.
    fn call(&mut self) -> impl Future<Output = Result<(), Status>> + Send;
}

/// What came back, by kind, milliseconds.
#[derive(Debug, Default, Clone)]
pub struct Answers {
    /// Answered with a decision.
    pub answered: Vec<f64>,
    /// Refused for want of capacity.
    pub refused: Vec<f64>,
    /// Anything else; a measure with one is worth nothing.
    pub failed: Vec<String>,
    /// Length of the measure.
    pub seconds: f64,
}

impl Answers {
    /// Decisions a second.
    pub fn throughput(&self) -> f64 {
        self.answered.len() as f64 / self.seconds
    }

    /// A percentile of the time to a decision, milliseconds.
    pub fn latency(&self, share: f64) -> f64 {
        percentile(&self.answered, share)
    }

    /// Panics when a call failed: such a measure is of something else.
    pub fn assert_sound(self) -> Self {
        assert!(self.failed.is_empty(), "calls failed: {:?}", self.failed);
        assert!(!self.answered.is_empty(), "no call was answered");
        self
    }

    fn add(&mut self, since: Instant, answer: Result<(), Status>) {
        let took = since.elapsed().as_secs_f64() * 1000.0;
        match answer {
            Ok(()) => self.answered.push(took),
            Err(status) if status.code() == Code::ResourceExhausted => self.refused.push(took),
            Err(status) => self
                .failed
                .push(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

/// `callers` callers, each with a connection of its own, each asking again once answered.
pub async fn closed<C: Call>(callers: Vec<C>, time: Duration) -> Answers {
    let all = Arc::new(Mutex::new(Answers::default()));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let all = Arc::clone(&all);
        tasks.spawn(async move {
            while started.elapsed() < time {
                let since = Instant::now();
                let answer = caller.call().await;
                all.lock().expect("no caller panics").add(since, answer);
            }
        });
    }
    finish(tasks, &all, started).await
}

/// Two callers that take turns call by call, so that whatever happens to the machine happens to
/// both.
pub async fn in_turns<C: Call>(mut callers: [C; 2], time: Duration) -> [Answers; 2] {
    let mut answers = [Answers::default(), Answers::default()];
    let started = Instant::now();
    while started.elapsed() < time {
        for (caller, answers) in callers.iter_mut().zip(&mut answers) {
            let since = Instant::now();
            answers.add(since, caller.call().await);
        }
    }
    for answers in &mut answers {
        answers.seconds = started.elapsed().as_secs_f64();
    }
    answers
}

/// Calls at random moments, `rate` a second on average (Poisson), for `time`, over `callers` in
/// turn. Time counts from the moment a call was due, so that a late driver hides nothing.
pub async fn open<C: Call>(callers: &[C], rate: f64, time: Duration) -> Answers {
    let all = Arc::new(Mutex::new(Answers::default()));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    let mut random = Random(0x5eed);
    let mut due = Duration::ZERO;
    for caller in callers.iter().cycle() {
        due += Duration::from_secs_f64(-random.share().ln() / rate);
        if due > time {
            break;
        }
        tokio::time::sleep_until((started + due).into()).await;
        let (mut caller, all, since) = (caller.clone(), Arc::clone(&all), started + due);
        tasks.spawn(async move {
            let answer = caller.call().await;
            all.lock().expect("no caller panics").add(since, answer);
        });
    }
    finish(tasks, &all, started).await
}

async fn finish(mut tasks: JoinSet<()>, all: &Mutex<Answers>, started: Instant) -> Answers {
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no caller panics");
    }
    let mut answers = std::mem::take(&mut *all.lock().expect("no caller panics"));
    answers.seconds = started.elapsed().as_secs_f64();
    answers
}

/// Xorshift: the same arrivals in every run.
struct Random(u64);

impl Random {
    /// Above 0, at most 1.
    fn share(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

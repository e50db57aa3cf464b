//! Sending the calls of a run at their moments, and taking their answers.
//!
//! One task sends and records; each call is a task of its own that only waits. So nothing is
//! locked, and one thread is enough for the whole generator.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::call::{self, Answer, Call};
use super::ledger::{self, Ledger, WINDOWS};
use super::outcome::Outcome;
use super::schedule::Schedule;
use super::settings::{Arrivals, LoadError, Settings};
use super::target::Target;
use super::{Progress, Watch};

/// Between two looks at the clock and two reports of progress.
const TICK: Duration = Duration::from_millis(100);

/// How long a caller of a closed loop waits after a call without a decision, when the server does
/// not say how long, and at the most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Runs one load to its end.
///
/// # Errors
/// When the settings make no run, or the server cannot be reached before the start. Calls that fail
/// later are part of the outcome.
pub async fn run(settings: &Settings, watch: &mut Watch<'_>) -> Result<Outcome, LoadError> {
    settings.check()?;
    let target = tokio::select! {
        target = Target::connect(settings) => target?,
        () = watch.stopped() => return Err(LoadError::Stopped),
    };
    let begin = Instant::now();
    let mut drive = Drive {
        settings,
        ledger: Ledger::new(begin + settings.warmup, settings.duration).map_err(machine)?,
        target,
        watch,
        calls: JoinSet::new(),
        begin,
        tick: begin + TICK,
        number: 0,
    };
    let stopped = match settings.arrivals {
        Arrivals::Closed { callers } => drive.closed(callers).await?,
        Arrivals::Open {
            rate,
            seed,
            in_flight_max,
        } => {
            let schedule = Schedule::new(rate, seed);
            drive.open(schedule, in_flight_max).await?
        }
    };
    drive.finish(stopped).await
}

fn machine(error: impl std::fmt::Display) -> LoadError {
    LoadError::Machine(error.to_string())
}

/// Someone outside ended the run before its time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stopped(bool);

struct Drive<'a, 'w> {
    settings: &'a Settings,
    target: Target,
    watch: &'a mut Watch<'w>,
    calls: JoinSet<Call>,
    ledger: Ledger,
    begin: Instant,
    tick: Instant,
    number: usize,
}

impl Drive<'_, '_> {
    async fn closed(&mut self, callers: usize) -> Result<Stopped, LoadError> {
        for _ in 0..callers {
            self.send(Instant::now());
        }
        // Callers that wait after a refusal or a failure.
        let mut paused = BinaryHeap::new();
        loop {
            let next = paused.peek().map_or(self.tick, |Reverse(until)| *until);
            tokio::select! {
                Some(ended) = self.calls.join_next() => {
                    // A call neither panics nor is cancelled; its caller would go on.
                    let pause = ended.ok().map_or(Duration::ZERO, |call| self.take(&call));
                    let now = Instant::now();
                    if !pause.is_zero() {
                        paused.push(Reverse(now + pause));
                    } else if now < self.ledger.end() {
                        self.send(now);
                    }
                }
                () = tokio::time::sleep_until(next.min(self.tick).into()) => {
                    let now = Instant::now();
                    while paused.peek().is_some_and(|Reverse(until)| *until <= now) {
                        paused.pop();
                        if now < self.ledger.end() {
                            self.send(now);
                        }
                    }
                    if self.look(now)?.is_break() {
                        return Ok(Stopped(false));
                    }
                }
                () = self.watch.stopped() => return Ok(Stopped(true)),
            }
        }
    }

    async fn open(
        &mut self,
        schedule: Schedule,
        in_flight_max: usize,
    ) -> Result<Stopped, LoadError> {
        let mut alarm = Alarm::new().map_err(machine)?;
        let begin = self.begin;
        let mut moments = schedule.map_while(|after| begin.checked_add(after));
        let mut next = moments.next();
        loop {
            let due = next.filter(|next| *next < self.ledger.end());
            tokio::select! {
                () = alarm.until(due.unwrap_or(begin)), if due.is_some() => {
                    let now = Instant::now();
                    next = self.arrive(next, &mut moments, now, in_flight_max);
                }
                Some(ended) = self.calls.join_next() => {
                    if let Ok(call) = ended {
                        self.take(&call);
                    }
                }
                () = tokio::time::sleep_until(self.tick.into()) => {
                    let now = Instant::now();
                    // What is due before the end is sent, also when this task was late.
                    next = self.arrive(next, &mut moments, now, in_flight_max);
                    if self.look(now)?.is_break() {
                        return Ok(Stopped(false));
                    }
                }
                () = self.watch.stopped() => return Ok(Stopped(true)),
            }
        }
    }

    /// Sends all calls that are due at `now`; returns the next moment.
    fn arrive(
        &mut self,
        mut next: Option<Instant>,
        moments: &mut impl Iterator<Item = Instant>,
        now: Instant,
        in_flight_max: usize,
    ) -> Option<Instant> {
        let end = self.ledger.end();
        while let Some(scheduled) = next.filter(|next| *next <= now && *next < end) {
            if self.calls.len() < in_flight_max {
                self.send(scheduled);
            } else {
                self.ledger.unsent(scheduled);
            }
            next = moments.next();
        }
        next
    }

    fn send(&mut self, scheduled: Instant) {
        self.ledger.start(scheduled);
        let number = self.number;
        self.number = number.wrapping_add(1);
        let message = self.settings.workload.message(number);
        if let Some(channel) = self.target.channel(number) {
            let deadline = self.settings.deadline;
            self.calls
                .spawn(call::call(channel, message, deadline, scheduled));
        }
    }

    /// Records a call; returns how long its caller waits before the next.
    fn take(&mut self, call: &Call) -> Duration {
        self.ledger.record(call);
        match call.answer {
            Answer::Ok(_) => Duration::ZERO,
            Answer::Refused { retry_after } => {
                retry_after.map_or(PAUSE, |after| after.clamp(TICK / 10, PAUSE_MAX))
            }
            Answer::Failed { .. } => PAUSE,
        }
    }

    /// Tells progress; breaks when the run is over.
    fn look(&mut self, now: Instant) -> Result<ControlFlow<()>, LoadError> {
        self.watch.tell(&Progress {
            elapsed: now - self.begin,
            expected: self.ledger.end() - self.begin,
            counts: self.ledger.counts(),
            in_flight: self.calls.len(),
        });
        if now >= self.ledger.end() {
            if !self.goes_on(now) {
                return Ok(ControlFlow::Break(()));
            }
            self.ledger.extend().map_err(machine)?;
        }
        self.tick = (now + TICK).min(self.ledger.end());
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the run is not stable yet and may take a window more.
    fn goes_on(&self, now: Instant) -> bool {
        let Some(longest) = self.settings.duration_max else {
            return false;
        };
        let measured = self.ledger.end() - (self.begin + self.settings.warmup);
        let windows = self.ledger.figures(now);
        let is_stable =
            ledger::is_stable(&windows, self.settings.tolerance, &self.settings.arrivals);
        !is_stable && measured + self.settings.duration / WINDOWS <= longest
    }

    /// Waits for the calls in flight, each of which has a deadline, unless the run was stopped.
    async fn finish(mut self, stopped: Stopped) -> Result<Outcome, LoadError> {
        let ended = Instant::now();
        let mut is_cut = stopped.0;
        while !is_cut {
            tokio::select! {
                ended = self.calls.join_next() => match ended {
                    Some(Ok(call)) => drop(self.take(&call)),
                    Some(Err(_)) => {}
                    None => break,
                },
                () = self.watch.stopped() => is_cut = true,
            }
        }
        let totals = self.ledger.close(ended).map_err(machine)?;
        Ok(Outcome::new(
            self.settings,
            self.target.info,
            totals,
            is_cut,
        ))
    }
}

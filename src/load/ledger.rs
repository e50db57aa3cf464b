//! A run's time, cut into windows of one length, and what happened in each.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::CreationError;

use super::call::{Answer, Call};
use super::record::{Counts, Recorder};
use super::settings::Arrivals;

/// Windows that are compared, and reported.
pub const WINDOWS: u32 = 3;

/// A call belongs to the window it was to be sent in; throughput to the window its answer came in.
struct Window {
    started: u64,
    completed: u64,
    recorder: Recorder,
}

/// The windows that are reported, and counts of those before them.
pub struct Ledger {
    start: Instant,
    length: Duration,
    windows: VecDeque<Window>,
    /// Windows that were left behind, since the run was not stable yet.
    earlier: usize,
    earlier_counts: Counts,
}

/// Figures of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowFigures {
    /// Calls that were due in it.
    pub arrived: u64,
    /// Decisions that came in it.
    pub completed: u64,
    /// Decisions a second.
    pub throughput_per_s: f64,
}

/// What a ledger comes to.
pub struct Totals {
    /// All reported windows.
    pub recorder: Recorder,
    /// Time of the reported windows, as far as the run went.
    pub measured: Duration,
    /// Decisions that came in that time.
    pub completed: u64,
    /// Calls due in that time.
    pub arrived: u64,
    /// Complete windows.
    pub windows: Vec<WindowFigures>,
    /// Windows left behind.
    pub earlier: usize,
    /// Calls of the windows left behind.
    pub earlier_counts: Counts,
}

enum Place {
    Outside,
    Earlier,
    Window(usize),
}

impl Ledger {
    /// Measures from `start` on, `duration` in [`WINDOWS`] windows.
    pub fn new(start: Instant, duration: Duration) -> Result<Self, CreationError> {
        let mut windows = VecDeque::new();
        for _ in 0..WINDOWS {
            windows.push_back(Window::new()?);
        }
        Ok(Self {
            start,
            length: duration / WINDOWS,
            windows,
            earlier: 0,
            earlier_counts: Counts::default(),
        })
    }

    /// When the last window ends.
    pub fn end(&self) -> Instant {
        let windows = u32::try_from(self.earlier + self.windows.len()).unwrap_or(u32::MAX);
        self.start + self.length * windows
    }

    /// One window more at the end; the first is left behind.
    pub fn extend(&mut self) -> Result<(), CreationError> {
        self.windows.push_back(Window::new()?);
        if let Some(first) = self.windows.pop_front() {
            self.earlier += 1;
            self.earlier_counts.add(first.recorder.counts());
        }
        Ok(())
    }

    /// A call is due.
    pub fn start(&mut self, scheduled: Instant) {
        if let Some(window) = self.window(scheduled) {
            window.started += 1;
        }
    }

    /// A call that is due cannot be sent.
    pub fn unsent(&mut self, scheduled: Instant) {
        if let Some(window) = self.window(scheduled) {
            window.started += 1;
            let text = "as many calls as --concurrency allows were in flight";
            window.recorder.fail(UNSENT, text, 1);
        }
    }

    /// A call has ended.
    pub fn record(&mut self, call: &Call) {
        if let (Answer::Ok(_), Some(window)) = (&call.answer, self.window(call.done)) {
            window.completed += 1;
        }
        match self.place(call.scheduled) {
            Place::Outside => {}
            Place::Earlier => self.earlier_counts.add(match &call.answer {
                Answer::Ok(_) => Counts {
                    ok: 1,
                    ..Counts::default()
                },
                Answer::Refused { .. } => Counts {
                    refused: 1,
                    ..Counts::default()
                },
                Answer::Failed { .. } => Counts {
                    failed: 1,
                    ..Counts::default()
                },
            }),
            Place::Window(index) => {
                if let Some(window) = self.windows.get_mut(index) {
                    window.recorder.record(call);
                }
            }
        }
    }

    /// Ended calls of the reported windows.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for window in &self.windows {
            counts.add(window.recorder.counts());
        }
        counts
    }

    /// Figures of the windows that are over at `now`.
    pub fn figures(&self, now: Instant) -> Vec<WindowFigures> {
        let since = now.saturating_duration_since(self.start);
        let over = since.as_nanos().checked_div(self.length.as_nanos());
        let over = over.map_or(usize::MAX, |over| {
            usize::try_from(over).unwrap_or(usize::MAX)
        });
        let windows = self.windows.iter().take(over.saturating_sub(self.earlier));
        windows
            .map(|window| WindowFigures {
                arrived: window.started,
                completed: window.completed,
                throughput_per_s: per_second(window.completed, self.length),
            })
            .collect()
    }

    /// Sums everything; the run ended at `ended`, or at its regular end if that was before.
    pub fn close(self, ended: Instant) -> Result<Totals, CreationError> {
        let windows = self.figures(ended);
        let mut recorder = Recorder::new()?;
        let mut completed = 0;
        let mut arrived = 0;
        for window in &self.windows {
            recorder.merge(&window.recorder);
            completed += window.completed;
            arrived += window.started;
        }
        let earlier = u32::try_from(self.earlier).unwrap_or(u32::MAX);
        let from = self.start + self.length * earlier;
        Ok(Totals {
            recorder,
            measured: ended.min(self.end()).saturating_duration_since(from),
            completed,
            arrived,
            windows,
            earlier: self.earlier,
            earlier_counts: self.earlier_counts,
        })
    }

    fn place(&self, at: Instant) -> Place {
        let Some(since) = at.checked_duration_since(self.start) else {
            return Place::Outside;
        };
        let index = since.as_nanos().checked_div(self.length.as_nanos());
        let index = index.and_then(|index| usize::try_from(index).ok());
        match index.map(|index| index.checked_sub(self.earlier)) {
            Some(Some(index)) if index < self.windows.len() => Place::Window(index),
            Some(None) => Place::Earlier,
            _ => Place::Outside,
        }
    }

    fn window(&mut self, at: Instant) -> Option<&mut Window> {
        match self.place(at) {
            Place::Window(index) => self.windows.get_mut(index),
            Place::Outside | Place::Earlier => None,
        }
    }
}

/// The code that calls get which were due but could not be sent.
pub const UNSENT: &str = "UNSENT";

impl Window {
    fn new() -> Result<Self, CreationError> {
        Ok(Self {
            started: 0,
            completed: 0,
            recorder: Recorder::new()?,
        })
    }
}

/// A rate; 0 when there was no time.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() {
        0.0
    } else {
        count as f64 / time.as_secs_f64()
    }
}

/// Whether all windows are there and agree: their throughput lies within `tolerance` of the mean
/// (0.05: from 5 % below to 5 % above).
///
/// In an open loop the share of the arrived calls that was decided may agree instead: Poisson
/// arrivals differ from window to window, and a server that keeps up completes as many as came.
#[must_use]
pub fn is_stable(windows: &[WindowFigures], tolerance: f64, arrivals: &Arrivals) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let share = |window: &WindowFigures| match window.arrived {
        0 => 0.0,
        arrived => window.completed as f64 / arrived as f64,
    };
    let agree = |of: &dyn Fn(&WindowFigures) -> f64| {
        let mean = windows.iter().map(of).sum::<f64>() / f64::from(WINDOWS);
        mean > 0.0
            && windows
                .iter()
                .all(|w| (of(w) - mean).abs() <= tolerance * mean)
    };
    let is_open = matches!(arrivals, Arrivals::Open { .. });
    windows.len() == WINDOWS as usize
        && (agree(&|window| window.throughput_per_s) || (is_open && agree(&share)))
}

#[cfg(test)]
mod tests;

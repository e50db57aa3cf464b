//! Load on a server: calls `Verify` as many callers would, and measures what comes back.
//!
//! - **Closed loop**: a fixed number of callers, each with one call in flight always. Shows what
//!   the server can do; hides queueing, since nobody calls while all wait. A caller that was
//!   refused waits for as long as the server asks (100 ms when it does not say, 1 s at the most),
//!   one whose call failed 100 ms: otherwise a server that refuses would be drowned in calls.
//! - **Open loop**: Poisson arrivals at a rate, as independent people make them. Calls are sent at
//!   their moment whatever the replies, and latency counts from that moment, also when this
//!   generator was late: no coordinated omission. Calls in flight are bounded; a call that is due
//!   beyond the bound is a failure with the code `UNSENT`.
//!
//! A run is cut into three windows; it is *stable* when their throughput agrees, or, in an open
//! loop, the share of the arrived calls that was decided.
//!
//! [`run`] measures one [`Settings`], [`sweep`] several rates, [`find_rate`] the highest rate whose
//! 99th percentile stays under a limit. No image, similarity or identity is kept.

mod alarm;
mod call;
mod drive;
mod find;
mod ledger;
mod message;
mod outcome;
mod record;
mod schedule;
mod settings;
mod target;

pub use drive::run;
pub use find::{Found, P99Limit, RateFinder, Series, find_rate, sweep};
pub use ledger::{WINDOWS, WindowFigures, is_stable};
pub use message::Workload;
pub use outcome::{Outcome, ServerInfo};
pub use record::{Counts, Failures, PARTS, Spread};
pub use schedule::Schedule;
pub use settings::{Arrivals, LoadError, RATES, Settings};

use std::time::Duration;

use tokio::sync::watch;

/// Where a run stands, some ten times a second.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the start of the warm-up.
    pub elapsed: Duration,
    /// How long the run takes as a whole; grows while it is extended.
    pub expected: Duration,
    /// Ended calls of the reported windows.
    pub counts: Counts,
    /// Calls on their way.
    pub in_flight: usize,
}

/// What a run tells while it runs, and asks: whether to stop.
pub struct Watch<'a> {
    on_progress: &'a (dyn Fn(&Progress) + Sync),
    stop: Option<watch::Receiver<bool>>,
}

impl Watch<'static> {
    /// Tells nobody, and runs to its end.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            on_progress: &|_| {},
            stop: None,
        }
    }
}

impl<'a> Watch<'a> {
    /// Calls `on_progress`, and ends early once `stop` holds `true`.
    #[must_use]
    pub fn new(on_progress: &'a (dyn Fn(&Progress) + Sync), stop: watch::Receiver<bool>) -> Self {
        Self {
            on_progress,
            stop: Some(stop),
        }
    }

    fn tell(&self, progress: &Progress) {
        (self.on_progress)(progress);
    }

    /// Whether to stop.
    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| *stop.borrow())
    }

    /// Done once it is time to stop. Nobody left who could say so: never.
    async fn stopped(&mut self) {
        let said = match &mut self.stop {
            Some(stop) => stop.wait_for(|stop| *stop).await.is_ok(),
            None => false,
        };
        if !said {
            std::future::pending::<()>().await;
        }
    }
}

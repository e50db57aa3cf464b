//! Several rates, one after the other: given ones, or those that lead to the highest that holds.

use std::time::Duration;

use super::outcome::Outcome;
use super::settings::{Arrivals, LoadError, Settings};
use super::{Watch, drive};

/// What a rate must keep to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct P99Limit {
    /// 99 % of the calls take no longer.
    pub p99: Duration,
    /// Share of the calls that may be refused or fail, 0 to 1.
    pub lost_max: f64,
}

impl P99Limit {
    /// Whether a run kept it. Nothing answered: no.
    #[must_use]
    pub fn holds(&self, outcome: &Outcome) -> bool {
        let counts = outcome.counts;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let lost = (counts.refused + counts.failed) as f64 / counts.all().max(1) as f64;
        let p99_ms_max = self.p99.as_secs_f64() * 1e3;
        let is_fast = outcome
            .latency
            .is_some_and(|latency| latency.p99 <= p99_ms_max);
        is_fast && lost <= self.lost_max
    }
}

/// Finds the highest rate that holds: doubles until one does not (or halves until one does), then
/// halves the gap.
#[derive(Debug, Clone)]
pub struct RateFinder {
    next: f64,
    holds: Option<f64>,
    fails: Option<f64>,
    precision: f64,
}

impl RateFinder {
    /// No rate below is tried: at 0.1 calls a second, 10 s bring one call.
    pub const LOWEST: f64 = 0.1;
    /// No rate above is tried.
    pub const HIGHEST: f64 = 50_000.0;

    /// Begins at `first` calls a second; ends when the gap is at most `precision` (0.05: 5 %) of
    /// the rate that holds.
    #[must_use]
    pub fn new(first: f64, precision: f64) -> Self {
        Self {
            next: first.clamp(Self::LOWEST, Self::HIGHEST),
            holds: None,
            fails: None,
            precision: precision.max(0.001),
        }
    }

    /// The next rate to try; `None` when done.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        let is_done = match (self.holds, self.fails) {
            (Some(holds), Some(fails)) => fails - holds <= self.precision * holds,
            (Some(holds), None) => holds >= Self::HIGHEST,
            (None, Some(fails)) => fails <= Self::LOWEST,
            (None, None) => false,
        };
        (!is_done).then_some(self.next)
    }

    /// What came of the rate that [`Self::next`] gave.
    pub fn tell(&mut self, holds: bool) {
        if holds {
            self.holds = Some(self.next);
        } else {
            self.fails = Some(self.next);
        }
        let next = match (self.holds, self.fails) {
            (Some(holds), Some(fails)) => f64::midpoint(holds, fails),
            (Some(holds), None) => 2.0 * holds,
            (None, Some(fails)) => fails / 2.0,
            (None, None) => self.next,
        };
        self.next = next.clamp(Self::LOWEST, Self::HIGHEST);
    }

    /// The highest rate that held so far.
    #[must_use]
    pub fn highest(&self) -> Option<f64> {
        self.holds
    }
}

/// Runs one after the other.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// In the order they were made.
    pub runs: Vec<Outcome>,
    /// Why there are no more, when one could not be made after others were.
    pub problem: Option<String>,
}

impl Series {
    /// Makes one run more. `None`: it could not be made, and what was measured before stays.
    async fn add(
        &mut self,
        settings: &Settings,
        watch: &mut Watch<'_>,
    ) -> Result<Option<&Outcome>, LoadError> {
        match drive::run(settings, watch).await {
            Ok(outcome) => {
                self.runs.push(outcome);
                Ok(self.runs.last())
            }
            Err(error) if self.runs.is_empty() => Err(error),
            Err(error) => {
                self.problem = Some(error.to_string());
                Ok(None)
            }
        }
    }
}

/// What came of [`find_rate`].
#[derive(Debug, Clone)]
pub struct Found {
    /// The highest rate that held, calls a second.
    pub highest: Option<f64>,
    /// All runs.
    pub series: Series,
}

/// An open loop at each of `rates`; ends early when it is told to.
///
/// # Errors
/// As [`super::run`] for the first run, and when the settings are of a closed loop.
pub async fn sweep(
    settings: &Settings,
    rates: &[f64],
    watch: &mut Watch<'_>,
) -> Result<Series, LoadError> {
    let mut series = Series::default();
    for rate in rates {
        if watch.is_stopped() {
            break;
        }
        let settings = at_rate(settings, *rate)?;
        if series.add(&settings, watch).await?.is_none() {
            break;
        }
    }
    Ok(series)
}

/// Finds the highest rate of an open loop that keeps `limit`, beginning at the rate of `settings`.
///
/// # Errors
/// As [`super::run`] for the first run, and when the settings are of a closed loop.
pub async fn find_rate(
    settings: &Settings,
    limit: P99Limit,
    watch: &mut Watch<'_>,
) -> Result<Found, LoadError> {
    let first = match settings.arrivals {
        Arrivals::Open { rate, .. } => rate,
        Arrivals::Closed { .. } => RateFinder::LOWEST,
    };
    let mut finder = RateFinder::new(first, settings.tolerance);
    let mut series = Series::default();
    while let Some(rate) = finder.next()
        && !watch.is_stopped()
    {
        let settings = at_rate(settings, rate)?;
        match series.add(&settings, watch).await? {
            // A run that was cut short says nothing about its rate.
            Some(outcome) if !outcome.ended_early => finder.tell(limit.holds(outcome)),
            Some(_) => {}
            None => break,
        }
    }
    Ok(Found {
        highest: finder.highest(),
        series,
    })
}

fn at_rate(settings: &Settings, rate: f64) -> Result<Settings, LoadError> {
    let mut settings = settings.clone();
    match &mut settings.arrivals {
        Arrivals::Open { rate: given, .. } => *given = rate,
        Arrivals::Closed { .. } => {
            let mistake = "rates are of an open loop: take --mode open";
            return Err(LoadError::Settings(vec![mistake.to_owned()]));
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs against a server that holds up to `capacity`; returns the answer and the steps.
    fn find(first: f64, capacity: f64) -> (Option<f64>, usize) {
        let mut finder = RateFinder::new(first, 0.05);
        let mut steps = 0;
        while let Some(rate) = finder.next() {
            finder.tell(rate <= capacity);
            steps += 1;
            assert!(steps < 100, "it does not end");
        }
        (finder.highest(), steps)
    }

    proptest! {
        #[test]
        fn the_highest_rate_is_found_from_any_start(
            first in 0.01..10_000.0_f64,
            capacity in 0.1..40_000.0_f64,
        ) {
            let (highest, steps) = find(first, capacity);
            let highest = highest.expect("the lowest rate holds");
            prop_assert!(highest <= capacity && capacity <= highest * 1.05 + 1e-9);
            prop_assert!(steps <= 30, "{} steps", steps);
        }
    }

    #[test]
    fn a_server_that_holds_no_rate_has_no_highest_and_one_that_holds_all_has_the_last_tried() {
        assert_eq!(find(5.0, 0.0).0, None);
        assert_eq!(find(5.0, f64::INFINITY).0, Some(RateFinder::HIGHEST));
    }
}

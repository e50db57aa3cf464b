//! How often somebody may call: a bucket for each key, refilled evenly.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

/// Whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The name in a client certificate.
    Caller,
    /// A capturing device.
    Device,
    /// A person at a counter.
    Operator,
    /// Somebody who is verified: the key is the text of the subject's hash, never a NIK.
    Subject,
}

/// Calls a minute. A whole minute's calls may come at once; they come back evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Of one caller.
    pub caller: NonZeroU32,
    /// On one device.
    pub device: NonZeroU32,
    /// By one operator.
    pub operator: NonZeroU32,
    /// About one subject.
    pub subject: NonZeroU32,
}

impl Default for RateLimits {
    /// A caller: 200 a second, more than the whole country at its worst. A device and an operator:
    /// several times what hands can do. A subject: above the day's attempts with some retries.
    fn default() -> Self {
        const fn a_minute(calls: u32) -> NonZeroU32 {
            match NonZeroU32::new(calls) {
                Some(calls) => calls,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            caller: a_minute(12_000),
            device: a_minute(60),
            operator: a_minute(120),
            subject: a_minute(20),
        }
    }
}

/// Tells the time since some moment of the past; never goes back.
pub type Now = Arc<dyn Fn() -> Duration + Send + Sync>;

#[derive(Clone)]
struct LimiterClock(Now);

impl Clock for LimiterClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        (self.0)().into()
    }
}

/// Keys above which those are forgotten that have all their calls back.
const KEYS_BEFORE_SWEEP: usize = 1024;

struct Buckets {
    limiter: RateLimiter<String, HashMapStateStore<String>, LimiterClock, NoOpMiddleware<Nanos>>,
    /// The number of keys from which it is worth looking for some to forget.
    sweep_at: AtomicUsize,
}

impl Buckets {
    fn new(calls: NonZeroU32, clock: LimiterClock) -> Self {
        Self {
            limiter: RateLimiter::hashmap_with_clock(Quota::per_minute(calls), clock),
            sweep_at: AtomicUsize::new(KEYS_BEFORE_SWEEP),
        }
    }

    fn check(&self, key: &str, clock: &LimiterClock) -> Result<(), Duration> {
        self.sweep();
        let taken = self.limiter.check_key(&key.to_owned());
        taken.map_err(|full| full.wait_time_from(clock.now()))
    }

    /// Forgets keys that would be treated like new ones. Each sweep is paid for by as many new
    /// keys as it leaves.
    fn sweep(&self) {
        if self.limiter.len() < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let sweep_at = self.limiter.len().saturating_mul(2).max(KEYS_BEFORE_SWEEP);
        self.sweep_at.store(sweep_at, Ordering::Relaxed);
    }
}

/// Counts the calls of everybody. Its memory is bounded by the calls of a minute.
pub struct Limiter {
    clock: LimiterClock,
    callers: Buckets,
    devices: Buckets,
    operators: Buckets,
    subjects: Buckets,
}

impl Limiter {
    /// Holds these limits.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        let start = Instant::now();
        Self::with_clock(limits, Arc::new(move || start.elapsed()))
    }

    /// Holds these limits by another clock.
    #[must_use]
    pub fn with_clock(limits: RateLimits, now: Now) -> Self {
        let clock = LimiterClock(now);
        let buckets = |calls| Buckets::new(calls, clock.clone());
        Self {
            callers: buckets(limits.caller),
            devices: buckets(limits.device),
            operators: buckets(limits.operator),
            subjects: buckets(limits.subject),
            clock,
        }
    }

    /// Counts a call of the one of this kind that is called `key`.
    ///
    /// # Errors
    /// When it has called too often: the time until it may call again. The call is not counted.
    pub fn check(&self, kind: Kind, key: &str) -> Result<(), Duration> {
        self.buckets(kind).check(key, &self.clock)
    }

    const fn buckets(&self, kind: Kind) -> &Buckets {
        match kind {
            Kind::Caller => &self.callers,
            Kind::Device => &self.devices,
            Kind::Operator => &self.operators,
            Kind::Subject => &self.subjects,
        }
    }
}

impl std::fmt::Debug for Limiter {
    /// No key: they name people.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Limiter(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn limiter() -> (Limiter, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let theirs = clock.clone();
        let now: Now = Arc::new(move || theirs.now().into());
        (Limiter::with_clock(RateLimits::default(), now), clock)
    }

    #[test]
    fn a_minutes_calls_may_come_at_once_and_come_back_evenly() {
        for (kind, calls) in [
            (Kind::Caller, 12_000),
            (Kind::Device, 60),
            (Kind::Operator, 120),
            (Kind::Subject, 20),
        ] {
            let (limiter, clock) = limiter();
            for _ in 0..calls {
                assert_eq!(limiter.check(kind, "one"), Ok(()), "{kind:?}");
            }
            let one = Duration::from_mins(1) / calls;
            let wait = limiter.check(kind, "one").expect_err("too often");
            assert_eq!(wait, one, "{kind:?}");
            let nearly = one.saturating_sub(Duration::from_nanos(1));
            clock.advance(nearly);
            let wait = limiter.check(kind, "one").expect_err("a moment too early");
            assert_eq!(
                wait,
                Duration::from_nanos(1),
                "a refused call costs nothing"
            );
            clock.advance(wait);
            assert_eq!(limiter.check(kind, "one"), Ok(()));
            assert!(limiter.check(kind, "one").is_err(), "one came back");
        }
    }

    #[test]
    fn nobody_pays_for_another() {
        let (limiter, _) = limiter();
        while limiter.check(Kind::Subject, "one").is_ok() {}
        assert_eq!(limiter.check(Kind::Subject, "another"), Ok(()));
        for kind in [Kind::Caller, Kind::Device, Kind::Operator] {
            assert_eq!(
                limiter.check(kind, "one"),
                Ok(()),
                "{kind:?} of the same name"
            );
        }
    }

    #[test]
    fn keys_that_have_their_calls_back_are_forgotten_and_others_are_not() {
        let (limiter, clock) = limiter();
        while limiter.check(Kind::Subject, "busy").is_ok() {}
        for round in 0..50 {
            for number in 0..KEYS_BEFORE_SWEEP {
                let key = format!("{round} {number}");
                assert_eq!(limiter.check(Kind::Subject, &key), Ok(()));
            }
            // One call comes back after three seconds: a key of the last round is like a new one
            // then, and the busy one still has nineteen of its twenty to wait for.
            clock.advance(Duration::from_secs(3));
            assert_eq!(limiter.check(Kind::Subject, "busy"), Ok(()));
            assert!(
                limiter.check(Kind::Subject, "busy").is_err(),
                "not forgotten"
            );
            let keys = limiter.subjects.limiter.len();
            assert!(
                keys <= 5 * KEYS_BEFORE_SWEEP,
                "{keys} keys in round {round}"
            );
        }
    }
}

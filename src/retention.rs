//! What is kept only for a time goes when it is over: request ids with their sealed replies, uses
//! of tokens, cases for review, counters. What was done and decided stays, in the trail.

use std::future::Future;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::audit::Event;
use crate::records::Records;
use crate::store::{Expired, Retention, StoreError};

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    /// Request ids with their replies.
    pub requests: Duration,
    /// Cases for review, open or decided.
    pub reviews: Duration,
    /// Counters of sessions, from their last attempt on.
    pub sessions: Duration,
    /// Counters of subjects: days of the office's calendar, with today.
    pub attempt_days: u32,
    /// By how much that calendar's day is ahead of UTC.
    pub day_offset: Duration,
}

/// Uses of tokens are remembered for this long after they expired: clocks of replicas differ.
const TOKENS: Duration = Duration::hours(1);

impl Default for Periods {
    fn default() -> Self {
        Self {
            requests: Duration::days(7),
            reviews: Duration::days(7),
            sessions: Duration::days(2),
            attempt_days: 2,
            day_offset: Duration::hours(7),
        }
    }
}

impl Periods {
    /// What goes at `now`.
    fn before(&self, now: OffsetDateTime) -> Retention {
        let us = |ago: Duration| {
            let nanoseconds = now.unix_timestamp_nanos() - ago.whole_nanoseconds();
            i64::try_from(nanoseconds / 1000).unwrap_or_default()
        };
        let local = now.unix_timestamp() + self.day_offset.whole_seconds();
        let today = local.div_euclid(Duration::DAY.whole_seconds());
        Retention {
            requests_before_us: us(self.requests),
            tokens_before_us: us(TOKENS),
            reviews_before_us: us(self.reviews),
            sessions_before_us: us(self.sessions),
            days_before: today + 1 - i64::from(self.attempt_days),
        }
    }
}

/// Deletes what is due at `now`, and leaves one entry in the trail when that was anything.
///
/// # Errors
/// When the database fails; what was deleted until then stays deleted, without an entry.
pub async fn sweep(
    records: &Records,
    periods: &Periods,
    now: OffsetDateTime,
) -> Result<Expired, StoreError> {
    let expired = records.store().expire(periods.before(now)).await?;
    if expired == Expired::default() {
        return Ok(expired);
    }
    let mut entry = records.own_entry(Event::RetentionEnded);
    let counts = [
        ("requests", expired.requests),
        ("tokens", expired.tokens),
        ("reviews", expired.reviews),
        ("attempts", expired.attempts),
    ];
    for (name, count) in counts {
        entry.detail(name, &count.to_string());
    }
    records.store().append(entry).await?;
    Ok(expired)
}

/// Sweeps at once and then every `interval`, until `stop` is done. That also ends a sweep that is
/// under way: each of its steps is a transaction of its own, so that it can be left between two of
/// them; what it deleted until then has no entry. A failure is logged, and the next sweep takes
/// what this one left.
pub async fn run(
    records: Arc<Records>,
    periods: Periods,
    interval: std::time::Duration,
    stop: impl Future<Output = ()>,
) {
    tokio::pin!(stop);
    loop {
        let swept = tokio::select! {
            // The sweep first: where both are ready, its entry is on its way before this ends.
            biased;
            swept = sweep(&records, &periods, OffsetDateTime::now_utc()) => swept,
            () = &mut stop => return,
        };
        match swept {
            Ok(expired) => tracing::debug!(?expired, "retention"),
            Err(error) => tracing::error!(%error, "what is over could not be deleted"),
        }
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_as_old_as_the_periods_say() {
        // 1 o'clock on the 22nd in Jakarta is still the 21st in UTC.
        let now = OffsetDateTime::from_unix_timestamp(1_795_284_000).expect("a time");
        let before = Periods::default().before(now);
        let day = 86_400_000_000;
        let now_us = 1_795_284_000_000_000;
        let expected = Retention {
            requests_before_us: now_us - 7 * day,
            tokens_before_us: now_us - day / 24,
            reviews_before_us: now_us - 7 * day,
            sessions_before_us: now_us - 2 * day,
            // 20,779 is the 22nd: it and the 21st stay.
            days_before: 20_778,
        };
        assert_eq!(before, expected);
    }
}

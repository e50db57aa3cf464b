//! What is kept only for a time goes when it is over, on both databases.

use std::sync::Arc;

use padan::audit::Event;
use padan::records::Records;
use padan::retention::{self, Periods};
use padan::store::{Expired, Retention};
use time::{Duration, OffsetDateTime};

use crate::people::{entries, fresh_keys, records};
use crate::store::{Home, NOW, attempts, comparison, on_both, request, review, subject};
use crate::support::eventually;

on_both!(
    what_is_due_goes_and_nothing_else,
    it_goes_again_and_again_until_the_end,
    an_end_does_not_wait_for_a_sweep,
);

const DAY: i64 = 86_400_000_000;

fn at(us: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000).expect("a time")
}

async fn what_is_due_goes_and_nothing_else(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    let store = records.store();
    // Comparisons of the day of NOW, with their cases, at several ages.
    for (id, age) in [
        ("new", 0),
        ("young", DAY),
        ("week", 7 * DAY),
        ("old", 7 * DAY + 1),
    ] {
        let mut record = comparison(id, subject(1), id);
        record.at_us = NOW - age;
        let mut case = review(id, subject(1));
        case.created_us = NOW - age;
        record.effects.review = Some(case);
        store.commit(record).await.expect("commits");
    }
    let periods = Periods::default();
    let sweep = async |now| {
        retention::sweep(&records, &periods, now)
            .await
            .expect("sweeps")
    };
    // Sessions of a week ago and older; the counter of the day stays.
    let expected = Expired {
        requests: 1,
        tokens: 0,
        reviews: 1,
        attempts: 2,
    };
    assert_eq!(sweep(at(NOW)).await, expected);
    assert_eq!(store.stored(&request("old"), &[1; 32]).await, Ok(None));
    for id in ["new", "young", "week"] {
        let stored = store.stored(&request(id), &[1; 32]).await;
        assert!(stored.is_ok_and(|it| it.is_some()), "{id}");
        let case = store.review(id, "3174").await.expect("readable");
        assert!(case.is_some(), "{id}");
    }
    assert_eq!(store.review("old", "3174").await, Ok(None));
    let counted = attempts(&**store, "young", subject(1)).await;
    let counted = counted.expect("readable");
    assert_eq!((counted.session, counted.day), (1, 4));
    // Nothing is due: no entry.
    assert_eq!(sweep(at(NOW)).await, Expired::default());
    one_entry_says(
        &records,
        &["attempts 2", "requests 1", "reviews 1", "tokens 0"],
    )
    .await;
    // What was decided stays.
    assert_eq!(entries(&records, Event::Verification).await.len(), 4);
    // The counter of a day goes with the end of the next day of the calendar (7 hours ahead).
    let end = NOW + 2 * DAY - 7 * 3_600_000_000;
    assert_eq!(
        sweep(at(end - 1)).await.attempts,
        1,
        "the session of the day before"
    );
    let day = async || {
        attempts(&**store, "none", subject(1))
            .await
            .expect("readable")
    };
    assert_eq!(day().await.day, 4);
    assert_eq!(sweep(at(end)).await.attempts, 1);
    assert_eq!(day().await.day, 0);
    let all = sweep(at(NOW + 30 * DAY)).await;
    assert_eq!((all.requests, all.reviews, all.attempts), (2, 2, 1));
}

async fn one_entry_says(records: &Records, numbers: &[&str]) {
    let left = entries(records, Event::RetentionEnded).await;
    assert_eq!(left.len(), 1);
    let said = left[0].details.iter();
    let said: Vec<_> = said.map(|(name, n)| format!("{name} {n}")).collect();
    assert_eq!(said, numbers);
}

async fn it_goes_again_and_again_until_the_end(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    let periods = Periods {
        requests: Duration::ZERO,
        ..Periods::default()
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(retention::run(
        Arc::clone(&records),
        periods,
        std::time::Duration::from_millis(1),
        async { drop(stopped.await) },
    ));
    for id in ["first", "second"] {
        let mut record = crate::store::decision(id, subject(1));
        record.at_us = 1;
        records.store().commit(record).await.expect("commits");
        eventually("the request is gone", async || {
            records.store().stored(&request(id), &[1; 32]).await == Ok(None)
        })
        .await;
    }
    // An end that comes before a sweep's entry leaves it out.
    eventually("two sweeps have their entries", async || {
        entries(&records, Event::RetentionEnded).await.len() >= 2
    })
    .await;
    drop(stop);
    task.await.expect("ends");
    let nothing = Retention {
        requests_before_us: 0,
        tokens_before_us: 0,
        reviews_before_us: 0,
        sessions_before_us: 0,
        days_before: 0,
    };
    assert_eq!(
        records.store().expire(nothing).await,
        Ok(Expired::default())
    );
    assert_eq!(entries(&records, Event::RetentionEnded).await.len(), 2);
}

async fn an_end_does_not_wait_for_a_sweep(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    let mut record = crate::store::decision("due", subject(1));
    record.at_us = 1;
    records.store().commit(record).await.expect("commits");
    let periods = Periods::default();
    let interval = std::time::Duration::from_hours(1);
    retention::run(Arc::clone(&records), periods, interval, async {}).await;
    assert!(
        entries(&records, Event::RetentionEnded).await.is_empty(),
        "it went on to its end"
    );
    // The next one takes what is left.
    let swept = retention::sweep(&records, &periods, OffsetDateTime::now_utc()).await;
    swept.expect("sweeps");
    assert_eq!(
        records.store().stored(&request("due"), &[1; 32]).await,
        Ok(None)
    );
}

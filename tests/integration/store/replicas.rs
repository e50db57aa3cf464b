//! Two stores on one database, as two replicas have them.

use padan::store::{
    Attempts, CommitOutcome, DecideReview, RedeemOutcome, ReviewOutcome, SqlStore, Store,
};

use super::decisions::{futures, redemption};
use super::{
    Home, NOW, attempts, comparison, decision, entry, intact_chain, on_both, review, subject,
};

on_both!(
    a_request_is_answered_by_one_replica,
    a_token_is_redeemed_by_one_replica,
    attempts_hold_across_replicas,
    a_case_goes_to_one_reviewer,
    a_subject_changes_one_version_at_a_time,
    both_may_write_the_same_chain,
    many_subjects_in_any_order_do_not_lock_each_other_up,
);

async fn two(home: &Home) -> [SqlStore; 2] {
    [home.open("a").await, home.open("b").await]
}

/// The decided texts of both chains, each chain intact.
async fn both_chains([a, b]: &[SqlStore; 2]) -> Vec<String> {
    let mut decided = intact_chain(a, "a").await;
    decided.extend(intact_chain(b, "b").await);
    decided
}

async fn a_request_is_answered_by_one_replica(home: &Home) {
    let stores = two(home).await;
    let records = (0..40_u8).flat_map(|number| {
        let record = decision(&format!("r{number}"), subject(number));
        [(&stores[0], record.clone()), (&stores[1], record)]
    });
    let outcomes = futures(records.map(|(store, record)| store.commit(record))).await;
    for pair in outcomes.chunks(2) {
        let committed = pair
            .iter()
            .filter(|outcome| matches!(outcome, Ok(CommitOutcome::Committed(_))));
        let repeated = pair
            .iter()
            .filter(|outcome| matches!(outcome, Ok(CommitOutcome::Repeated(_))));
        assert_eq!((committed.count(), repeated.count()), (1, 1), "{pair:?}");
    }
    assert_eq!(both_chains(&stores).await.len(), 40);
}

async fn a_token_is_redeemed_by_one_replica(home: &Home) {
    let stores = two(home).await;
    let tokens = (0..40_u8).flat_map(|nonce| [(&stores[0], nonce), (&stores[1], nonce)]);
    let outcomes = futures(tokens.map(|(store, nonce)| store.redeem(redemption(nonce)))).await;
    for pair in outcomes.chunks(2) {
        let redeemed = pair
            .iter()
            .filter(|outcome| matches!(outcome, Ok(RedeemOutcome::Redeemed(_))));
        assert_eq!(redeemed.count(), 1, "{pair:?}");
        assert!(pair.iter().all(Result::is_ok), "{pair:?}");
    }
    assert_eq!(both_chains(&stores).await.len(), 80);
}

async fn attempts_hold_across_replicas(home: &Home) {
    let stores = two(home).await;
    // 30 comparisons of one subject in 6 sessions at once: 5 a day.
    let records = (0..30_u8).map(|number| {
        let session = format!("s{}", number % 6);
        let record = comparison(&format!("r{number}"), subject(1), &session);
        (&stores[usize::from(number % 2)], record)
    });
    let outcomes = futures(records.map(|(store, record)| store.commit(record))).await;
    let committed = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(CommitOutcome::Committed(_))));
    assert_eq!(committed.count(), 5);
    let exceeded = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(CommitOutcome::AttemptsExceeded)));
    assert_eq!(exceeded.count(), 25);
    let mut in_sessions = 0;
    for session in 0..6 {
        let name = format!("s{session}");
        let counted = attempts(&stores[0], &name, subject(1)).await;
        let Attempts { session, day } = counted.expect("readable");
        assert!(session <= 3 && day == 5);
        in_sessions += session;
    }
    assert_eq!(in_sessions, 5);
    let decided = both_chains(&stores).await;
    assert_eq!(decided, ["decided"; 5]);
}

async fn a_case_goes_to_one_reviewer(home: &Home) {
    let stores = two(home).await;
    for number in 0..10 {
        let mut record = decision(&format!("r{number}"), subject(1));
        record.effects.review = Some(review(&format!("case {number}"), subject(1)));
        stores[0].commit(record).await.expect("commits");
    }
    let reviewers = ["first", "second"];
    let asks = stores.iter().zip(reviewers);
    let wishes = asks.map(|(store, reviewer)| super::evidence::next(store, "3174", reviewer));
    let cases = futures(wishes).await;
    let ids: Vec<_> = cases
        .into_iter()
        .flatten()
        .map(|case| case.case.id)
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    let decide = |reviewer: &str| DecideReview {
        id: "case 5".to_owned(),
        office: "3174".to_owned(),
        reviewer: reviewer.to_owned(),
        verdict: "APPROVED".to_owned(),
        at_us: NOW,
        lapsed_us: NOW - 1,
        entry: entry("reviewed"),
    };
    let decisions = stores.iter().zip(reviewers);
    let outcomes =
        futures(decisions.map(|(store, reviewer)| store.decide_review(decide(reviewer)))).await;
    let decided = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(ReviewOutcome::Decided(_))));
    assert_eq!(decided.count(), 1, "{outcomes:?}");
    assert!(outcomes.contains(&Ok(ReviewOutcome::DecidedBefore)));
}

async fn a_subject_changes_one_version_at_a_time(home: &Home) {
    let stores = two(home).await;
    for version in 0..10 {
        let puts = stores
            .iter()
            .map(|store| super::subjects::put(store, subject(1), version, "contract"));
        let outcomes = futures(puts).await;
        let stale = outcomes
            .iter()
            .filter(|outcome| **outcome == padan::store::Changed::Stale);
        assert_eq!(stale.count(), 1, "{outcomes:?}");
    }
    assert_eq!(both_chains(&stores).await.len(), 10);
}

async fn both_may_write_the_same_chain(home: &Home) {
    // Two processes started with one name by mistake: the chain stays whole.
    let stores = [home.open("a").await, home.open("a").await];
    let entries = (0..60).map(|number| (&stores[number % 2], entry("event")));
    for outcome in futures(entries.map(|(store, entry)| store.append(entry))).await {
        outcome.expect("appends");
    }
    assert_eq!(intact_chain(&stores[0], "a").await.len(), 60);
}

async fn many_subjects_in_any_order_do_not_lock_each_other_up(home: &Home) {
    let stores = two(home).await;
    let records = (0..300_u16).map(|number| {
        let (replica, turn) = (usize::from(number % 2), number / 2);
        // One replica counts up through the subjects, the other down.
        let whom = if replica == 0 {
            turn % 10
        } else {
            9 - turn % 10
        };
        let whom = u8::try_from(whom).expect("small");
        let mut record = comparison(&format!("r{number}"), subject(whom), &format!("s{number}"));
        record.attempt.as_mut().expect("is one").day_max = 1000;
        (&stores[replica], record)
    });
    for outcome in futures(records.map(|(store, record)| store.commit(record))).await {
        assert!(
            matches!(outcome, Ok(CommitOutcome::Committed(_))),
            "{outcome:?}"
        );
    }
    assert_eq!(both_chains(&stores).await.len(), 300);
}

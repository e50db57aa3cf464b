//! Decisions, attempts, request ids and tokens.

use padan::store::{
    Attempts, CommitOutcome, DecisionRecord, RedeemOutcome, Redemption, Store, StoreError, Stored,
};

use super::{
    Home, NOW, attempts, comparison, decision, entry, intact_chain, on_both, request, review,
    subject,
};

on_both!(
    a_decision_leaves_one_entry_and_its_reply,
    the_same_request_gets_the_same_reply_and_no_second_entry,
    another_body_under_the_same_id_is_told_apart,
    two_callers_may_use_the_same_id,
    a_session_has_three_attempts,
    a_refused_attempt_leaves_no_consent,
    a_subject_has_five_attempts_a_day,
    a_limit_of_zero_allows_nothing,
    decisions_of_one_moment_share_groups_and_lose_nothing,
    a_change_that_fails_does_not_spoil_its_group,
    a_caller_that_goes_away_leaves_its_decision,
    a_token_is_redeemed_once,
);

async fn commit(store: &dyn Store, decision: &DecisionRecord) -> CommitOutcome {
    store.commit(decision.clone()).await.expect("commits")
}

async fn a_decision_leaves_one_entry_and_its_reply(home: &Home) {
    let store = home.open("a").await;
    let record = decision("r1", subject(1));
    let CommitOutcome::Committed(position) = commit(&store, &record).await else {
        panic!("is new");
    };
    assert_eq!(position.sequence, 1);
    assert_eq!(intact_chain(&store, "a").await, ["decided"]);
    let stored = store.stored(&request("r1"), &[1; 32]).await;
    assert_eq!(stored, Ok(Some(Stored::Reply(b"reply to r1".to_vec()))));
    assert_eq!(store.stored(&request("r2"), &[1; 32]).await, Ok(None));
    // Also after a start.
    store.close().await;
    let store = home.open("a").await;
    assert!(matches!(
        commit(&store, &decision("r2", subject(1))).await,
        CommitOutcome::Committed(position) if position.sequence == 2
    ));
    assert_eq!(intact_chain(&store, "a").await.len(), 2);
}

async fn the_same_request_gets_the_same_reply_and_no_second_entry(home: &Home) {
    let store = home.open("a").await;
    let first = comparison("r1", subject(1), "s");
    commit(&store, &first).await;
    let mut again = first.clone();
    again.effects.reply = b"another reply".to_vec();
    again.effects.review = Some(review("case", subject(1)));
    assert_eq!(
        commit(&store, &again).await,
        CommitOutcome::Repeated(b"reply to r1".to_vec())
    );
    assert_eq!(intact_chain(&store, "a").await.len(), 1);
    let counted = attempts(&store, "s", subject(1)).await;
    assert_eq!(counted, Ok(Attempts { session: 1, day: 1 }));
}

async fn another_body_under_the_same_id_is_told_apart(home: &Home) {
    let store = home.open("a").await;
    let first = decision("r1", subject(1));
    commit(&store, &first).await;
    let other = DecisionRecord {
        body_digest: [2; 32],
        ..first
    };
    assert_eq!(commit(&store, &other).await, CommitOutcome::OtherBody);
    let stored = store.stored(&request("r1"), &[2; 32]).await;
    assert_eq!(stored, Ok(Some(Stored::OtherBody)));
    assert_eq!(intact_chain(&store, "a").await.len(), 1);
}

async fn two_callers_may_use_the_same_id(home: &Home) {
    let store = home.open("a").await;
    let first = decision("r1", subject(1));
    let mut second = first.clone();
    second.request.caller = String::from("another backend");
    for record in [first, second] {
        let outcome = commit(&store, &record).await;
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }
}

async fn a_session_has_three_attempts(home: &Home) {
    let store = home.open("a").await;
    for id in ["r1", "r2", "r3"] {
        let outcome = commit(&store, &comparison(id, subject(1), "s")).await;
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }
    let fourth = comparison("r4", subject(1), "s");
    let outcome = commit(&store, &fourth).await;
    assert_eq!(outcome, CommitOutcome::AttemptsExceeded);
    assert_eq!(intact_chain(&store, "a").await, ["decided"; 3]);
    // Nothing was told, so the id is free for what is told instead.
    assert_eq!(store.stored(&request("r4"), &[1; 32]).await, Ok(None));
    let counted = attempts(&store, "s", subject(1)).await;
    assert_eq!(counted, Ok(Attempts { session: 3, day: 3 }));
}

async fn a_refused_attempt_leaves_no_consent(home: &Home) {
    let store = home.open("a").await;
    let with = |id: &str, consent: &str| DecisionRecord {
        consent: Some(super::evidence::consent(consent)),
        ..comparison(id, subject(1), "s")
    };
    for id in ["r1", "r2", "r3"] {
        let outcome = commit(&store, &with(id, "first")).await;
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }
    // Neither a new one, nor is the one taken away that earlier decisions rest on.
    for (id, consent) in [("r4", "second"), ("r5", "first")] {
        let outcome = commit(&store, &with(id, consent)).await;
        assert_eq!(outcome, CommitOutcome::AttemptsExceeded);
        let kept = store.consents(subject(1)).await.expect("readable");
        let ids: Vec<_> = kept.iter().map(|consent| consent.id.as_str()).collect();
        assert_eq!(ids, ["first"], "{id}");
    }
}

async fn a_subject_has_five_attempts_a_day(home: &Home) {
    let store = home.open("a").await;
    for number in 0..5 {
        let record = comparison(&format!("r{number}"), subject(1), &format!("s{number}"));
        let outcome = commit(&store, &record).await;
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }
    let outcome = commit(&store, &comparison("r5", subject(1), "s5")).await;
    assert_eq!(outcome, CommitOutcome::AttemptsExceeded);
    // What was refused was not counted for the session either.
    let counted = attempts(&store, "s5", subject(1)).await;
    assert_eq!(counted, Ok(Attempts { session: 0, day: 5 }));
    let mut tomorrow = comparison("r6", subject(1), "s6");
    tomorrow.attempt.as_mut().expect("is one").day += 1;
    let outcome = commit(&store, &tomorrow).await;
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
    let outcome = commit(&store, &comparison("r7", subject(2), "s7")).await;
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
}

async fn a_limit_of_zero_allows_nothing(home: &Home) {
    let store = home.open("a").await;
    for (id, session_max, day_max) in [("r1", 0, 5), ("r2", 3, 0)] {
        let mut record = comparison(id, subject(1), "s");
        let attempt = record.attempt.as_mut().expect("is one");
        (attempt.session_max, attempt.day_max) = (session_max, day_max);
        let outcome = commit(&store, &record).await;
        assert_eq!(outcome, CommitOutcome::AttemptsExceeded);
    }
    let counted = attempts(&store, "s", subject(1)).await;
    assert_eq!(counted, Ok(Attempts::default()));
}

async fn decisions_of_one_moment_share_groups_and_lose_nothing(home: &Home) {
    let store = home.open("a").await;
    let records = (0..200_u8).map(|number| decision(&format!("r{number}"), subject(number % 7)));
    let outcomes = futures(records.map(|record| store.commit(record))).await;
    let mut sequences: Vec<u64> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(CommitOutcome::Committed(position)) => position.sequence,
            other => panic!("{other:?}"),
        })
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
    assert_eq!(intact_chain(&store, "a").await.len(), 200);
}

/// Awaits all together.
pub async fn futures<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

async fn a_change_that_fails_does_not_spoil_its_group(home: &Home) {
    let store = home.open("a").await;
    let records = (0..20_u8).map(|number| {
        let mut record = decision(&format!("r{number}"), subject(number));
        // Twice the same case: no case has two.
        record.effects.review = Some(review(&format!("case {}", number.min(18)), subject(number)));
        record
    });
    let outcomes = futures(records.map(|record| store.commit(record))).await;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err());
    assert_eq!(failed.count(), 1);
    assert!(matches!(outcomes[19], Err(StoreError::Refused(_))));
    assert_eq!(intact_chain(&store, "a").await.len(), 19);
    assert_eq!(store.stored(&request("r19"), &[1; 32]).await, Ok(None));
}

async fn a_caller_that_goes_away_leaves_its_decision(home: &Home) {
    let store = home.open("a").await;
    let waits = store.commit(decision("r1", subject(1)));
    let gone = tokio::time::timeout(std::time::Duration::ZERO, waits).await;
    // Either it was faster than the caller, or the caller learns it by asking again.
    assert!(gone.is_err() || matches!(gone, Ok(Ok(CommitOutcome::Committed(_)))));
    let again = commit(&store, &decision("r1", subject(1))).await;
    assert_eq!(again, CommitOutcome::Repeated(b"reply to r1".to_vec()));
    assert_eq!(intact_chain(&store, "a").await.len(), 1);
}

pub fn redemption(nonce: u8) -> Redemption {
    Redemption {
        nonce: [nonce; 16],
        expiry_us: NOW + 90_000_000,
        redeemed: entry("redeemed"),
        refused: entry("refused"),
    }
}

async fn a_token_is_redeemed_once(home: &Home) {
    let store = home.open("a").await;
    let first = store.redeem(redemption(1)).await;
    assert!(matches!(first, Ok(RedeemOutcome::Redeemed(_))));
    let second = store.redeem(redemption(1)).await;
    assert!(matches!(second, Ok(RedeemOutcome::UsedBefore(_))));
    let other = store.redeem(redemption(2)).await;
    assert!(matches!(other, Ok(RedeemOutcome::Redeemed(_))));
    let decided = intact_chain(&store, "a").await;
    assert_eq!(decided, ["redeemed", "refused", "redeemed"]);
}

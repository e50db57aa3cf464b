//! Reviews, consents, the audit trail, and what is kept only for a time.

use padan::audit::{ChainHash, Timestamp};
use padan::store::{
    Attempts, Consent, DecideReview, EntryQuery, Expired, GrantConsent, Granted, NextReview,
    Position, Retention, Review, ReviewOutcome, Selection, SqlStore, Store, StoreError,
    StoredCheckpoint, Window, WithdrawConsent,
};

use super::decisions::redemption;
use super::{
    Home, NOW, attempts, comparison, decision, entry, intact_chain, name, on_both, request, review,
    subject,
};

on_both!(
    an_office_sees_its_own_cases,
    who_captured_does_not_decide,
    a_case_left_lying_is_free_again,
    a_consent_is_recorded_once_and_withdrawn,
    entries_are_found_by_whom_where_and_request,
    pages_of_entries_leave_nothing_out,
    an_entry_of_another_month_finds_its_place,
    an_entry_that_does_not_fit_is_refused_alone,
    checkpoints_come_back,
    what_is_old_goes_and_the_rest_stays,
    the_first_value_is_remembered,
);

pub async fn next(store: &SqlStore, office: &str, reviewer: &str) -> Option<Review> {
    let next = NextReview {
        office: office.to_owned(),
        reviewer: reviewer.to_owned(),
        at_us: NOW,
        lapsed_us: NOW - 1,
    };
    store.next_review(next).await.expect("readable")
}

async fn with_case(store: &SqlStore, id: &str, at_us: i64) {
    let mut record = decision(id, subject(1));
    let mut case = review(id, subject(1));
    case.created_us = at_us;
    record.effects.review = Some(case);
    store.commit(record).await.expect("commits");
}

fn decide(id: &str, office: &str, reviewer: &str) -> DecideReview {
    DecideReview {
        id: id.to_owned(),
        office: office.to_owned(),
        reviewer: reviewer.to_owned(),
        verdict: "APPROVED".to_owned(),
        at_us: NOW,
        lapsed_us: NOW - 1,
        entry: entry("reviewed"),
    }
}

async fn an_office_sees_its_own_cases(home: &Home) {
    let store = home.open("a").await;
    with_case(&store, "younger", NOW + 1).await;
    with_case(&store, "older", NOW).await;
    assert_eq!(next(&store, "3201", "reviewer").await, None);
    let elsewhere = store
        .decide_review(decide("older", "3201", "reviewer"))
        .await;
    assert_eq!(elsewhere, Ok(ReviewOutcome::NotFound));
    let found = next(&store, "3174", "reviewer").await.expect("is queued");
    assert_eq!(found.case, review("older", subject(1)));
    assert_eq!(found.request, request("older"));
    // Asked again, it is still this reviewer's; another gets the next.
    let again = next(&store, "3174", "reviewer").await;
    assert_eq!(again, Some(found));
    let other = next(&store, "3174", "another").await.expect("is queued");
    assert_eq!(other.case.id, "younger");
    let taken = store
        .decide_review(decide("older", "3174", "another"))
        .await;
    assert_eq!(taken, Ok(ReviewOutcome::TakenByOther));
    let decided = store
        .decide_review(decide("older", "3174", "reviewer"))
        .await;
    assert!(matches!(decided, Ok(ReviewOutcome::Decided(_))));
    let twice = store
        .decide_review(decide("older", "3174", "reviewer"))
        .await;
    assert_eq!(twice, Ok(ReviewOutcome::DecidedBefore));
    assert_eq!(
        intact_chain(&store, "a").await,
        ["decided", "decided", "reviewed"]
    );
}

async fn who_captured_does_not_decide(home: &Home) {
    let store = home.open("a").await;
    with_case(&store, "case", NOW).await;
    assert_eq!(next(&store, "3174", "operator").await, None);
    let own = store
        .decide_review(decide("case", "3174", "operator"))
        .await;
    assert_eq!(own, Ok(ReviewOutcome::SamePerson));
    // The database holds it too, when the code above forgets.
    let behind = home
        .execute("UPDATE reviews SET decided_by = captured_by")
        .await;
    assert!(behind.is_err());
}

async fn a_case_left_lying_is_free_again(home: &Home) {
    let store = home.open("a").await;
    with_case(&store, "case", NOW).await;
    next(&store, "3174", "reviewer").await.expect("is queued");
    assert_eq!(next(&store, "3174", "another").await, None);
    let later = NextReview {
        office: "3174".to_owned(),
        reviewer: "another".to_owned(),
        at_us: NOW + 10,
        lapsed_us: NOW + 1,
    };
    let found = store.next_review(later).await.expect("readable");
    assert_eq!(found.expect("is free").case.id, "case");
    let late = store
        .decide_review(decide("case", "3174", "reviewer"))
        .await;
    assert_eq!(late, Ok(ReviewOutcome::TakenByOther));
}

pub fn consent(id: &str) -> Consent {
    Consent {
        id: id.to_owned(),
        subject: subject(1),
        purpose: "activation".to_owned(),
        legal_basis: "consent".to_owned(),
        notice_version: "2026-1".to_owned(),
        channel: "counter".to_owned(),
        office: "3174".to_owned(),
        operator: "operator".to_owned(),
        granted_us: NOW,
        withdrawn_us: None,
    }
}

async fn a_consent_is_recorded_once_and_withdrawn(home: &Home) {
    let store = home.open("a").await;
    let grant = |consent: Consent| {
        store.grant_consent(GrantConsent {
            consent,
            entry: entry("granted"),
        })
    };
    for id in ["c1", "c2", "c3"] {
        assert!(matches!(grant(consent(id)).await, Ok(Granted::Done(_))));
    }
    assert_eq!(
        grant(consent("c1")).await,
        Ok(Granted::Before(consent("c1")))
    );
    let mut other = consent("c1");
    "PIN_RESET".clone_into(&mut other.purpose);
    assert_eq!(grant(other).await, Ok(Granted::OtherConsent));
    let withdraw = |whom, id: Option<&str>| {
        store.withdraw_consent(WithdrawConsent {
            subject: whom,
            id: id.map(str::to_owned),
            at_us: NOW + 1,
            entry: entry("withdrawn"),
        })
    };
    assert_eq!(withdraw(subject(2), Some("c1")).await, Ok(0));
    assert_eq!(withdraw(subject(1), Some("c1")).await, Ok(1));
    assert_eq!(withdraw(subject(1), Some("c1")).await, Ok(0));
    assert_eq!(withdraw(subject(1), None).await, Ok(2));
    let found = store.consents(subject(1)).await.expect("readable");
    let withdrawn = ["c1", "c2", "c3"].map(|id| Consent {
        withdrawn_us: Some(NOW + 1),
        ..consent(id)
    });
    assert_eq!(found, withdrawn);
    // Recorded again, it does not hold again.
    assert_eq!(
        grant(consent("c1")).await,
        Ok(Granted::Before(withdrawn[0].clone()))
    );
    assert_eq!(intact_chain(&store, "a").await.len(), 7);
}

fn query(selection: Selection) -> EntryQuery {
    EntryQuery {
        selection,
        from_us: NOW,
        until_us: NOW + 100,
        after: None,
        limit: 100,
    }
}

async fn found(store: &SqlStore, query: &EntryQuery) -> Vec<u64> {
    let entries = store.entries(query).await.expect("readable");
    entries
        .iter()
        .map(|entry| entry.position.sequence)
        .collect()
}

fn at(at_us: i64) -> Timestamp {
    Timestamp::from_microseconds(at_us).expect("a time")
}

async fn entries_are_found_by_whom_where_and_request(home: &Home) {
    let store = home.open("a").await;
    for (id, whom) in [("r1", 1), ("r2", 2), ("r3", 1)] {
        let record = decision(id, subject(whom));
        store.commit(record).await.expect("commits");
    }
    store.append(entry("elsewhere")).await.expect("appends");
    assert_eq!(found(&store, &query(Selection::All)).await, [1, 2, 3, 4]);
    let of_subject = query(Selection::Subject(subject(1)));
    assert_eq!(found(&store, &of_subject).await, [1, 3]);
    let of_office = query(Selection::Office("3174".to_owned()));
    assert_eq!(found(&store, &of_office).await, [1, 2, 3]);
    let of_request = query(Selection::Request(request("r2")));
    assert_eq!(found(&store, &of_request).await, [2]);
    let before = EntryQuery {
        until_us: NOW,
        from_us: 0,
        ..query(Selection::All)
    };
    assert_eq!(found(&store, &before).await, [0; 0]);
    let window = |from_us, until_us, writer: Option<&str>| Window {
        from_us,
        until_us,
        writer: writer.map(name),
    };
    let all = window(NOW, NOW + 1, None);
    let touched = store.subjects_touched(&all, None, 10).await;
    assert_eq!(touched, Ok(vec![subject(1), subject(2)]));
    let rest = store.subjects_touched(&all, Some(subject(1)), 10).await;
    assert_eq!(rest, Ok(vec![subject(2)]));
    for empty in [window(0, NOW, None), window(NOW, NOW + 1, Some("other"))] {
        let touched = store.subjects_touched(&empty, None, 10).await;
        assert_eq!(touched, Ok(Vec::new()));
    }
}

async fn pages_of_entries_leave_nothing_out(home: &Home) {
    let stores = [home.open("a").await, home.open("b").await];
    for number in 0..14 {
        let mut event = entry("event");
        event.time = at(NOW + number / 4);
        let writer = &stores[usize::from(number % 2 == 0)];
        writer.append(event).await.expect("appends");
    }
    let mut page = EntryQuery {
        limit: 3,
        ..query(Selection::All)
    };
    let mut all = Vec::new();
    // Five pages, and as many again that would be too many.
    for _ in 0..10 {
        let entries = stores[0].entries(&page).await.expect("readable");
        let Some(last) = entries.last() else {
            break;
        };
        page.after = Some((last.at_us, last.position.clone()));
        all.extend(
            entries
                .into_iter()
                .map(|entry| (entry.at_us, entry.position)),
        );
    }
    assert_eq!(all.len(), 14);
    assert!(all.is_sorted(), "{all:?}");
    all.dedup();
    assert_eq!(all.len(), 14);
}

/// A checkpoint of the chain "a" that nobody signed.
pub fn checkpoint(sequence: u64) -> StoredCheckpoint {
    StoredCheckpoint {
        position: Position {
            writer: name("a"),
            sequence,
        },
        hash: ChainHash::genesis(&name("a")),
        at_us: NOW,
        key: vec![8; 32],
        signature: vec![9; 64],
    }
}

async fn an_entry_of_another_month_finds_its_place(home: &Home) {
    let store = home.open("a").await;
    let month = 31 * 86_400 * 1_000_000;
    for number in [0, 1, 40, -30] {
        let mut event = entry("event");
        event.time = at(NOW + number * month);
        store.append(event).await.expect("appends");
    }
    assert_eq!(intact_chain(&store, "a").await.len(), 4);
}

async fn an_entry_that_does_not_fit_is_refused_alone(home: &Home) {
    let store = home.open("a").await;
    let mut long = entry("event");
    long.reasons = vec![padan::audit::Text::fitted(&"x".repeat(256)); 200];
    let entries = [entry("first"), long, entry("last")];
    let appends = entries.into_iter().map(|entry| store.append(entry));
    let outcomes = super::decisions::futures(appends).await;
    assert!(matches!(outcomes[1], Err(StoreError::Entry(_))));
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(intact_chain(&store, "a").await, ["first", "last"]);
}

async fn checkpoints_come_back(home: &Home) {
    let store = home.open("a").await;
    for sequence in [1, 5, 9, 5] {
        store
            .put_checkpoint(checkpoint(sequence))
            .await
            .expect("writes");
    }
    let found = store.checkpoints(&name("a"), 2, 10).await;
    assert_eq!(found, Ok(vec![checkpoint(5), checkpoint(9)]));
    assert_eq!(store.checkpoints(&name("b"), 1, 10).await, Ok(Vec::new()));
}

async fn what_is_old_goes_and_the_rest_stays(home: &Home) {
    let store = home.open("a").await;
    for (id, at_us) in [("old", NOW - 10), ("young", NOW)] {
        let mut record = comparison(id, subject(1), id);
        record.at_us = at_us;
        let mut case = review(id, subject(1));
        case.created_us = at_us;
        record.effects.review = Some(case);
        store.commit(record).await.expect("commits");
    }
    // More than one step of the clean-up.
    let many = (0..600_u16).map(|number| {
        let mut token = redemption(0);
        token.nonce[..2].copy_from_slice(&number.to_be_bytes());
        store.redeem(token)
    });
    for outcome in super::decisions::futures(many).await {
        outcome.expect("redeems");
    }
    let expired = store.expire(Retention {
        requests_before_us: NOW,
        tokens_before_us: NOW + 90_000_001,
        reviews_before_us: NOW,
        sessions_before_us: NOW,
        days_before: 20_779,
    });
    let expected = Expired {
        requests: 1,
        tokens: 600,
        reviews: 1,
        attempts: 1,
    };
    assert_eq!(expired.await, Ok(expected));
    assert_eq!(store.stored(&request("old"), &[1; 32]).await, Ok(None));
    let young = store.stored(&request("young"), &[1; 32]).await;
    assert!(young.is_ok_and(|stored| stored.is_some()));
    let case = next(&store, "3174", "reviewer").await.expect("is queued");
    assert_eq!(case.case.id, "young");
    let counted = attempts(&store, "old", subject(1)).await;
    assert_eq!(counted, Ok(Attempts { session: 0, day: 2 }));
}

async fn the_first_value_is_remembered(home: &Home) {
    let store = home.open("a").await;
    for value in ["key one", "key two"] {
        let kept = store.remember("nik_key", value).await;
        assert_eq!(kept.as_deref(), Ok("key one"));
    }
}

//! The queue on two replicas over one database.

use padan::audit::Event;

use super::{ask, counter, made, next, service, wish};
use crate::people::{entries, fresh_keys, records};
use crate::store::{Home, on_both};

on_both!(
    two_reviewers_on_two_replicas_get_different_cases,
    one_request_makes_one_case_on_two_replicas,
);

async fn two_reviewers_on_two_replicas_get_different_cases(home: &Home) {
    let keys = fresh_keys();
    let replicas = [
        records(home, "a", &keys).await,
        records(home, "b", &keys).await,
    ];
    for round in 0..6 {
        let ids = [format!("r{round}a"), format!("r{round}b")];
        made(
            &replicas[0],
            &ids.each_ref().map(String::as_str),
            "MANUAL_REVIEW",
        )
        .await;
        let [first, second] = replicas.each_ref().map(service);
        let (rina, sari) = (format!("rina{round}"), format!("sari{round}"));
        let (first, second) =
            tokio::join!(next(&first, "3174", &rina), next(&second, "3174", &sari),);
        let first = first.expect("is asked").expect("is queued").id;
        let second = second.expect("is asked").expect("is queued").id;
        assert_ne!(first, second);
    }
}

async fn one_request_makes_one_case_on_two_replicas(home: &Home) {
    let keys = fresh_keys();
    let replicas = [
        records(home, "a", &keys).await,
        records(home, "b", &keys).await,
    ];
    for round in 0..6 {
        let id = format!("r{round}");
        made(&replicas[0], &[&id], "NO_MATCH").await;
        let [first, second] = replicas.each_ref().map(service);
        let by = counter();
        let (first, second) =
            tokio::join!(ask(&first, &by, wish(&id)), ask(&second, &by, wish(&id)),);
        let (first, second) = (first.expect("queued"), second.expect("queued"));
        assert_eq!(first.review_id, second.review_id);
    }
    assert_eq!(entries(&replicas[0], Event::Review).await.len(), 6);
}

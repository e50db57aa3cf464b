//! Comparisons are counted: three a session, five a person a day, then people look.

use padan::grpc::proto::{self, Decision, ReasonCode, VerifyRequest};

use super::{Office, reason};
use crate::enrolled::{WOMAN, activation_request};
use crate::store::{Home, on_both};

on_both!(
    the_fourth_comparison_of_a_session_goes_to_people_and_costs_no_inference,
    the_sixth_comparison_of_a_day_goes_to_people_in_any_session,
    a_capture_of_poor_quality_costs_no_attempt,
    of_many_at_once_no_more_than_the_limit_are_compared,
);

fn in_session(id: &str, session: &str, probe: &str) -> VerifyRequest {
    let mut request = activation_request(id, WOMAN, probe);
    session.clone_into(&mut request.context.as_mut().expect("is there").session);
    request
}

async fn the_fourth_comparison_of_a_session_goes_to_people_and_costs_no_inference(home: &Home) {
    let office = Office::open(home).await;
    for (left, id) in [(2, "a"), (1, "b"), (0, "c")] {
        let response = office
            .verify(in_session(id, "visit", "impostor_1.jpg"))
            .await;
        assert_eq!(response.decision(), Decision::NoMatch);
        assert_eq!(response.attempts_left, Some(left));
    }
    let computed = office.embeddings_computed();
    let response = office
        .verify(in_session("d", "visit", "person_a_2.jpg"))
        .await;
    assert_eq!(response.decision(), Decision::ManualReview);
    assert_eq!(reason(&response), [ReasonCode::AttemptsExceeded]);
    assert!(!response.review_id.is_empty(), "there is a way to a human");
    assert_eq!(response.similarity, None);
    assert_eq!(office.embeddings_computed(), computed);
    let other = office
        .verify(in_session("e", "next-visit", "person_a_2.jpg"))
        .await;
    assert_eq!(
        other.decision(),
        Decision::Match,
        "another session has its own"
    );
}

async fn the_sixth_comparison_of_a_day_goes_to_people_in_any_session(home: &Home) {
    let office = Office::open(home).await;
    for n in 1..=5 {
        let id = format!("day-{n}");
        let response = office.verify(in_session(&id, &id, "impostor_1.jpg")).await;
        assert_eq!(response.decision(), Decision::NoMatch);
    }
    let response = office
        .verify(in_session("day-6", "day-6", "person_a_2.jpg"))
        .await;
    assert_eq!(reason(&response), [ReasonCode::AttemptsExceeded]);
}

async fn a_capture_of_poor_quality_costs_no_attempt(home: &Home) {
    let office = Office::open(home).await;
    let blank = crate::support::jpeg(&image::RgbImage::from_pixel(400, 400, image::Rgb([128; 3])));
    for id in ["a", "b", "c", "d"] {
        let mut request = in_session(id, "visit", "person_a_2.jpg");
        request.probe = Some(crate::support::sample(blank.clone()));
        let response = office.verify(request).await;
        assert_eq!(response.decision(), Decision::RetryCapture);
        assert_eq!(response.attempts_left, Some(3));
        assert!(response.result_token.is_empty());
    }
    let response = office
        .verify(in_session("e", "visit", "person_a_2.jpg"))
        .await;
    assert_eq!(response.decision(), Decision::Match);
}

async fn of_many_at_once_no_more_than_the_limit_are_compared(home: &Home) {
    let office = Office::open(home).await;
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..8 {
        let mut client = office.server.client().await;
        let request = in_session(&format!("at-once-{n}"), "visit", "person_a_2.jpg");
        asked.spawn(async move {
            client
                .verify(request)
                .await
                .expect("a decision")
                .into_inner()
        });
    }
    let decisions: Vec<_> = asked
        .join_all()
        .await
        .iter()
        .map(proto::VerifyResponse::decision)
        .collect();
    let matches = decisions
        .iter()
        .filter(|it| **it == Decision::Match)
        .count();
    let reviews = decisions
        .iter()
        .filter(|it| **it == Decision::ManualReview)
        .count();
    assert_eq!((matches, reviews), (3, 5), "{decisions:?}");
}

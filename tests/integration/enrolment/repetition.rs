//! The same request again, and many at once.

use padan::audit::{Event, Text};
use padan::grpc::proto::enrollment_server::Enrollment as _;
use padan::grpc::proto::{self, EnrollmentOutcome, ReferenceStatus};
use tokio::task::JoinSet;
use tonic::Code;

use super::{Desk, called, faceless, meta, put_of, put_ready, served, service, whom};
use crate::enrolled::{MAN, WOMAN};
use crate::store::{Home, on_both};
use crate::support::portrait;

on_both![
    the_same_request_gives_the_same_answer_and_changes_nothing,
    the_other_changes_are_repeated_as_well,
    a_refusal_is_repeated_without_a_second_entry,
    puts_of_one_subject_at_once_are_ordered_and_none_is_lost,
    the_same_request_at_once_is_done_once,
];

async fn the_same_request_gives_the_same_answer_and_changes_nothing(home: &Home) {
    let desk = Desk::open(home).await;
    let mut first = put_of(WOMAN, portrait("person_a_1.jpg"));
    first.meta = meta("put-1");
    let answer = desk.put(first.clone()).await.expect("an answer");
    desk.stored(put_of(WOMAN, portrait("person_b_1.jpg"))).await;
    // It does not take the place of the later one.
    assert_eq!(desk.put(first.clone()).await.expect("an answer"), answer);
    assert_eq!(answer.reference_version, 1);
    assert_eq!(desk.status(WOMAN).await.reference_version, 2);
    assert_eq!(desk.entries().await.len(), 2);
    let other_date = proto::PutRequest {
        captured_on: "2014-05-21".to_owned(),
        ..first.clone()
    };
    let mut other_nik = first.clone();
    other_nik.subject = whom(MAN);
    let mut other_portrait = put_of(WOMAN, portrait("person_a_2.jpg"));
    other_portrait.meta = meta("put-1");
    for other in [other_date, other_nik, other_portrait] {
        let status = desk.put(other).await.expect_err("is refused");
        assert_eq!(status.code(), Code::AlreadyExists);
    }
    let delete = proto::DeleteRequest {
        meta: meta("put-1"),
        subject: whom(WOMAN),
    };
    let status = desk.service.delete(called(delete)).await;
    assert_eq!(status.expect_err("is refused").code(), Code::AlreadyExists);
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Ready);
    assert_eq!(desk.entries().await.len(), 2);
}

async fn the_other_changes_are_repeated_as_well(home: &Home) {
    let desk = Desk::open(home).await;
    let announce = proto::AnnounceRequest {
        meta: meta("announce"),
        subject: whom(WOMAN),
    };
    for _ in 0..2 {
        let answer = desk.service.announce(called(announce.clone())).await;
        let answer = answer.expect("an answer").into_inner();
        assert_eq!(answer.outcome(), EnrollmentOutcome::Done);
    }
    let delete = proto::DeleteRequest {
        meta: meta("delete"),
        subject: whom(WOMAN),
    };
    // There is nothing to delete, and later there would be.
    for _ in 0..2 {
        let answer = desk.service.delete(called(delete.clone())).await;
        let answer = answer.expect("an answer").into_inner();
        assert_eq!(answer.outcome(), EnrollmentOutcome::Unchanged);
        desk.stored(put_ready(WOMAN, served().as_str(), 3.0)).await;
    }
    let block = proto::SetBlockedRequest {
        meta: meta("block"),
        subject: whom(WOMAN),
        blocked: true,
    };
    for _ in 0..2 {
        let answer = desk.service.set_blocked(called(block.clone())).await;
        let answer = answer.expect("an answer").into_inner();
        assert_eq!(answer.outcome(), EnrollmentOutcome::Done);
    }
    let unblock = proto::SetBlockedRequest {
        blocked: false,
        ..block
    };
    let other = desk.service.set_blocked(called(unblock)).await;
    assert_eq!(other.expect_err("is refused").code(), Code::AlreadyExists);
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Blocked);
    let operations: Vec<_> = desk.trail().await.into_iter().map(|it| it.1).collect();
    assert_eq!(operations, ["announce", "delete", "put", "put", "block"]);
}

async fn a_refusal_is_repeated_without_a_second_entry(home: &Home) {
    let desk = Desk::open(home).await;
    for request in [put_of(WOMAN, faceless()), put_of("1", faceless())] {
        let id = format!(
            "of-{}",
            request.subject.as_ref().expect("a subject").nik.len()
        );
        let request = proto::PutRequest {
            meta: meta(&id),
            ..request
        };
        let first = desk.put(request.clone()).await.expect("an answer");
        assert_eq!(first.outcome(), EnrollmentOutcome::Refused);
        assert_eq!(desk.put(request).await.expect("an answer"), first);
    }
    let events: Vec<_> = desk.trail().await.into_iter().map(|it| it.0).collect();
    assert_eq!(events, [Event::CallRefused; 2]);
}

/// The answers to requests that are made at once.
async fn at_once(desk: &Desk, requests: Vec<proto::PutRequest>) -> Vec<proto::PutResponse> {
    let mut calls = JoinSet::new();
    for request in requests {
        let service = service(&desk.enrolment);
        calls.spawn(async move { service.put(called(request)).await });
    }
    let answers = calls.join_all().await;
    let one = |answer: Result<tonic::Response<_>, _>| answer.expect("an answer").into_inner();
    answers.into_iter().map(one).collect()
}

async fn puts_of_one_subject_at_once_are_ordered_and_none_is_lost(home: &Home) {
    let desk = Desk::open(home).await;
    let seeds = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let requests = seeds.map(|seed| put_ready(WOMAN, served().as_str(), seed));
    let answers = at_once(&desk, requests.into()).await;
    let mut versions: Vec<_> = answers.iter().map(|it| it.reference_version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7, 8]);
    let written: Vec<_> = desk.trail().await.into_iter().map(|it| it.2).collect();
    assert_eq!(written, (1..=8).map(Some).collect::<Vec<_>>());
    assert_eq!(desk.status(WOMAN).await.reference_version, 8);
    // The last one opens under the key of the first.
    assert!(matches!(
        desk.enrolled(WOMAN).await,
        padan::records::Enrolled::Reference(_)
    ));
}

async fn the_same_request_at_once_is_done_once(home: &Home) {
    let desk = Desk::open(home).await;
    let mut request = put_ready(WOMAN, served().as_str(), 3.0);
    request.meta = meta("once");
    let answers = at_once(&desk, vec![request; 8]).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].reference_version, 1);
    let entries = desk.entries().await;
    let requests: Vec<_> = entries.iter().map(|it| it.request.clone()).collect();
    assert_eq!(requests, [Some(Text::fitted("once"))]);
}

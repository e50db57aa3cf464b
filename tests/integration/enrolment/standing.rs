//! How subjects stand: announced, deleted, blocked, erased, with portraits kept.

use std::sync::Arc;

use padan::audit::Event;
use padan::enrolment::{Enrolment, Settings};
use padan::grpc::proto::enrollment_server::Enrollment as _;
use padan::grpc::proto::{self, EnrollmentOutcome, ReasonCode, ReferenceStatus};
use padan::records::{Enrolled, PORTRAIT};
use padan::store::Erase;

use super::{Desk, called, put_of, put_ready, served, service, verifier, whom};
use crate::enrolled::{WOMAN, subject_of};
use crate::store::{Home, on_both};
use crate::support::portrait;

on_both![
    who_is_announced_or_deleted_is_known_and_not_synchronised,
    a_blocked_subject_says_so_until_it_is_unblocked,
    who_was_erased_enrols_anew_under_a_fresh_key,
    portraits_are_kept_sealed_only_where_it_is_configured,
];

async fn announce(desk: &Desk, nik: &str) -> EnrollmentOutcome {
    let request = proto::AnnounceRequest {
        meta: None,
        subject: whom(nik),
    };
    let answer = desk.service.announce(called(request)).await;
    answer.expect("an answer").into_inner().outcome()
}

async fn delete(desk: &Desk, nik: &str) -> EnrollmentOutcome {
    let request = proto::DeleteRequest {
        meta: None,
        subject: whom(nik),
    };
    let answer = desk.service.delete(called(request)).await;
    answer.expect("an answer").into_inner().outcome()
}

async fn who_is_announced_or_deleted_is_known_and_not_synchronised(home: &Home) {
    let desk = Desk::open(home).await;
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Nothing));
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::None);
    assert_eq!(announce(&desk, WOMAN).await, EnrollmentOutcome::Done);
    assert_eq!(announce(&desk, WOMAN).await, EnrollmentOutcome::Unchanged);
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::NotSynced));
    assert_eq!(
        desk.status(WOMAN).await.status(),
        ReferenceStatus::NotSynced
    );
    assert_eq!(
        desk.stored(put_ready(WOMAN, served().as_str(), 3.0)).await,
        2
    );
    desk.stored(put_ready(WOMAN, "another:1", 3.0)).await;
    assert_eq!(delete(&desk, WOMAN).await, EnrollmentOutcome::Done);
    assert_eq!(delete(&desk, WOMAN).await, EnrollmentOutcome::Unchanged);
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::NotSynced));
    let status = desk.status(WOMAN).await;
    assert_eq!(status.status(), ReferenceStatus::NotSynced);
    assert_eq!((status.reference_version, status.stored_at), (0, None));
    let operations: Vec<_> = desk.trail().await.into_iter().map(|it| it.1).collect();
    assert_eq!(
        operations,
        ["announce", "announce", "put", "put", "delete", "delete"]
    );
}

async fn set_blocked(desk: &Desk, nik: &str, blocked: bool) -> proto::SetBlockedResponse {
    let request = proto::SetBlockedRequest {
        meta: None,
        subject: whom(nik),
        blocked,
    };
    let answer = desk.service.set_blocked(called(request)).await;
    answer.expect("an answer").into_inner()
}

async fn a_blocked_subject_says_so_until_it_is_unblocked(home: &Home) {
    let desk = Desk::open(home).await;
    let unknown = set_blocked(&desk, WOMAN, true).await;
    assert_eq!(unknown.outcome(), EnrollmentOutcome::Refused);
    assert_eq!(unknown.reasons[0].code(), ReasonCode::ReferenceNotFound);
    desk.stored(put_ready(WOMAN, served().as_str(), 3.0)).await;
    set_blocked(&desk, WOMAN, true).await;
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Blocked));
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Blocked);
    // A new portrait does not unblock.
    assert_eq!(
        desk.stored(put_ready(WOMAN, served().as_str(), 4.0)).await,
        2
    );
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Blocked));
    set_blocked(&desk, WOMAN, false).await;
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Reference(_)));
    let trail = desk.trail().await;
    let operations: Vec<_> = trail.iter().map(|it| (it.0, it.1.as_str())).collect();
    let changed = Event::ReferenceChanged;
    let expected = [
        (Event::CallRefused, "block"),
        (changed, "put"),
        (changed, "block"),
        (changed, "put"),
        (changed, "unblock"),
    ];
    assert_eq!(operations, expected);
}

async fn who_was_erased_enrols_anew_under_a_fresh_key(home: &Home) {
    let desk = Desk::open(home).await;
    desk.stored(put_ready(WOMAN, served().as_str(), 3.0)).await;
    let subject = subject_of(&desk.records, WOMAN);
    let store = desk.records.store();
    let key = async || {
        let found = store.subject(subject, served().as_str()).await;
        found.expect("readable").expect("is there").0.key
    };
    let before = key().await.expect("a key");
    let erase = Erase {
        subject,
        at_us: padan::audit::Timestamp::now().microseconds(),
        entry: desk.records.own_entry(Event::SubjectErased),
    };
    store.erase(erase).await.expect("erased");
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Nothing));
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::None);
    assert_eq!(
        desk.stored(put_ready(WOMAN, served().as_str(), 3.0)).await,
        3
    );
    assert!(matches!(desk.enrolled(WOMAN).await, Enrolled::Reference(_)));
    assert_ne!(key().await.expect("a key"), before);
}

async fn portraits_are_kept_sealed_only_where_it_is_configured(home: &Home) {
    let desk = Desk::open(home).await;
    let subject = subject_of(&desk.records, WOMAN);
    desk.stored(put_of(WOMAN, portrait("person_a_1.jpg"))).await;
    let contracts = desk.records.store().contracts(subject).await;
    assert_eq!(contracts, Ok(vec![served().as_str().to_owned()]));
    let settings = Settings {
        keep_portraits: true,
    };
    let enrolment = Enrolment::new(verifier(), Arc::clone(&desk.records), settings);
    let keeping = service(&Arc::new(enrolment));
    let put = keeping
        .put(called(put_of(WOMAN, portrait("person_a_1.jpg"))))
        .await;
    assert_eq!(put.expect("stored").into_inner().reference_version, 2);
    let kept = desk.records.store().subject(subject, PORTRAIT).await;
    let kept = kept
        .expect("readable")
        .expect("is there")
        .1
        .expect("is kept");
    let image = portrait("person_a_1.jpg");
    assert_eq!(kept.ciphertext.len(), image.len() + 16);
    let plain = &image[image.len() / 2..image.len() / 2 + 32];
    assert!(!kept.ciphertext.windows(32).any(|bytes| bytes == plain));
    // It is no template, and goes with the references.
    assert_eq!(
        desk.status(WOMAN).await.model_contract_id,
        served().as_str()
    );
    delete(&desk, WOMAN).await;
    assert_eq!(
        desk.records.store().contracts(subject).await,
        Ok(Vec::new())
    );
}

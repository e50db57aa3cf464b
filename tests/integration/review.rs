//! The queue of cases for a human, on both databases.

mod journey;
mod replicas;

use std::sync::Arc;

use padan::access::{Caller, Role};
use padan::audit::Event;
use padan::decision::{Decision, ReviewVerdict};
use padan::grpc::proto::review_server::Review as _;
use padan::grpc::{ReviewService, proto};
use padan::records::Records;
use padan::review::{ReviewLimits, Reviews};
use padan::token;
use time::{Duration, OffsetDateTime};
use tonic::{Code, Status};

use crate::people::{
    Made, NIKS, caller, decide, entries, fresh_keys, from, hash, meta, records, refusal,
};
use crate::store::{Home, on_both};

on_both!(
    duty_10_an_office_sees_its_own_cases_only,
    duty_10_who_captured_neither_gets_nor_decides_a_case,
    a_case_is_decided_once_and_the_answer_is_repeated,
    a_rejection_is_told_too,
    a_case_left_lying_goes_to_another_reviewer,
    duty_12_every_non_match_has_a_way_to_a_human,
    nobody_asks_about_what_was_erased,
    a_request_with_mistakes_names_them_all,
);

fn service(records: &Arc<Records>) -> ReviewService {
    with(records, ReviewLimits::default())
}

fn with(records: &Arc<Records>, limits: ReviewLimits) -> ReviewService {
    let reviews = Reviews::new(Arc::clone(records), limits);
    ReviewService { reviews }
}

fn reviewer(office: &str) -> Caller {
    caller(&format!("office-{office}"), Role::Reviewer, Some(office))
}

fn counter() -> Caller {
    caller("counter", Role::Operator, None)
}

/// Decisions `ids` of office 3174 about the first of the people.
async fn made(records: &Records, ids: &[&str], decision: &str) {
    for id in ids {
        let made = Made {
            caller: &counter(),
            request: id,
            office: "3174",
            whom: hash(records, NIKS[0]),
            decision,
        };
        decide(records, &made).await;
    }
}

async fn next(
    service: &ReviewService,
    office: &str,
    by: &str,
) -> Result<Option<proto::ReviewCase>, Status> {
    let message = proto::NextRequest {
        office: office.to_owned(),
        reviewer: by.to_owned(),
    };
    let answer = service.next(from(&reviewer(office), message)).await?;
    Ok(answer.into_inner().case)
}

fn judgement(id: &str, case: &str, by: &str) -> proto::DecideRequest {
    proto::DecideRequest {
        meta: Some(meta(id)),
        review_id: case.to_owned(),
        office: "3174".to_owned(),
        reviewer: by.to_owned(),
        verdict: proto::ReviewVerdict::Approved.into(),
        evidence: vec![
            proto::EvidenceKind::PhysicalCard.into(),
            proto::EvidenceKind::Fingerprint.into(),
        ],
    }
}

async fn judge(service: &ReviewService, asked: proto::DecideRequest) -> Result<String, Status> {
    let by = reviewer(&asked.office);
    let answer = service.decide(from(&by, asked)).await?;
    Ok(answer.into_inner().result_token)
}

fn wish(decided: &str) -> proto::EnqueueRequest {
    proto::EnqueueRequest {
        meta: None,
        decided_request_id: decided.to_owned(),
        office: "3174".to_owned(),
        operator: "clerk".to_owned(),
    }
}

async fn ask(
    service: &ReviewService,
    by: &Caller,
    wish: proto::EnqueueRequest,
) -> Result<proto::EnqueueResponse, Status> {
    let answer = service.enqueue(from(by, wish)).await?;
    Ok(answer.into_inner())
}

async fn duty_10_an_office_sees_its_own_cases_only(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["r1"], "MANUAL_REVIEW").await;
    let service = service(&records);
    assert_eq!(
        next(&service, "3171", "rina").await.expect("is asked"),
        None
    );
    // A case of another office does not exist for it.
    let mut elsewhere = judgement("d1", "case-r1", "rina");
    "3171".clone_into(&mut elsewhere.office);
    let refused = refusal(judge(&service, elsewhere).await);
    assert_eq!(refused, (Code::NotFound, "NO_CASE".to_owned()));
    // Nor may it name the other office.
    let foreign = reviewer("3171");
    let message = proto::NextRequest {
        office: "3174".to_owned(),
        reviewer: "rina".to_owned(),
    };
    let refused = refusal(service.next(from(&foreign, message)).await);
    let other_office = (Code::PermissionDenied, "OTHER_OFFICE".to_owned());
    assert_eq!(refused, other_office);
    let message = judgement("d2", "case-r1", "rina");
    let refused = refusal(service.decide(from(&foreign, message)).await);
    assert_eq!(refused, other_office);
    // Each refusal left one entry.
    let entries = entries(&records, Event::CallRefused).await;
    let reasons: Vec<_> = entries.iter().map(|it| it.reasons[0].as_str()).collect();
    assert_eq!(reasons, ["NO_CASE", "OTHER_OFFICE", "OTHER_OFFICE"]);
    let case = next(&service, "3174", "rina").await.expect("is asked");
    let case = case.expect("is queued");
    assert_eq!(
        (case.id.as_str(), case.office.as_str()),
        ("case-r1", "3174")
    );
    assert_eq!(case.purpose(), proto::Purpose::Activation);
    assert_eq!(case.reasons[0].code(), proto::ReasonCode::Borderline);
    assert!(!case.reasons[0].text_id.is_empty());
}

async fn duty_10_who_captured_neither_gets_nor_decides_a_case(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["r1"], "MANUAL_REVIEW").await;
    let service = service(&records);
    assert_eq!(
        next(&service, "3174", "clerk").await.expect("is asked"),
        None
    );
    let refused = refusal(judge(&service, judgement("d1", "case-r1", "clerk")).await);
    assert_eq!(
        refused,
        (Code::FailedPrecondition, "SAME_PERSON".to_owned())
    );
    assert_eq!(entries(&records, Event::CallRefused).await.len(), 1);
    assert!(entries(&records, Event::Review).await.is_empty());
    // The refused request id is free: a second person decides under it.
    let token = judge(&service, judgement("d1", "case-r1", "rina")).await;
    assert!(token.is_ok(), "{token:?}");
}

async fn a_case_is_decided_once_and_the_answer_is_repeated(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["r1"], "MANUAL_REVIEW").await;
    let service = service(&records);
    let case = next(&service, "3174", "rina").await.expect("is asked");
    let id = case.expect("is queued").id;
    let first = judge(&service, judgement("d1", &id, "rina")).await;
    let first = first.expect("decided");
    let key = records.keys().token_key().public();
    let now = OffsetDateTime::now_utc();
    let claims = token::check(&first, &key, "laptop-1", now).expect("a good token");
    // A human's approval is not a match.
    assert_eq!(claims.decision, Decision::ManualReview);
    assert_eq!(claims.review, Some(ReviewVerdict::Approved));
    assert_eq!(claims.subject, hash(&records, NIKS[0]));
    let said = (claims.request_id.as_str(), claims.office.as_str());
    assert_eq!(said, ("r1", "3174"));
    // The same again, with its evidence in another order: the same token.
    let mut again = judgement("d1", &id, "rina");
    again.evidence.reverse();
    assert_eq!(judge(&service, again).await.ok(), Some(first));
    let mut other = judgement("d1", &id, "rina");
    other.verdict = proto::ReviewVerdict::Rejected.into();
    let refused = refusal(judge(&service, other).await);
    assert_eq!(refused, (Code::AlreadyExists, "REQUEST_ID_USED".to_owned()));
    let refused = refusal(judge(&service, judgement("d2", &id, "sari")).await);
    assert_eq!(
        refused,
        (Code::FailedPrecondition, "DECIDED_BEFORE".to_owned())
    );
    assert_eq!(
        next(&service, "3174", "sari").await.expect("is asked"),
        None
    );
    let entries = entries(&records, Event::Review).await;
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    let said = (
        entry.decision.as_ref().expect("is said").as_str(),
        entry.operator.as_ref().expect("is said").as_str(),
    );
    assert_eq!(said, ("APPROVED", "rina"));
    let evidence = entry
        .details
        .iter()
        .find(|(name, _)| name.as_str() == "evidence");
    let kinds = evidence.expect("is said").1.as_str();
    assert_eq!(kinds, "PHYSICAL_CARD,FINGERPRINT");
}

async fn a_rejection_is_told_too(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["r1"], "MANUAL_REVIEW").await;
    let mut rejected = judgement("d1", "case-r1", "rina");
    rejected.verdict = proto::ReviewVerdict::Rejected.into();
    let token = judge(&service(&records), rejected).await.expect("decided");
    let key = records.keys().token_key().public();
    let claims = token::check(&token, &key, "laptop-1", OffsetDateTime::now_utc());
    let review = claims.expect("a good token").review;
    assert_eq!(review, Some(ReviewVerdict::Rejected));
}

async fn a_case_left_lying_goes_to_another_reviewer(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["r1"], "MANUAL_REVIEW").await;
    let service = service(&records);
    let taken = next(&service, "3174", "rina").await.expect("is asked");
    assert!(taken.is_some());
    assert_eq!(
        next(&service, "3174", "sari").await.expect("is asked"),
        None
    );
    let refused = refusal(judge(&service, judgement("d1", "case-r1", "sari")).await);
    let taken = (Code::FailedPrecondition, "TAKEN_BY_OTHER".to_owned());
    assert_eq!(refused, taken);
    // Where a claim lasts no time, it has lapsed.
    let hasty = ReviewLimits {
        claim_life: Duration::ZERO,
        ..ReviewLimits::default()
    };
    let hasty = with(&records, hasty);
    let free = next(&hasty, "3174", "sari").await.expect("is asked");
    assert_eq!(free.expect("has lapsed").id, "case-r1");
    let refused = refusal(judge(&service, judgement("d2", "case-r1", "rina")).await);
    assert_eq!(refused, taken);
}

async fn duty_12_every_non_match_has_a_way_to_a_human(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["no"], "NO_MATCH").await;
    made(&records, &["review"], "MANUAL_REVIEW").await;
    made(&records, &["attack"], "SUSPECTED_ATTACK").await;
    made(&records, &["yes"], "MATCH").await;
    made(&records, &["cannot"], "CANNOT_VERIFY").await;
    let service = service(&records);
    let queued = ask(&service, &counter(), wish("no")).await.expect("queued");
    assert!(!queued.decided && !queued.request_id.is_empty());
    // Twice is once.
    let again = ask(&service, &counter(), wish("no")).await.expect("queued");
    assert_eq!(again.review_id, queued.review_id);
    // What is in the queue by itself is found there.
    let own = ask(&service, &counter(), wish("review"))
        .await
        .expect("queued");
    assert_eq!(own.review_id, "case-review");
    let attack = ask(&service, &counter(), wish("attack")).await;
    attack.expect("queued");
    let refused = |wish| async { refusal(ask(&service, &counter(), wish).await) };
    let no_review = (Code::FailedPrecondition, "NOT_FOR_REVIEW".to_owned());
    assert_eq!(refused(wish("yes")).await, no_review);
    assert_eq!(refused(wish("cannot")).await, no_review);
    let unknown = (Code::NotFound, "NO_DECISION".to_owned());
    assert_eq!(refused(wish("never")).await, unknown);
    let mut elsewhere = wish("no");
    "3171".clone_into(&mut elsewhere.office);
    assert_eq!(refused(elsewhere).await, unknown);
    // Another caller's request is not there for this one.
    let stranger = caller("stranger", Role::Operator, None);
    assert_eq!(refusal(ask(&service, &stranger, wish("no")).await), unknown);
    let bound = caller("counter", Role::Operator, Some("3171"));
    let other_office = (Code::PermissionDenied, "OTHER_OFFICE".to_owned());
    assert_eq!(
        refusal(ask(&service, &bound, wish("no")).await),
        other_office
    );
    assert_eq!(entries(&records, Event::Review).await.len(), 2);
    assert_eq!(entries(&records, Event::CallRefused).await.len(), 6);
    // The reviewer gets it, decides it, and whoever asks again learns that.
    let case = next(&service, "3174", "rina").await.expect("is asked");
    assert_eq!(case.expect("is queued").id, "case-review");
    let token = judge(&service, judgement("d1", &queued.review_id, "rina")).await;
    token.expect("decided");
    let later = ask(&service, &counter(), wish("no"))
        .await
        .expect("is there");
    assert!(later.decided && later.review_id == queued.review_id);
}

async fn nobody_asks_about_what_was_erased(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    made(&records, &["r1"], "MANUAL_REVIEW").await;
    made(&records, &["r2"], "NO_MATCH").await;
    let whom = hash(&records, NIKS[0]);
    let erase = padan::store::Erase {
        subject: whom,
        at_us: crate::people::now_us(),
        entry: records.own_entry(Event::SubjectErased),
    };
    records.store().erase(erase).await.expect("erases");
    let service = service(&records);
    assert_eq!(
        next(&service, "3174", "rina").await.expect("is asked"),
        None
    );
    let refused = refusal(judge(&service, judgement("d1", "case-r1", "rina")).await);
    assert_eq!(refused, (Code::NotFound, "NO_CASE".to_owned()));
    let refused = refusal(ask(&service, &counter(), wish("r2")).await);
    assert_eq!(refused, (Code::NotFound, "NO_DECISION".to_owned()));
}

async fn a_request_with_mistakes_names_them_all(home: &Home) {
    let records = records(home, "a", &fresh_keys()).await;
    let service = service(&records);
    let mistaken = proto::DecideRequest {
        meta: Some(meta("with space")),
        ..Default::default()
    };
    let answer = service.decide(from(&reviewer("3174"), mistaken)).await;
    let status = answer.expect_err("is refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    for field in [
        "meta.request_id",
        "review_id",
        "office",
        "reviewer",
        "verdict",
        "evidence",
    ] {
        assert!(status.message().contains(&format!("{field}:")), "{field}");
    }
    for evidence in [vec![1, 1], vec![0], vec![99], vec![1; 1000]] {
        let mut mistaken = judgement("d1", "case", "rina");
        mistaken.evidence = evidence;
        let answer = service.decide(from(&reviewer("3174"), mistaken)).await;
        assert_eq!(refusal(answer).0, Code::InvalidArgument);
    }
    // Without a door in front, nobody is served.
    let answer = service
        .next(tonic::Request::new(proto::NextRequest::default()))
        .await;
    assert_eq!(refusal(answer).0, Code::Internal);
}

//! The way of a real non-match to a human, through a real server: asked for, taken by a second
//! person, decided, and redeemed by the backend.

use padan::audit::Event;
use padan::grpc::proto::review_client::ReviewClient;
use padan::grpc::proto::{self, Decision, ReasonCode, ReviewVerdict};
use tonic::Code;
use tonic::transport::Channel;

use crate::activation::Office;
use crate::enrolled::{WOMAN, activation_request, subject_of};
use crate::people::{meta, refusal};
use crate::store::{Home, on_both};

on_both!(duty_12_a_real_non_match_goes_to_a_human_and_back_to_the_backend);

fn wish(decided: &str) -> proto::EnqueueRequest {
    proto::EnqueueRequest {
        meta: Some(meta(&format!("wish-of-{decided}"))),
        decided_request_id: decided.to_owned(),
        office: "3171".to_owned(),
        operator: "officer-7".to_owned(),
    }
}

async fn next(client: &mut ReviewClient<Channel>, by: &str) -> Option<proto::ReviewCase> {
    let request = proto::NextRequest {
        office: "3171".to_owned(),
        reviewer: by.to_owned(),
    };
    let answer = client.next(request).await.expect("is asked");
    answer.into_inner().case
}

fn judgement(case: &str, by: &str) -> proto::DecideRequest {
    proto::DecideRequest {
        meta: Some(meta(&format!("judgement-of-{by}"))),
        review_id: case.to_owned(),
        office: "3171".to_owned(),
        reviewer: by.to_owned(),
        verdict: ReviewVerdict::Approved.into(),
        evidence: vec![proto::EvidenceKind::PhysicalCard.into()],
    }
}

async fn duty_12_a_real_non_match_goes_to_a_human_and_back_to_the_backend(home: &Home) {
    let office = Office::open(home).await;
    let denied = office.verify(activation_request("denied", WOMAN, "impostor_1.jpg"));
    assert_eq!(denied.await.decision(), Decision::NoMatch);
    let matched = office.verify(activation_request("matched", WOMAN, "person_a_2.jpg"));
    assert_eq!(matched.await.decision(), Decision::Match);
    let mut client = ReviewClient::new(office.server.channel().await);
    assert_eq!(next(&mut client, "supervisor").await, None, "nobody asked");
    let refused = refusal(client.enqueue(wish("matched")).await);
    let not_for_review = (Code::FailedPrecondition, "NOT_FOR_REVIEW".to_owned());
    assert_eq!(refused, not_for_review);
    let queued = client.enqueue(wish("denied")).await.expect("queued");
    let queued = queued.into_inner();
    assert!(!queued.decided && !queued.review_id.is_empty());

    // The officer who captured is not offered it, and may not decide it.
    assert_eq!(next(&mut client, "officer-7").await, None);
    let own = judgement(&queued.review_id, "officer-7");
    let refused = refusal(client.decide(own).await);
    let same_person = (Code::FailedPrecondition, "SAME_PERSON".to_owned());
    assert_eq!(refused, same_person);
    let case = next(&mut client, "supervisor").await.expect("is queued");
    assert_eq!(
        (&case.id, case.office.as_str()),
        (&queued.review_id, "3171")
    );
    assert_eq!(case.purpose(), proto::Purpose::Activation);
    let reasons: Vec<_> = case.reasons.iter().map(proto::Reason::code).collect();
    assert_eq!(reasons, [ReasonCode::FaceMismatch]);

    let decided = client.decide(judgement(&case.id, "supervisor")).await;
    let token = decided.expect("decided").into_inner().result_token;
    let result = office.redeem(&token, "counter-2").await.expect("redeemed");
    // A human vouches for it: that is no match.
    assert_eq!(result.decision(), Decision::ManualReview);
    assert_eq!(result.review(), ReviewVerdict::Approved);
    assert_eq!(result.request_id, "denied");
    let subject = subject_of(&office.records, WOMAN).to_string();
    assert_eq!(result.subject_hash, subject);
    let later = client.enqueue(wish("denied")).await.expect("is there");
    let later = later.into_inner();
    assert!(later.decided && later.review_id == queued.review_id);
    assert_eq!(next(&mut client, "other-supervisor").await, None);
    let entries = office.entries(Event::Review).await;
    let mut decisions: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.decision.as_ref())
        .map(ToString::to_string)
        .collect();
    decisions.sort_unstable();
    assert_eq!(decisions, ["APPROVED", "QUEUED"]);
}

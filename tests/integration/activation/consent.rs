//! Without a consent that holds, nothing is computed: the picture is not even decoded.

use bytes::Bytes;
use padan::audit::Event;
use padan::grpc::proto::{self, Decision, ReasonCode};
use padan::store::WithdrawConsent;
use tonic::Code;

use super::repetition::told;
use super::{Office, reason};
use crate::enrolled::{MAN, WOMAN, activation_request, subject_of};
use crate::store::{Home, on_both};
use crate::support::sample;

on_both!(
    duty_1_without_a_usable_consent_no_template_is_computed,
    duty_1_a_consent_withdrawn_before_it_was_used_or_for_another_purpose_is_none,
);

/// What is wrong with a consent.
type Change = fn(&mut proto::VerifyRequest);

const CHANGES: [(&str, Change); 7] = [
    ("none", |request| request.consent = None),
    ("basis", |request| consent(request).basis = 0),
    ("id", |request| consent(request).id.clear()),
    ("notice", |request| consent(request).notice_version.clear()),
    ("time", |request| consent(request).given_at = None),
    ("future", |request| shift(consent(request), 3600)),
    ("old", |request| shift(consent(request), -25 * 3600)),
];

fn consent(request: &mut proto::VerifyRequest) -> &mut proto::ConsentRecord {
    request.consent.as_mut().expect("is there")
}

fn shift(consent: &mut proto::ConsentRecord, seconds: i64) {
    consent.given_at.as_mut().expect("is there").seconds += seconds;
}

/// A request with a probe that is no picture.
fn with_junk(id: &str) -> proto::VerifyRequest {
    let mut request = activation_request(id, WOMAN, "person_a_2.jpg");
    request.probe = Some(sample(Bytes::from_static(b"junk")));
    request
}

/// A good probe and one that is no picture get the same answer: there is no consent.
async fn assert_not_looked_at(
    office: &Office,
    id: &str,
    change: impl Fn(&mut proto::VerifyRequest),
) {
    let junk = format!("{id}-junk");
    let mut answers = Vec::new();
    for mut request in [
        activation_request(id, WOMAN, "person_a_2.jpg"),
        with_junk(&junk),
    ] {
        change(&mut request);
        let mut response = told(office.verify(request).await);
        assert_eq!(response.decision(), Decision::CannotVerify, "{id}");
        assert_eq!(reason(&response), [ReasonCode::ConsentMissing], "{id}");
        response.request_id.clear();
        answers.push(response);
    }
    assert_eq!(answers[0], answers[1], "{id}");
}

async fn duty_1_without_a_usable_consent_no_template_is_computed(home: &Home) {
    let office = Office::open(home).await;
    let before = office.embeddings_computed();
    for (id, change) in CHANGES {
        assert_not_looked_at(&office, id, change).await;
    }
    assert!(office.entries(Event::CallRefused).await.is_empty());
    // With a consent it is looked at: this test can fail.
    let junk = office.server.verify(with_junk("junk")).await;
    assert_eq!(junk.expect_err("no picture").code(), Code::InvalidArgument);
    let given = office.verify(activation_request("given", WOMAN, "person_a_2.jpg"));
    assert_eq!(given.await.decision(), Decision::Match);
    let between = office.embeddings_computed();
    assert_eq!(
        between,
        before + 1,
        "only the one with a consent was computed"
    );
    assert_eq!(
        withdraw(&office).await,
        1,
        "the consent of the one decision was recorded"
    );
    assert_not_looked_at(&office, "again", |request| {
        "consent-of-given".clone_into(&mut consent(request).id);
    })
    .await;
    assert_not_looked_at(&office, "earlier", |request| shift(consent(request), -3600)).await;
    assert_eq!(office.embeddings_computed(), between);
}

/// Withdraws all consents of the woman; how many there were.
async fn withdraw(office: &Office) -> u64 {
    let records = &office.records;
    let withdraw = WithdrawConsent {
        subject: subject_of(records, WOMAN),
        id: None,
        at_us: padan::audit::Timestamp::now().microseconds(),
        entry: records.own_entry(Event::ConsentChanged),
    };
    let withdrawn = records.store().withdraw_consent(withdraw).await;
    withdrawn.expect("writes")
}

async fn duty_1_a_consent_withdrawn_before_it_was_used_or_for_another_purpose_is_none(home: &Home) {
    let office = Office::open(home).await;
    let request = activation_request("id", WOMAN, "person_a_2.jpg");
    assert_eq!(withdraw(&office).await, 0, "padan did not know of it yet");
    let response = office.verify(request).await;
    assert_eq!(reason(&response), [ReasonCode::ConsentMissing]);
    assert_eq!(office.embeddings_computed(), 0);

    let man = |id: &str, purpose: proto::Purpose| {
        let mut request = activation_request(id, MAN, "person_b_2.jpg");
        "one-consent".clone_into(&mut request.consent.as_mut().expect("is there").id);
        request.context.as_mut().expect("is there").purpose = purpose.into();
        request
    };
    let given = office
        .verify(man("activation", proto::Purpose::Activation))
        .await;
    assert_eq!(given.decision(), Decision::Match);
    let other = office.verify(man("pin", proto::Purpose::PinReset)).await;
    assert_eq!(reason(&other), [ReasonCode::ConsentMissing]);
}

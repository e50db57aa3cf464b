//! Verification by NIK through a real server, on both databases: decisions in their order, one
//! durable entry each, attempts, repetition, result tokens.

mod attempts;
mod repetition;
mod tokens;

use std::sync::Arc;

use padan::audit::{Entry, Event};
use padan::grpc::proto::{self, Decision, ReasonCode};
use padan::records::Records;
use padan::store::{EntryQuery, Selection, SetBlocked, WithdrawConsent};

use crate::enrolled::{
    MAN, STRANGER, WOMAN, activation_request, config_of, enrol, subject_of, template_of,
};
use crate::store::{Home, on_both};
use crate::support::TestFolder;
use crate::support::TestServer;

on_both!(
    duty_7_each_decision_has_its_reason_and_leaves_one_entry,
    duty_1_without_a_usable_consent_no_template_is_computed,
    duty_1_a_consent_withdrawn_before_it_was_used_or_for_another_purpose_is_none,
    duty_7_a_refused_picture_of_an_enrolled_subject_leaves_one_entry,
    duty_11_the_face_of_another_enrolled_subject_looks_like_a_strangers,
    a_blocked_subject_and_an_unknown_one_answer_in_the_same_shape,
);

/// A server with the woman enrolled by the older portrait of person a, the man by that of b.
pub struct Office {
    pub server: TestServer,
    pub records: Arc<Records>,
    _keys: TestFolder,
}

impl Office {
    pub async fn open(home: &Home) -> Self {
        let keys = TestFolder::unique("keys");
        let config = config_of(home, &keys);
        let server = TestServer::start(&config).await;
        let activation = server.activation.clone().expect("references are kept");
        let records = Arc::clone(activation.records());
        for (nik, portrait) in [(WOMAN, "person_a_1.jpg"), (MAN, "person_b_1.jpg")] {
            let template = template_of(activation.verifier(), portrait).await;
            enrol(&records, nik, &template).await;
        }
        Self {
            server,
            records,
            _keys: keys,
        }
    }

    /// The answer to a request that has one.
    pub async fn verify(&self, request: proto::VerifyRequest) -> proto::VerifyResponse {
        self.server.verify(request).await.expect("a decision")
    }

    /// All entries of an event.
    pub async fn entries(&self, event: Event) -> Vec<Entry> {
        let query = EntryQuery {
            selection: Selection::All,
            from_us: 0,
            until_us: i64::MAX,
            after: None,
            limit: 1000,
        };
        let stored = self.records.store().entries(&query).await.expect("entries");
        let entries = stored
            .iter()
            .map(|stored| Entry::parse(&stored.text).expect("an entry"));
        entries.filter(|entry| entry.event == event).collect()
    }

    fn embeddings_computed(&self) -> u64 {
        let name = "padan_stage_seconds_count{stage=\"embed\"}";
        let count = self.server.metric(name).unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count"
        )]
        let count = count as u64;
        count
    }
}

pub fn reason(response: &proto::VerifyResponse) -> Vec<ReasonCode> {
    response.reasons.iter().map(proto::Reason::code).collect()
}

async fn duty_7_each_decision_has_its_reason_and_leaves_one_entry(home: &Home) {
    let office = Office::open(home).await;
    let cases = [
        (WOMAN, "person_a_2.jpg", Decision::Match, None),
        (MAN, "person_b_2.jpg", Decision::Match, None),
        (
            WOMAN,
            "impostor_1.jpg",
            Decision::NoMatch,
            Some(ReasonCode::FaceMismatch),
        ),
        (
            STRANGER,
            "person_a_2.jpg",
            Decision::CannotVerify,
            Some(ReasonCode::ReferenceNotFound),
        ),
        (
            "3171013201900001",
            "person_a_2.jpg",
            Decision::CannotVerify,
            Some(ReasonCode::NikMalformed),
        ),
    ];
    for (n, (nik, probe, decision, why)) in (1..).zip(cases) {
        let id = format!("request-{n}");
        let response = office.verify(activation_request(&id, nik, probe)).await;
        assert_eq!(response.decision(), decision, "{nik} {probe}");
        assert_eq!(reason(&response), Vec::from_iter(why));
        let was_compared = why.is_none() || why == Some(ReasonCode::FaceMismatch);
        assert_eq!(response.similarity.is_some(), was_compared);
        assert_eq!(response.result_token.is_empty(), !was_compared);
        let entries = office.entries(Event::Verification).await;
        assert_eq!(entries.len(), n, "one entry for one decision");
        let entry = entries
            .iter()
            .find(|entry| entry.request.as_ref().is_some_and(|it| it.as_str() == id));
        assert_says_all_of(entry.expect("its entry"), &response);
    }
    let subjects: Vec<_> = office
        .entries(Event::Verification)
        .await
        .iter()
        .map(|it| it.subject)
        .collect();
    let woman = subject_of(&office.records, WOMAN);
    assert_eq!(subjects[0], Some(woman));
    assert_eq!(subjects[4], None, "what is no NIK is nobody's");
}

/// Who, device, office, what, when, versions, decision, similarity (duty 7).
fn assert_says_all_of(entry: &Entry, response: &proto::VerifyResponse) {
    let text = |text: &Option<padan::audit::Text>| text.as_ref().map(ToString::to_string);
    let decision = response.decision().as_str_name().replace("DECISION_", "");
    assert_eq!(text(&entry.decision), Some(decision));
    assert_eq!(text(&entry.device).as_deref(), Some("counter-2"));
    assert_eq!(text(&entry.office).as_deref(), Some("3171"));
    assert_eq!(text(&entry.operator).as_deref(), Some("officer-7"));
    assert_eq!(text(&entry.purpose).as_deref(), Some("ACTIVATION"));
    assert_eq!(text(&entry.channel).as_deref(), Some("COUNTER"));
    assert_eq!(text(&entry.policy), Some(response.policy_version.clone()));
    assert_eq!(entry.similarity.is_some(), response.similarity.is_some());
    assert_eq!(
        entry.reference_version.is_some(),
        response.similarity.is_some()
    );
    for detail in [
        "session",
        "consent",
        "consent_basis",
        "consent_notice",
        "consent_given",
    ] {
        let has = |name: &padan::audit::Text| name.as_str() == detail;
        assert!(entry.details.keys().any(has), "no {detail}");
    }
}

/// What is wrong with a consent.
type Change = fn(&mut proto::ConsentRecord);

async fn duty_1_without_a_usable_consent_no_template_is_computed(home: &Home) {
    let office = Office::open(home).await;
    let before = office.embeddings_computed();
    let changes: [(&str, Change); 6] = [
        ("basis", |consent| consent.basis = 0),
        ("id", |consent| consent.id.clear()),
        ("notice", |consent| consent.notice_version.clear()),
        ("time", |consent| consent.given_at = None),
        ("future", |consent| shift(consent, 3600)),
        ("old", |consent| shift(consent, -25 * 3600)),
    ];
    let mut requests = vec![activation_request("none", WOMAN, "person_a_2.jpg")];
    requests[0].consent = None;
    for (id, change) in changes {
        let mut request = activation_request(id, WOMAN, "person_a_2.jpg");
        change(request.consent.as_mut().expect("is there"));
        requests.push(request);
    }
    for request in requests {
        let id = request.meta.as_ref().expect("is there").request_id.clone();
        let response = office.verify(request).await;
        assert_eq!(response.decision(), Decision::CannotVerify, "{id}");
        assert_eq!(reason(&response), [ReasonCode::ConsentMissing], "{id}");
    }
    let given = office.verify(activation_request("given", WOMAN, "person_a_2.jpg"));
    assert_eq!(given.await.decision(), Decision::Match);
    let between = office.embeddings_computed();
    assert_eq!(
        between,
        before + 1,
        "only the one with a consent was computed"
    );
    withdraw(&office).await;
    let mut again = activation_request("again", WOMAN, "person_a_2.jpg");
    "consent-of-given".clone_into(&mut again.consent.as_mut().expect("is there").id);
    assert_eq!(
        reason(&office.verify(again).await),
        [ReasonCode::ConsentMissing]
    );
    let mut earlier = activation_request("earlier", WOMAN, "person_a_2.jpg");
    shift(earlier.consent.as_mut().expect("is there"), -3600);
    assert_eq!(
        reason(&office.verify(earlier).await),
        [ReasonCode::ConsentMissing]
    );
    assert_eq!(office.embeddings_computed(), between);
}

fn shift(consent: &mut proto::ConsentRecord, seconds: i64) {
    consent.given_at.as_mut().expect("is there").seconds += seconds;
}

async fn withdraw(office: &Office) {
    let records = &office.records;
    let withdraw = WithdrawConsent {
        subject: subject_of(records, WOMAN),
        id: None,
        at_us: padan::audit::Timestamp::now().microseconds(),
        entry: records.own_entry(Event::ConsentChanged),
    };
    let withdrawn = records.store().withdraw_consent(withdraw).await;
    assert_eq!(
        withdrawn,
        Ok(1),
        "the consent of the one decision was recorded"
    );
}

async fn duty_1_a_consent_withdrawn_before_it_was_used_or_for_another_purpose_is_none(home: &Home) {
    let office = Office::open(home).await;
    let request = activation_request("id", WOMAN, "person_a_2.jpg");
    let records = &office.records;
    let withdraw = WithdrawConsent {
        subject: subject_of(records, WOMAN),
        id: None,
        at_us: padan::audit::Timestamp::now().microseconds(),
        entry: records.own_entry(Event::ConsentChanged),
    };
    let withdrawn = records.store().withdraw_consent(withdraw).await;
    assert_eq!(withdrawn, Ok(0), "padan did not know of it yet");
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

async fn duty_7_a_refused_picture_of_an_enrolled_subject_leaves_one_entry(home: &Home) {
    let office = Office::open(home).await;
    let mut request = activation_request("junk", WOMAN, "person_a_2.jpg");
    request.probe = Some(crate::support::sample(&b"junk"[..]));
    let status = office.server.verify(request).await.expect_err("no picture");
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    let entries = office.entries(Event::CallRefused).await;
    assert_eq!(entries.len(), 1);
    let woman = subject_of(&office.records, WOMAN);
    assert_eq!(entries[0].subject, Some(woman));
    assert_eq!(entries[0].reasons[0].as_str(), "IMAGE_REFUSED");
    assert!(office.entries(Event::Verification).await.is_empty());
}

async fn duty_11_the_face_of_another_enrolled_subject_looks_like_a_strangers(home: &Home) {
    let office = Office::open(home).await;
    let mut responses = Vec::new();
    for (id, probe) in [
        ("enrolled", "person_b_2.jpg"),
        ("stranger", "impostor_1.jpg"),
    ] {
        let response = office.verify(activation_request(id, WOMAN, probe)).await;
        assert_eq!(response.decision(), Decision::NoMatch, "{id}");
        responses.push(proto::VerifyResponse {
            // What differs says nothing of who it is.
            request_id: String::new(),
            similarity: None,
            result_token: String::new(),
            attempts_left: None,
            probe: None,
            times: None,
            ..response
        });
    }
    assert_eq!(responses[0], responses[1]);
}

async fn a_blocked_subject_and_an_unknown_one_answer_in_the_same_shape(home: &Home) {
    let office = Office::open(home).await;
    let blocked = SetBlocked {
        subject: subject_of(&office.records, MAN),
        blocked: true,
        at_us: 2,
        claim: None,
        entry: office.records.own_entry(Event::ReferenceChanged),
    };
    office
        .records
        .store()
        .set_blocked(blocked)
        .await
        .expect("blocked");
    let mut responses = Vec::new();
    for (id, nik) in [("blocked", MAN), ("unknown", STRANGER)] {
        let mut response = office
            .verify(activation_request(id, nik, "person_b_2.jpg"))
            .await;
        assert_eq!(response.decision(), Decision::CannotVerify);
        assert_eq!(response.reasons.len(), 1);
        response.reasons.clear();
        response.request_id.clear();
        responses.push(response);
    }
    assert_eq!(
        responses[0], responses[1],
        "but for the reason, nothing differs"
    );
    assert_eq!(office.embeddings_computed(), 0);
}

//! Verification by NIK through a real server, on both databases: decisions in their order, one
//! durable entry each, attempts, repetition, result tokens.

mod attempts;
mod consent;
mod repetition;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;

use padan::audit::{Entry, Event, Text};
use padan::grpc::proto::{self, Decision, ReasonCode};
use padan::records::Records;
use padan::store::{EntryQuery, Selection, SetBlocked};

use crate::enrolled::{
    MAN, STRANGER, WOMAN, activation_request, config_of, enrol, subject_of, template_of,
};
use crate::store::{Home, on_both};
use crate::support::TestFolder;
use crate::support::TestServer;

on_both!(
    duty_7_each_decision_has_its_reason_and_leaves_one_entry,
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

    /// Of the policy that decides here.
    pub fn contract(&self) -> String {
        let activation = self.server.activation.as_ref().expect("is there");
        activation.verifier().active().contract_id().to_string()
    }

    pub fn embeddings_computed(&self) -> u64 {
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
            "3171013201909999",
            "person_a_2.jpg",
            Decision::CannotVerify,
            Some(ReasonCode::NikMalformed),
        ),
    ];
    for (n, (nik, probe, decision, why)) in (1..).zip(cases) {
        let id = format!("request-{n}");
        let sent = activation_request(&id, nik, probe);
        let response = office.verify(sent.clone()).await;
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
        let entry = entry.expect("its entry");
        assert_says_all_of(entry, &sent, &response);
        // What is no NIK is nobody's.
        let whom =
            (why != Some(ReasonCode::NikMalformed)).then(|| subject_of(&office.records, nik));
        assert_eq!(entry.subject, whom, "{nik}");
        let contract = Text::fitted(&office.contract());
        let contracts = Vec::from_iter(was_compared.then_some(contract));
        assert_eq!(entry.contracts, contracts);
    }
}

/// Who, device, office, what, when, versions, decision, similarity (duty 7): as they were sent, and
/// as they were answered.
fn assert_says_all_of(
    entry: &Entry,
    sent: &proto::VerifyRequest,
    response: &proto::VerifyResponse,
) {
    let text = |text: &Option<Text>| text.as_ref().map(ToString::to_string);
    let context = sent.context.as_ref().expect("was sent");
    let consent = sent.consent.as_ref().expect("was sent");
    let decision = response.decision().as_str_name();
    let purpose = context.purpose().as_str_name();
    let channel = context.channel().as_str_name();
    for (written, expected) in [
        (&entry.decision, decision.strip_prefix("DECISION_")),
        (&entry.purpose, purpose.strip_prefix("PURPOSE_")),
        (&entry.channel, channel.strip_prefix("CHANNEL_")),
        (&entry.device, Some(context.device.as_str())),
        (&entry.office, Some(context.office.as_str())),
        (&entry.operator, Some(context.operator.as_str())),
        (&entry.policy, Some(response.policy_version.as_str())),
        (&entry.request, Some(response.request_id.as_str())),
    ] {
        assert_eq!(text(written).as_deref(), expected);
    }
    let reasons: Vec<_> = reason(response)
        .iter()
        .map(|code| Text::fitted(code.as_str_name().trim_start_matches("REASON_CODE_")))
        .collect();
    assert_eq!(entry.reasons, reasons);
    let measured = entry.similarity.map(String::from);
    let told = response.similarity.map(|it| format!("{it:.6}"));
    assert_eq!(measured, told, "in millionths");
    let compared = response.similarity.map(|_| 1);
    assert_eq!(entry.reference_version, compared);
    assert_eq!(entry.actor.role.as_str(), "backend");
    assert_eq!(entry.padan.as_str(), env!("CARGO_PKG_VERSION"));
    let given = consent.given_at.as_ref().expect("was sent").seconds;
    let given = time::OffsetDateTime::from_unix_timestamp(given).expect("a time");
    let given = given.format(&time::format_description::well_known::Rfc3339);
    let expected = [
        ("consent", consent.id.clone()),
        ("consent_basis", "CONSENT".to_owned()),
        ("consent_given", given.expect("a time of now")),
        ("consent_notice", consent.notice_version.clone()),
        ("session", context.session.clone()),
    ];
    let expected = expected.map(|(name, value)| (Text::fitted(name), Text::fitted(&value)));
    assert_eq!(entry.details, BTreeMap::from(expected));
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
    let mut answers = Vec::new();
    for (id, probe) in [
        ("enrolled", "person_b_2.jpg"),
        ("stranger", "impostor_1.jpg"),
    ] {
        let response = office.verify(activation_request(id, WOMAN, probe)).await;
        assert_eq!(response.decision(), Decision::NoMatch, "{id}");
        let token = response.result_token.clone();
        let mut claims = tokens::payload(&token);
        // What differs says nothing of who it is.
        for own in ["jti", "iat", "exp", "request_id"] {
            let claims = claims.as_object_mut().expect("claims");
            assert!(claims.remove(own).is_some(), "{own}");
        }
        let result = office.redeem(&token, "counter-2").await.expect("redeemed");
        let result = proto::RedeemResultResponse {
            request_id: String::new(),
            decided_at: None,
            ..result
        };
        let response = proto::VerifyResponse {
            request_id: String::new(),
            similarity: None,
            result_token: String::new(),
            probe: None,
            times: None,
            ..response
        };
        answers.push((response, token.len(), claims, result));
    }
    assert_eq!(answers[0], answers[1]);
    // Nor does the trail connect the man with it.
    let man = subject_of(&office.records, MAN);
    for event in [Event::Verification, Event::TokenRedeemed] {
        let entries = office.entries(event).await;
        assert_eq!(entries.len(), 2);
        assert!(entries.iter().all(|entry| entry.subject != Some(man)));
    }
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

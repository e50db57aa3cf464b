//! A caller that acts for one office verifies nobody for another one, and gets none of its results.

use std::sync::Arc;

use bytes::Bytes;
use padan::access::{Client, Directory, Role};
use padan::audit::{Entry, Event, Text};
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{Decision, ReasonCode, RedeemResultRequest, VerifyRequest};
use padan::records::Records;
use tonic::Code;
use tonic::transport::Channel;

use super::certificates::Certificates;
use super::certified;
use crate::activation::reason;
use crate::enrolled::{WOMAN, activation_request, config_of, enrol, subject_of, template_of};
use crate::people::{caller, entries, refusal};
use crate::store::{Home, on_both};
use crate::support::{TestFolder, TestServer, portrait, sample};

on_both!(
    duty_10_a_caller_of_one_office_verifies_nobody_for_another,
    duty_10_a_token_of_another_office_is_refused_and_not_used_up,
);

const EMBEDDINGS: &str = "padan_stage_seconds_count{stage=\"embed\"}";

/// The backend acts for the office 3171 alone, the counter for any.
fn directory() -> Directory {
    let client = |role: Role, office: Option<&str>| Client {
        certificate: Text::fitted(role.name()),
        roles: vec![role],
        office: office.map(Text::fitted),
    };
    let backend = client(Role::Backend, Some("3171"));
    let counter = client(Role::Operator, None);
    Directory::new(vec![backend, counter]).expect("two clients")
}

/// A server with the woman enrolled, and its two clients.
struct Offices {
    server: TestServer,
    records: Arc<Records>,
    certificates: Certificates,
    _keys: TestFolder,
}

impl Offices {
    async fn open(home: &Home) -> Self {
        let certificates = Certificates::new("access-offices");
        let keys = TestFolder::unique("access-offices-keys");
        let mut config = certified(config_of(home, &keys), &certificates, &[]);
        let clients = config.server.access.certified.as_mut();
        clients.expect("is there").directory = directory();
        let server = TestServer::start(&config).await;
        let activation = server.activation.clone().expect("references are kept");
        let records = Arc::clone(activation.records());
        let template = template_of(activation.verifier(), "person_a_1.jpg").await;
        enrol(&records, WOMAN, &template).await;
        Self {
            server,
            records,
            certificates,
            _keys: keys,
        }
    }

    async fn channel(&self, role: Role) -> Channel {
        let client = Some(self.certificates.identity(role.name()));
        let channel = self.certificates.connect(&self.server.url, client).await;
        channel.expect("a certificate of the authority")
    }
}

fn at(office: &str, id: &str) -> VerifyRequest {
    let mut request = activation_request(id, WOMAN, "person_a_2.jpg");
    office.clone_into(&mut request.context.as_mut().expect("is there").office);
    request
}

fn text(text: Option<&Text>) -> Option<&str> {
    text.map(Text::as_str)
}

async fn duty_10_a_caller_of_one_office_verifies_nobody_for_another(home: &Home) {
    let offices = Offices::open(home).await;
    let mut backend = FaceVerificationClient::new(offices.channel(Role::Backend).await);
    // The picture is not even looked at.
    let probes = [
        ("good", portrait("person_a_2.jpg")),
        ("junk", Bytes::from_static(b"junk")),
    ];
    for (id, probe) in probes {
        let mut request = at("3174", id);
        request.probe = Some(sample(probe));
        let response = backend.verify(request).await.expect("a decision");
        let response = response.into_inner();
        assert_eq!(response.decision(), Decision::CannotVerify, "{id}");
        assert_eq!(reason(&response), [ReasonCode::OperatorNotAllowed], "{id}");
        assert_eq!((response.similarity, response.attempts_left), (None, None));
        assert!(response.result_token.is_empty() && response.review_id.is_empty());
    }
    let computed = offices.server.metric(EMBEDDINGS);
    assert_eq!(computed.filter(|count| *count > 0.0), None);
    let left = entries(&offices.records, Event::Verification).await;
    assert_eq!(left.len(), 2, "one for each decision");
    for entry in &left {
        assert_eq!(entry.reasons, [Text::fitted("OPERATOR_NOT_ALLOWED")]);
        assert_eq!(text(entry.actor.certificate.as_ref()), Some("backend"));
        assert_eq!(text(entry.office.as_ref()), Some("3174"));
    }
    let woman = subject_of(&offices.records, WOMAN);
    let consents = offices.records.store().consents(woman).await;
    assert_eq!(consents, Ok(Vec::new()), "nobody looked at the consent");
    // Its own office's people it verifies, and who has no office of its own those of any.
    let own = backend.verify(at("3171", "own")).await.expect("a decision");
    assert_eq!(own.into_inner().decision(), Decision::Match);
    let mut counter = FaceVerificationClient::new(offices.channel(Role::Operator).await);
    let any = counter.verify(at("3174", "any")).await.expect("a decision");
    assert_eq!(any.into_inner().decision(), Decision::Match);
}

async fn duty_10_a_token_of_another_office_is_refused_and_not_used_up(home: &Home) {
    let offices = Offices::open(home).await;
    let mut counter = FaceVerificationClient::new(offices.channel(Role::Operator).await);
    let mut tokens = Vec::new();
    for (office, id) in [("3174", "elsewhere"), ("3171", "here")] {
        let response = counter.verify(at(office, id)).await.expect("a decision");
        tokens.push(response.into_inner().result_token);
    }
    let mut backend = ResultsClient::new(offices.channel(Role::Backend).await);
    let request = |token: &str| RedeemResultRequest {
        result_token: token.to_owned(),
        device: "counter-2".to_owned(),
    };
    let refused = refusal(backend.redeem_result(request(&tokens[0])).await);
    let expected = (Code::PermissionDenied, "TOKEN_OTHER_OFFICE".to_owned());
    assert_eq!(refused, expected);
    let entries: Vec<Entry> = entries(&offices.records, Event::TokenRedeemed).await;
    assert_eq!(entries.len(), 1);
    assert_eq!(text(entries[0].decision.as_ref()), Some("REFUSED"));
    assert_eq!(entries[0].reasons, [Text::fitted("TOKEN_OTHER_OFFICE")]);
    assert_eq!(text(entries[0].office.as_ref()), Some("3174"));
    let own = backend.redeem_result(request(&tokens[1])).await;
    assert_eq!(own.expect("its own").into_inner().office, "3171");
    // Whoever may act for that office finds the token as it was.
    let central = caller("central", Role::Backend, None);
    let activation = offices.server.activation.as_ref().expect("is there");
    let device = Text::fitted("counter-2");
    let claims = activation.redeem(&central, &tokens[0], &device).await;
    assert_eq!(claims.expect("was not used up").office, "3174");
}

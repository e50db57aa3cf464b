//! Templates of the model before hold while it is loaded, and each change leaves one entry.

use padan::audit::{Event, Text};
use padan::grpc::proto::enrollment_client::EnrollmentClient;
use padan::grpc::proto::{self, Decision, EnrollmentOutcome, ReasonCode};
use padan::records::Records;
use tonic::transport::Channel;

use super::{
    NEW, OLD, activate, contract_of, listed, load, patient, refusal, roll_back, swap, unload,
};
use crate::activation::reason;
use crate::enrolled::{MAN, WOMAN, activation_request, config_of};
use crate::enrolment::{put_of, whom};
use crate::people::entries;
use crate::store::{Home, on_both, whole_chain};
use crate::support::{TestFolder, TestServer, full_precision, portrait};

on_both![
    templates_of_the_model_before_hold_while_it_is_loaded,
    a_portrait_that_was_replaced_decides_for_no_model,
    templates_of_a_model_that_is_configured_beside_hold_after_a_restart,
    duty_7_each_change_of_models_leaves_one_entry_that_names_its_policies,
];

/// Whoever enrols.
pub struct Registry(EnrollmentClient<Channel>);

impl Registry {
    pub async fn of(server: &TestServer) -> Self {
        Self(EnrollmentClient::new(server.channel().await))
    }

    pub async fn put(&mut self, request: proto::PutRequest) -> proto::PutResponse {
        let answer = self.0.put(request).await.expect("an answer").into_inner();
        assert_eq!(answer.outcome(), EnrollmentOutcome::Done);
        answer
    }

    async fn status(&mut self, nik: &str) -> proto::GetStatusResponse {
        let request = proto::GetStatusRequest {
            meta: None,
            subject: whom(nik),
        };
        self.0
            .get_status(request)
            .await
            .expect("an answer")
            .into_inner()
    }
}

/// What the entries about the service say was done, oldest first.
pub async fn whats(records: &Records) -> Vec<String> {
    let entries = entries(records, Event::ServiceChanged).await;
    let whats = entries.iter().map(|it| &it.details[&Text::fitted("what")]);
    whats.map(ToString::to_string).collect()
}

/// Verifies somebody by the newer portrait; says the decision and the contract that measured.
async fn verified(server: &TestServer, id: &str, nik: &str) -> (Decision, String) {
    let probe = if nik == WOMAN {
        "person_a_2.jpg"
    } else {
        "person_b_2.jpg"
    };
    let answer = server.verify(activation_request(id, nik, probe)).await;
    let answer = answer.expect("a decision");
    (answer.decision(), answer.model_contract_id)
}

async fn templates_of_the_model_before_hold_while_it_is_loaded(home: &Home) {
    let keys = TestFolder::unique("swap-dual");
    let server = TestServer::start(&patient(config_of(home, &keys))).await;
    let mut registry = Registry::of(&server).await;
    registry
        .put(put_of(WOMAN, portrait("person_a_1.jpg")))
        .await;
    let policy = server
        .verify(activation_request("0", WOMAN, "person_a_2.jpg"))
        .await;
    let policy = policy.expect("a decision").policy_version;
    let [old, new] = swap(&server).await;

    // The woman has a template of the old contract only, the man gets one of the new.
    registry.put(put_of(MAN, portrait("person_b_1.jpg"))).await;
    let answer = server
        .verify(activation_request("1", WOMAN, "person_a_2.jpg"))
        .await;
    let answer = answer.expect("a decision");
    assert_eq!(answer.decision(), Decision::Match);
    assert_eq!(
        (&answer.model_contract_id, &answer.policy_version),
        (&old, &policy)
    );
    assert_eq!(
        verified(&server, "2", MAN).await,
        (Decision::Match, new.clone())
    );
    let status = registry.status(WOMAN).await.status();
    assert_eq!(status, proto::ReferenceStatus::Ready, "she can be verified");
    let [before, _] = listed(&server).await.try_into().expect("two models");
    assert_eq!(before.verifications, 2);

    // Embedded anew, she has both: that of the active model counts.
    registry
        .put(put_of(WOMAN, portrait("person_a_1.jpg")))
        .await;
    assert_eq!(
        verified(&server, "3", WOMAN).await,
        (Decision::Match, new.clone())
    );
    assert_eq!(roll_back(&server).await.expect("there is a way"), old);
    assert_eq!(
        verified(&server, "4", WOMAN).await,
        (Decision::Match, old.clone())
    );
    assert_eq!(verified(&server, "5", MAN).await, (Decision::Match, new));

    // Without its model a template is none.
    unload(&server, NEW, true).await.expect("may go");
    let answer = server
        .verify(activation_request("6", MAN, "person_b_2.jpg"))
        .await;
    let answer = answer.expect("a decision");
    assert_eq!(answer.decision(), Decision::CannotVerify);
    assert_eq!(reason(&answer), [ReasonCode::ReferenceNotSynced]);
    assert_eq!(answer.model_contract_id, old);
    let status = registry.status(MAN).await.status();
    assert_eq!(status, proto::ReferenceStatus::OtherContract);
}

async fn a_portrait_that_was_replaced_decides_for_no_model(home: &Home) {
    let keys = TestFolder::unique("swap-replaced");
    let server = TestServer::start(&patient(config_of(home, &keys))).await;
    let mut registry = Registry::of(&server).await;
    registry
        .put(put_of(WOMAN, portrait("person_a_1.jpg")))
        .await;
    let [old, new] = swap(&server).await;
    assert_eq!(
        verified(&server, "0", WOMAN).await,
        (Decision::Match, old.clone())
    );
    // Another face, so that it is seen which one decides.
    let newer = proto::PutRequest {
        captured_on: "2024-01-02".to_owned(),
        ..put_of(WOMAN, portrait("person_b_1.jpg"))
    };
    registry.put(newer).await;
    assert_eq!(
        verified(&server, "1", WOMAN).await,
        (Decision::NoMatch, new.clone())
    );
    assert_eq!(roll_back(&server).await.expect("there is a way"), old);
    assert_eq!(
        verified(&server, "2", WOMAN).await,
        (Decision::NoMatch, new)
    );
    unload(&server, NEW, true).await.expect("may go");
    assert_eq!(
        verified(&server, "3", WOMAN).await,
        (Decision::CannotVerify, old)
    );
}

async fn templates_of_a_model_that_is_configured_beside_hold_after_a_restart(home: &Home) {
    let keys = TestFolder::unique("swap-restart");
    let mut config = patient(config_of(home, &keys));
    let server = TestServer::start(&config).await;
    let old = contract_of(&listed(&server).await[0]);
    let mut registry = Registry::of(&server).await;
    registry
        .put(put_of(WOMAN, portrait("person_a_1.jpg")))
        .await;
    server.stop().await.expect("stops");
    config.calibration = full_precision().calibration;
    NEW.clone_into(&mut config.embedder);
    for beside in [true, false] {
        config.beside = beside.then(|| OLD.to_owned()).into_iter().collect();
        let server = TestServer::start(&config).await;
        let loaded = listed(&server).await;
        assert_eq!(loaded.len(), 1 + usize::from(beside));
        let new = contract_of(&loaded[0]);
        assert!(loaded[0].active && new != old);
        let expected = if beside {
            (Decision::Match, old.clone())
        } else {
            (Decision::CannotVerify, new)
        };
        let id = format!("beside-{beside}");
        assert_eq!(verified(&server, &id, WOMAN).await, expected);
        server.stop().await.expect("stops");
    }
}

async fn duty_7_each_change_of_models_leaves_one_entry_that_names_its_policies(home: &Home) {
    let keys = TestFolder::unique("swap-trail");
    let server = TestServer::start(&patient(config_of(home, &keys))).await;
    let activation = server.activation.clone().expect("references are kept");
    let records = activation.records();
    let [old, new] = swap(&server).await;
    roll_back(&server).await.expect("there is a way");
    // What is refused is no change.
    let refused = activate(&server, OLD, &old).await;
    assert_eq!(refusal(refused), "MODEL_ACTIVE");
    assert_eq!(refusal(load(&server, NEW).await), "MODEL_LOADED");
    unload(&server, NEW, true).await.expect("may go");
    assert_eq!(contract_of(&listed(&server).await[0]), old);
    let entries = entries(records, Event::ServiceChanged).await;
    let said = |name: &str| {
        let name = Text::fitted(name);
        let said = entries.iter().map(|entry| entry.details.get(&name));
        said.map(|it| it.map(ToString::to_string))
            .collect::<Vec<_>>()
    };
    let some = |texts: [&str; 5]| texts.map(|it| (!it.is_empty()).then(|| it.to_owned()));
    let whats = [
        "started",
        "model_loaded",
        "model_activated",
        "model_rolled_back",
        "model_unloaded",
    ];
    assert_eq!(said("what"), some(whats));
    assert_eq!(said("before"), some(["", "", &old, &new, ""]));
    let contracts = entries.iter().map(|entry| entry.contracts.clone());
    let expected = [&old, &new, &new, &old, &new].map(|it| vec![Text::fitted(it)]);
    assert_eq!(contracts.collect::<Vec<_>>(), expected);
    let policies = said("policy activation");
    assert!(policies.iter().all(Option::is_some), "{policies:?}");
    assert_eq!(
        policies[0], policies[3],
        "a roll-back brings the policies back"
    );
    assert_ne!(policies[1], policies[0]);
    let role = &entries[2].actor.role;
    assert_eq!(role.as_str(), "admin", "who did it");
    whole_chain(records.store().as_ref(), "padan-test").await;
}

//! Two servers on one PostgreSQL: what must be once is once among both.

use std::collections::BTreeMap;

use padan::audit::Event;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{
    Decision, ReasonCode, RedeemResultRequest, VerifyRequest, VerifyResponse,
};
use padan::store::Location;

use crate::activation::reason;
use crate::enrolled::{WOMAN, activation_request, config_of, enrol, template_of};
use crate::store::{Home, name, whole_chain};
use crate::support::{TestFolder, TestServer};

const WRITERS: [&str; 2] = ["replica-a", "replica-b"];

/// Two servers with the woman enrolled.
async fn pair(home: &Home, keys: &TestFolder) -> [TestServer; 2] {
    let mut servers = Vec::new();
    for writer in WRITERS {
        let mut config = config_of(home, keys);
        config.store.as_mut().expect("is there").database.writer = name(writer);
        servers.push(TestServer::start(&config).await);
    }
    let activation = servers[0].activation.clone().expect("references are kept");
    let template = template_of(activation.verifier(), "person_a_1.jpg").await;
    enrol(activation.records(), WOMAN, &template).await;
    servers.try_into().ok().expect("two")
}

/// Asks both servers for all of `requests` at once.
async fn ask_both(servers: &[TestServer; 2], requests: &[VerifyRequest]) -> Vec<VerifyResponse> {
    let mut asked = tokio::task::JoinSet::new();
    for request in requests {
        for server in servers {
            let (mut client, request) = (server.client().await, request.clone());
            asked.spawn(async move { client.verify(request).await.expect("a decision") });
        }
    }
    let answers = asked.join_all().await.into_iter();
    answers.map(tonic::Response::into_inner).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_at_two_replicas_is_one_decision_with_one_entry() {
    let (home, keys) = (Home::postgres().await, TestFolder::unique("replicas"));
    assert!(matches!(home.location(), Location::Postgres(_)));
    let servers = pair(&home, &keys).await;
    // Three of one visit: the limit of a session is not in the way.
    let requests: Vec<_> = (0..3).map(|n| of_one_visit(&format!("both-{n}"))).collect();
    let answers = ask_both(&servers, &requests).await;
    let mut tokens = BTreeMap::<String, Vec<String>>::new();
    for answer in answers {
        assert_eq!(answer.decision(), Decision::Match);
        let of_request = tokens.entry(answer.request_id).or_default();
        of_request.push(answer.result_token);
    }
    for (id, tokens) in &tokens {
        assert_eq!(tokens.len(), 2);
        assert_eq!(tokens[0], tokens[1], "two answers to {id}");
    }
    assert_eq!(decided(&home).await.len(), 3);
    redeem_at_both(&servers, tokens.into_values().filter_map(|mut it| it.pop())).await;
}

fn of_one_visit(id: &str) -> VerifyRequest {
    let mut request = activation_request(id, WOMAN, "person_a_2.jpg");
    "visit".clone_into(&mut request.context.as_mut().expect("is there").session);
    request
}

/// Each token is handed in at both servers at once, twice.
async fn redeem_at_both(servers: &[TestServer; 2], tokens: impl Iterator<Item = String>) {
    for token in tokens {
        let mut asked = tokio::task::JoinSet::new();
        for server in [&servers[0], &servers[1], &servers[0], &servers[1]] {
            let mut client = ResultsClient::new(server.channel().await);
            let request = RedeemResultRequest {
                result_token: token.clone(),
                device: "counter-2".to_owned(),
            };
            asked.spawn(async move { client.redeem_result(request).await.is_ok() });
        }
        let redeemed = asked.join_all().await;
        assert_eq!(redeemed.iter().filter(|it| **it).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_of_attempts_is_passed_at_two_replicas_together() {
    let (home, keys) = (Home::postgres().await, TestFolder::unique("replicas"));
    let servers = pair(&home, &keys).await;
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..8 {
        let mut client = servers[n % 2].client().await;
        let request = of_one_visit(&format!("many-{n}"));
        asked.spawn(async move { client.verify(request).await.expect("a decision") });
    }
    let mut decisions = BTreeMap::<&str, u32>::new();
    for answer in asked.join_all().await {
        let answer = answer.into_inner();
        if answer.decision() == Decision::ManualReview {
            assert_eq!(reason(&answer), [ReasonCode::AttemptsExceeded]);
        }
        *decisions
            .entry(answer.decision().as_str_name())
            .or_default() += 1;
    }
    let expected = BTreeMap::from([("DECISION_MATCH", 3), ("DECISION_MANUAL_REVIEW", 5)]);
    assert_eq!(decisions, expected);
    assert_eq!(decided(&home).await.len(), 8, "one entry for one decision");
}

/// Ids of the decided requests in both chains, each of which is whole.
async fn decided(home: &Home) -> Vec<String> {
    let store = home.open("inspector").await;
    let mut decided = Vec::new();
    for writer in WRITERS {
        for entry in whole_chain(&store, writer).await {
            if entry.event == Event::Verification {
                decided.push(entry.request.expect("has an id").to_string());
            }
        }
    }
    decided.sort();
    let mut once = decided.clone();
    once.dedup();
    assert_eq!(decided, once, "an entry is doubled");
    decided
}

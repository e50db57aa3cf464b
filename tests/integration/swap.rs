//! Another model on a running server: loaded beside the one that serves, tried, activated, rolled
//! back, and what becomes of templates of the one before.

mod command;
mod dual_read;
mod loading;
mod shadow;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use padan::config::Config;
use padan::grpc::proto::models_client::ModelsClient;
use padan::grpc::proto::{self, Decision};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::support::{FULL_PRECISION, TestServer, WAIT_MAX, config, eventually, genuine};

/// The embedder that the default configuration serves.
const OLD: &str = "sface_2021dec_int8";
const NEW: &str = FULL_PRECISION;

/// Clients that verify at the same time.
const CLIENTS: usize = 4;

/// Requests that each step of the swap is given time for.
const REQUESTS: usize = 12;

/// As `config`, for a machine that does much else: loading under load takes its time.
fn patient(mut config: Config) -> Config {
    config.server.request_timeout = WAIT_MAX;
    config
}

async fn start() -> TestServer {
    TestServer::start(&patient(config())).await
}

async fn models(server: &TestServer) -> ModelsClient<Channel> {
    ModelsClient::new(server.channel().await)
}

async fn listed(server: &TestServer) -> Vec<proto::LoadedModel> {
    let mut client = models(server).await;
    let answer = client.list_models(proto::ListModelsRequest {}).await;
    answer.expect("is told").into_inner().models
}

async fn load(server: &TestServer, id: &str) -> Result<proto::LoadedModel, Status> {
    let mut client = models(server).await;
    let id = id.to_owned();
    let answer = client.load_model(proto::LoadModelRequest { id }).await?;
    Ok(answer.into_inner().model.expect("is told"))
}

async fn activate(server: &TestServer, id: &str, contract: &str) -> Result<String, Status> {
    let mut client = models(server).await;
    let asked = proto::ActivateRequest {
        id: id.to_owned(),
        model_contract_id: contract.to_owned(),
    };
    let active = client.activate(asked).await?.into_inner().active;
    Ok(contract_of(&active.expect("is told")))
}

async fn roll_back(server: &TestServer) -> Result<String, Status> {
    let mut client = models(server).await;
    let answer = client.rollback(proto::RollbackRequest::default()).await?;
    Ok(contract_of(&answer.into_inner().active.expect("is told")))
}

async fn unload(server: &TestServer, id: &str, even_if_previous: bool) -> Result<(), Status> {
    let mut client = models(server).await;
    let asked = proto::UnloadModelRequest {
        id: id.to_owned(),
        even_if_previous,
    };
    client.unload_model(asked).await.map(drop)
}

fn contract_of(model: &proto::LoadedModel) -> String {
    let embedder = model.embedder.as_ref().expect("is told");
    embedder.contract_id.clone()
}

/// Loads the other embedder and makes it serve. Returns the contracts before and after.
async fn swap(server: &TestServer) -> [String; 2] {
    let before = contract_of(&listed(server).await[0]);
    let after = contract_of(&load(server, NEW).await.expect("loads"));
    let active = activate(server, NEW, &after).await.expect("is loaded");
    assert_eq!(active, after);
    [before, after]
}

/// One answered request.
struct Answered {
    begun: Instant,
    ended: Instant,
    contract: String,
}

/// Clients that verify one pair after the other until they are told to stop.
struct Clients {
    tasks: JoinSet<Vec<Answered>>,
    answered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Clients {
    async fn start(server: &TestServer) -> Self {
        let mut clients = Self {
            tasks: JoinSet::new(),
            answered: Arc::default(),
            is_over: Arc::default(),
        };
        for _ in 0..CLIENTS {
            let mut client = server.client().await;
            let (answered, is_over) = (Arc::clone(&clients.answered), Arc::clone(&clients.is_over));
            clients.tasks.spawn(async move {
                let mut all = Vec::new();
                while !is_over.load(Ordering::Acquire) {
                    let begun = Instant::now();
                    let answer = client.verify(genuine()).await.expect("no request fails");
                    let answer = answer.into_inner();
                    assert_eq!(answer.decision(), Decision::Match);
                    assert!(answer.policy_version.starts_with("activation@"));
                    all.push(Answered {
                        begun,
                        ended: Instant::now(),
                        contract: answer.model_contract_id,
                    });
                    answered.fetch_add(1, Ordering::Release);
                }
                all
            });
        }
        clients
    }

    /// Waits until some more were answered.
    async fn go_on(&self) {
        let enough = self.answered.load(Ordering::Acquire) + REQUESTS;
        let is_enough = async || self.answered.load(Ordering::Acquire) >= enough;
        eventually("requests are answered", is_enough).await;
    }

    async fn stop(self) -> Vec<Answered> {
        self.is_over.store(true, Ordering::Release);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_under_load_fails_no_request_and_each_response_names_its_contract() {
    let server = start().await;
    let clients = Clients::start(&server).await;
    clients.go_on().await;
    let [old, new] = swap(&server).await;
    let activated = Instant::now();
    assert_ne!(old, new);
    clients.go_on().await;
    let back_from = Instant::now();
    assert_eq!(roll_back(&server).await.expect("there is a way"), old);
    let back = Instant::now();
    clients.go_on().await;
    let answered = clients.stop().await;
    assert!(answered.len() >= 3 * REQUESTS);
    let mut after = [0, 0];
    for Answered {
        begun,
        ended,
        contract,
    } in answered
    {
        assert!(contract == old || contract == new, "{contract}");
        if begun > activated && ended < back_from {
            assert_eq!(contract, new, "once it is activated, only that one serves");
            after[0] += 1;
        }
        if begun > back {
            assert_eq!(
                contract, old,
                "once it is rolled back, only that one serves"
            );
            after[1] += 1;
        }
    }
    assert!(after.iter().all(|&count| count > 0), "{after:?}");
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_of_itself_follows_the_active_model() {
    let server = start().await;
    let [old, new] = swap(&server).await;
    let mut client = server.client().await;
    let info = client.get_service_info(proto::GetServiceInfoRequest {});
    let info = info.await.expect("is told").into_inner();
    let embedder = info.models.iter().find(|model| model.task == "embedder");
    assert_eq!(embedder.expect("one").contract_id, new);
    for policy in &info.policies {
        assert_eq!(policy.model_contract_id, new);
    }
    let text = (server.app_metrics)();
    let build = text
        .lines()
        .filter(|it| it.starts_with("padan_build_info{"));
    let build: Vec<_> = build.collect();
    assert_eq!(build.len(), 1, "{build:?}");
    assert!(
        build[0].contains(&new) && !build[0].contains(&old),
        "{build:?}"
    );
    let [first, second] = listed(&server).await.try_into().expect("two models");
    assert_eq!((first.active, first.previous), (false, true));
    assert_eq!((second.active, second.previous), (true, false));
    let active = activate(&server, NEW, &new).await;
    assert_eq!(refusal(active), "MODEL_ACTIVE");
    let mistaken = activate(&server, OLD, &new).await;
    assert_eq!(refusal(mistaken), "OTHER_CONTRACT");
    server.assert_well().await;
}

#[tokio::test]
async fn only_an_administrator_sees_or_changes_models() {
    let server = start().await;
    let mut client = models(&server).await;
    for role in ["backend", "operator", "enrolment", "auditor"] {
        let refused = client.list_models(as_role(role, proto::ListModelsRequest {}));
        let refused = refused.await.expect_err(role);
        assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
        let refused = client.rollback(as_role(role, proto::RollbackRequest::default()));
        let refused = refused.await.expect_err(role);
        assert_eq!(refused.code(), Code::PermissionDenied, "{role}");
    }
}

/// A call narrowed to one role.
fn as_role<T>(role: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = role.parse().expect("a value");
    request.metadata_mut().insert("padan-role", value);
    request
}

/// The reason of a refusal that is no fault of the request.
fn refusal<T>(answer: Result<T, Status>) -> String {
    let status = answer.err().expect("is refused");
    let expected = [Code::FailedPrecondition, Code::AlreadyExists];
    assert!(expected.contains(&status.code()), "{status:?}");
    let details = tonic_types::StatusExt::get_error_details(&status);
    details.error_info().expect("has a reason").reason.clone()
}

//! A server that is killed at random moments under load, on both databases: whatever it answered is
//! there afterwards, once, and the chain is whole.
//!
//! `make crash CRASHES=200` kills more often than `make test` does.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use padan::audit::{Event, Text};
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{self, Decision, RedeemResultRequest};
use padan::store::{Location, Store};
use tonic::Code;
use tonic::transport::Channel;

use crate::enrolled::{WOMAN, activation_request, config_of, enrol, template_of};
use crate::store::{Home, whole_chain};
use crate::support::TestFolder;
use crate::support::{ServerProcess, TestServer, padan};

const CLIENTS: usize = 4;

/// Longest life of a server before it is killed, milliseconds: a start and some dozen decisions.
const LIFE_MS_MAX: u64 = 600;

/// How often a server is killed: `PADAN_CRASHES`, or few times.
#[expect(
    clippy::disallowed_methods,
    reason = "`make crash` says how long this test is"
)]
fn crashes() -> usize {
    let wish = std::env::var("PADAN_CRASHES").ok();
    wish.map_or(5, |text| text.parse().expect("PADAN_CRASHES is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_a_kill_is_there_once_on_sqlite() {
    survive(&Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_before_a_kill_is_there_once_on_postgres() {
    survive(&Home::postgres().await).await;
}

/// What clients were told, and so may rely on.
#[derive(Default)]
struct Told {
    /// Decision and token by request id; none: no answer came.
    decisions: HashMap<String, Option<(i32, String)>>,
    /// Request ids of the tokens that were redeemed.
    redeemed: Vec<String>,
}

type Ledger = Arc<Mutex<Told>>;

async fn survive(home: &Home) {
    let keys = TestFolder::unique("crash");
    enrol_woman(home, &keys).await;
    let file = configuration(home, &keys);
    let ledger = Ledger::default();
    for round in 0..crashes() {
        let server = start(&file);
        let is_over = Arc::new(AtomicBool::new(false));
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..CLIENTS {
            let name = format!("{round}-{client}");
            clients.spawn(work(
                server.url.clone(),
                name,
                Arc::clone(&ledger),
                Arc::clone(&is_over),
            ));
        }
        tokio::time::sleep(random_life()).await;
        server.kill();
        is_over.store(true, Ordering::Relaxed);
        clients.join_all().await;
    }
    let server = start(&file);
    let told = std::mem::take(&mut *ledger.lock().expect("no client panicked"));
    let decided = told.decisions.values().flatten().count();
    println!(
        "{decided} decisions answered, {} tokens redeemed",
        told.redeemed.len()
    );
    assert!(
        decided > 0,
        "no decision was answered in any of these lives"
    );
    repeat(&server, &told).await;
    drop(server);
    inspect(home, &told).await;
}

/// Up to [`LIFE_MS_MAX`].
fn random_life() -> Duration {
    let mut bytes = [0; 8];
    padan::keys::fill_random(&mut bytes).expect("random bytes");
    Duration::from_millis(u64::from_le_bytes(bytes) % LIFE_MS_MAX)
}

async fn enrol_woman(home: &Home, keys: &TestFolder) {
    let server = TestServer::start(&config_of(home, keys)).await;
    let activation = server.activation.clone().expect("references are kept");
    let template = template_of(activation.verifier(), "person_a_1.jpg").await;
    enrol(activation.records(), WOMAN, &template).await;
    server.stop().await.expect("stops");
}

/// The configuration file of a server on `home` with the keys of [`config_of`].
pub fn configuration(home: &Home, keys: &TestFolder) -> std::path::PathBuf {
    let database = match home.location() {
        Location::Sqlite(path) => format!("file = '{}'", path.display()),
        Location::Postgres(address) => format!("address = '{address}'"),
    };
    let text = format!(
        "[store]\n{database}\nwriter = 'crashing'\n[keys]\nfolder = '{}'\n\
         [verification]\nsession_attempts_max = 1000000\nday_attempts_max = 1000000\n\
         [access.limits]\ndevice = 1000000\noperator = 1000000\nsubject = 1000000\n",
        keys.path().join("keys").display()
    );
    let file = keys.path().join("padan.toml");
    std::fs::write(&file, text).expect("writable");
    file
}

fn start(file: &std::path::Path) -> ServerProcess {
    let mut command = padan();
    command.arg("--config").arg(file);
    ServerProcess::start(command)
}

/// Verifies and redeems until the server is gone.
async fn work(url: String, name: String, ledger: Ledger, is_over: Arc<AtomicBool>) {
    let count = AtomicU64::new(0);
    let Ok(channel) = Channel::from_shared(url).expect("a URL").connect().await else {
        return;
    };
    while !is_over.load(Ordering::Relaxed) {
        let id = format!("{name}-{}", count.fetch_add(1, Ordering::Relaxed));
        let tell = |answer| {
            let mut told = ledger.lock().expect("no client panicked");
            told.decisions.insert(id.clone(), answer);
        };
        tell(None);
        let Ok(response) = verify(&channel, &id).await else {
            // The server is gone.
            return;
        };
        tell(Some((response.decision, response.result_token.clone())));
        if redeem(&channel, response.result_token).await.is_ok() {
            ledger
                .lock()
                .expect("no client panicked")
                .redeemed
                .push(id.clone());
        }
    }
}

async fn verify(channel: &Channel, id: &str) -> Result<proto::VerifyResponse, tonic::Status> {
    let mut request = activation_request(id, WOMAN, "person_a_2.jpg");
    // The same in every life of the server.
    let consent = request.consent.as_mut().expect("is there");
    consent.given_at = Some(prost_types::Timestamp {
        seconds: consent_given(),
        nanos: 0,
    });
    let mut client = proto::face_verification_client::FaceVerificationClient::new(channel.clone());
    Ok(client.verify(request).await?.into_inner())
}

/// One time for the whole test, so that a request can be repeated to the byte.
fn consent_given() -> i64 {
    static GIVEN: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *GIVEN.get_or_init(|| time::OffsetDateTime::now_utc().unix_timestamp())
}

async fn redeem(channel: &Channel, token: String) -> Result<(), tonic::Status> {
    let request = RedeemResultRequest {
        result_token: token,
        device: "counter-2".to_owned(),
    };
    let mut client = ResultsClient::new(channel.clone());
    client.redeem_result(request).await.map(drop)
}

/// Asked again, the server gives the answers that it gave, and no token serves twice.
async fn repeat(server: &ServerProcess, told: &Told) {
    let channel = Channel::from_shared(server.url.clone()).expect("a URL");
    let channel = channel.connect().await.expect("connects");
    for (id, answer) in &told.decisions {
        let again = verify(&channel, id).await.expect("a decision");
        assert_eq!(again.decision(), Decision::Match, "{id}");
        if let Some((decision, token)) = answer {
            assert_eq!(
                (again.decision, &again.result_token),
                (*decision, token),
                "{id}"
            );
        }
    }
    for id in &told.redeemed {
        let (_, token) = told.decisions[id].clone().expect("was answered");
        let refused = redeem(&channel, token).await.expect_err("used or expired");
        assert_eq!(refused.code(), Code::FailedPrecondition, "{id}: {refused}");
    }
}

/// In the trail each decision is there once, and so is each use of a token.
async fn inspect(home: &Home, told: &Told) {
    let store = home.open("inspector").await;
    let mut decided = BTreeMap::<String, u32>::new();
    let mut redeemed = BTreeMap::<String, u32>::new();
    for entry in whole_chain(&store, "crashing").await {
        let is_refusal = entry
            .decision
            .as_ref()
            .is_some_and(|it| it.as_str() == "REFUSED");
        match entry.event {
            Event::Verification => {
                let id = entry.request.expect("has an id").to_string();
                *decided.entry(id).or_default() += 1;
            }
            Event::TokenRedeemed if !is_refusal => {
                let id = entry
                    .details
                    .get(&Text::fitted("decided_request"))
                    .expect("is named")
                    .to_string();
                *redeemed.entry(id).or_default() += 1;
            }
            _ => {}
        }
    }
    assert!(
        decided.values().all(|count| *count == 1),
        "a decision is doubled"
    );
    assert!(
        redeemed.values().all(|count| *count == 1),
        "a token served twice"
    );
    assert_eq!(decided.len(), told.decisions.len());
    for id in &told.redeemed {
        assert!(
            redeemed.contains_key(id),
            "the use of the token of {id} is lost"
        );
    }
    store.close().await;
}

//! A server that is killed at random moments under load, on both databases: whatever it answered is
//! there afterwards, once, and the chain is whole.
//!
//! `make crash CRASHES=200` kills more often than `make test` does.

mod decisions;
mod enrolments;
mod inspection;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use padan::store::Location;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::enrolled::{WOMAN, config_of, enrol, template_of};
use crate::store::Home;
use crate::support::{ServerProcess, TestFolder, TestServer, eventually, padan};
use decisions::Decisions;
use enrolments::People;

pub use decisions::{assert_used_up, redeem};

/// Clients that verify; one more enrols.
const VERIFYING: usize = 4;

/// Longest life of a server before it is killed, milliseconds: a start and some dozen decisions.
const LIFE_MS_MAX: u64 = 600;

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(1);

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
    decisions: Decisions,
    people: People,
}

/// A server's life, for its clients.
#[derive(Clone)]
struct Life {
    url: String,
    /// The contract that it serves.
    contract: String,
    /// Goes on from life to life.
    ledger: Arc<Mutex<Told>>,
    is_over: Arc<AtomicBool>,
}

impl Life {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.ledger.lock().expect("no client panicked")
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

async fn survive(home: &Home) {
    let keys = TestFolder::unique("crash");
    let contract = enrol_woman(home, &keys).await;
    let file = configuration(home, &keys);
    let ledger = Arc::new(Mutex::new(Told::default()));
    for round in 0..crashes() {
        let server = start(&file);
        let life = Life {
            url: server.url.clone(),
            contract: contract.clone(),
            ledger: Arc::clone(&ledger),
            is_over: Arc::default(),
        };
        let used = life.told().decisions.some_used();
        let channel = connect(&server.url).await.expect("connects");
        assert_used_up(&channel, &used).await;
        live_and_die(server, &life, round).await;
    }
    let told = std::mem::take(&mut *ledger.lock().expect("no client panicked"));
    println!("{}; {}", told.decisions.summary(), told.people.summary());
    let is_any_answered = told.decisions.is_any_redeemed() && told.people.is_each_change_answered();
    assert!(is_any_answered, "no server was killed");
    let server = start(&file);
    let channel = connect(&server.url).await.expect("connects");
    let made = told.people.made(&channel).await;
    told.decisions.repeat(&channel).await;
    told.people.repeat(&channel, &contract).await;
    let after = told.people.made(&channel).await;
    assert_eq!(made, after, "a repeated change was made again");
    drop(server);
    inspection::inspect(home, &told.decisions, &made).await;
}

/// Clients work until the server is killed, and end.
async fn live_and_die(server: ServerProcess, life: &Life, round: usize) {
    let mut clients = JoinSet::new();
    for client in 0..VERIFYING {
        clients.spawn(decisions::work(life.clone(), format!("{round}-{client}")));
    }
    clients.spawn(enrolments::work(life.clone()));
    if round == 0 {
        // However slow the machine is, there is something to lose.
        let what = "a decision, a token's use and each change of a person are answered";
        eventually(what, async || {
            let told = life.told();
            told.decisions.is_any_redeemed() && told.people.is_each_change_answered()
        })
        .await;
    }
    tokio::time::sleep(random_life()).await;
    server.kill();
    life.is_over.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(PATIENCE, clients.join_all()).await;
    assert!(
        ended.is_ok(),
        "a client waits for a server that was killed a minute ago"
    );
}

/// Up to [`LIFE_MS_MAX`].
fn random_life() -> Duration {
    let mut bytes = [0; 8];
    padan::keys::fill_random(&mut bytes).expect("random bytes");
    Duration::from_millis(u64::from_le_bytes(bytes) % LIFE_MS_MAX)
}

/// Enrols a woman in a server of its own. Returns the contract of her template.
pub async fn enrol_woman(home: &Home, keys: &TestFolder) -> String {
    let server = TestServer::start(&config_of(home, keys)).await;
    let activation = server.activation.clone().expect("references are kept");
    let template = template_of(activation.verifier(), "person_a_1.jpg").await;
    enrol(activation.records(), WOMAN, &template).await;
    server.stop().await.expect("stops");
    template.contract_id.to_string()
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
         [access.limits]\ncaller = 1000000\ndevice = 1000000\noperator = 1000000\n\
         subject = 1000000\n",
        keys.path().join("keys").display()
    );
    let file = keys.path().join("padan.toml");
    std::fs::write(&file, text).expect("writable");
    file
}

/// A server process with this configuration file.
pub fn start(file: &std::path::Path) -> ServerProcess {
    let mut command = padan();
    command.arg("--config").arg(file);
    ServerProcess::start(command)
}

/// A connection on which no call takes longer than [`PATIENCE`].
pub async fn connect(url: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Channel::from_shared(url.to_owned()).expect("a URL");
    let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
    endpoint.connect().await
}

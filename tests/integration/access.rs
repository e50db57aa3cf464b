//! Who may call what, over mutual TLS with real certificates, and without any on this machine.

mod certificates;
mod offices;

use std::num::NonZeroU32;
use std::time::Duration;

use padan::access::{METHODS, Method, Role};
use padan::audit::{Entry, Event, Text};
use padan::config::{CertifiedClients, Config, TlsFiles};
use padan::grpc::ServeError;
use padan::store::Store;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Identity};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use self::certificates::{Certificates, directory};
use crate::enrolled::config_of;
use crate::store::{Home, name, on_both};
use crate::support::{
    ServerProcess, SharedServer, TestFolder, TestServer, assert_says, config, padan, repository,
    retry_delay, run,
};

/// A server that takes the clients of `certificates`, each in the role it is named after, but for
/// those in `without`.
fn certified(mut config: Config, certificates: &Certificates, without: &[Role]) -> Config {
    config.server.tls = Some(TlsFiles {
        certificate: certificates.path("server.pem"),
        key: certificates.path("server.key"),
    });
    config.server.access.certified = Some(CertifiedClients {
        ca: certificates.path("ca.pem"),
        directory: directory(without),
    });
    config
}

/// Calls `method` with an empty message, in `role` if one is named.
async fn call(channel: &Channel, method: &Method, role: Option<&str>) -> Result<(), Status> {
    let path = format!("/padan.v1.{}", method.path());
    let path = PathAndQuery::try_from(path).expect("a path");
    let mut request = Request::new(());
    if let Some(role) = role {
        request
            .metadata_mut()
            .insert("padan-role", role.parse().expect("a value"));
    }
    let mut client = Grpc::new(channel.clone());
    client.ready().await.expect("the connection lives");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    client.unary(request, path, codec).await.map(drop)
}

fn method(path: &str) -> &'static Method {
    let found = METHODS.iter().find(|method| method.path() == path);
    found.expect("in the table")
}

/// Code and reason of a refusal.
fn refusal(answer: Result<(), Status>) -> (Code, String) {
    let status = answer.expect_err("is refused");
    let info = status.get_details_error_info();
    (
        status.code(),
        info.map(|info| info.reason).unwrap_or_default(),
    )
}

/// Whatever came of it, the door let it in.
fn was_let_in(answer: &Result<(), Status>) -> bool {
    let refused = [
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unavailable,
        Code::Cancelled,
        Code::Unknown,
    ];
    answer
        .as_ref()
        .err()
        .is_none_or(|status| !refused.contains(&status.code()))
}

#[tokio::test]
async fn each_role_may_call_what_the_table_says_and_nothing_else() {
    let certificates = Certificates::new("access-walk");
    let server = TestServer::start(&certified(config(), &certificates, &[])).await;
    for role in Role::ALL {
        let client = certificates.identity(role.name());
        let channel = certificates.connect(&server.url, Some(client)).await;
        let channel = channel.expect("a certificate of the authority");
        for method in METHODS {
            let answer = call(&channel, method, None).await;
            let context = format!("{} as {}: {answer:?}", method.path(), role.name());
            if method.roles.contains(&role) {
                assert!(was_let_in(&answer), "{context}");
            } else {
                let expected = (Code::PermissionDenied, "ROLE_NOT_ALLOWED".to_owned());
                assert_eq!(refusal(answer), expected, "{context}");
            }
        }
        let info = call(&channel, method("FaceVerification/GetServiceInfo"), None).await;
        info.expect("is for everybody");
        // What narrows a caller for development widens nobody.
        let answer = call(&channel, method("Enrollment/Rekey"), Some("admin")).await;
        assert_eq!(was_let_in(&answer), role == Role::Admin, "{}", role.name());
    }
}

/// `padan verify` and `padan load` at a server that asks who calls.
fn commands_show_their_certificates(own: &Certificates, url: &str) {
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let portrait = |name| repository().join("tests/portraits").join(name);
    let [probe, reference] = ["person_a_2.jpg", "person_a_1.jpg"].map(portrait);
    let command = |name: &str| {
        let mut command = padan();
        command.args([name, "--server", &url, "--ca"]);
        command.arg(own.path("ca.pem"));
        if name == "verify" {
            command.arg(&probe).arg(&reference);
        } else {
            command.arg("--probe").arg(&probe);
            command.arg("--reference").arg(&reference);
            command.args(["--duration", "0.3", "--warmup", "0"]);
        }
        command
    };
    for name in ["verify", "load"] {
        let (code, _, _) = run(&mut command(name));
        assert_ne!(code, 0, "{name} without a certificate");
        let mut command = command(name);
        command.arg("--certificate").arg(own.path("backend.pem"));
        let (code, stdout, stderr) = run(command.arg("--key").arg(own.path("backend.key")));
        assert_eq!(code, 0, "{name}: {stdout}{stderr}");
    }
}

#[tokio::test]
async fn only_certificates_of_the_authority_connect_to_the_binary() {
    let [own, other] = ["access-own", "access-other"].map(Certificates::new);
    let file = own.path("padan.toml");
    let text = format!(
        "[server]\ntls_certificate = '{}'\ntls_key = '{}'\n[access]\nclient_ca = '{}'\n\
         [[access.client]]\ncertificate = 'backend'\nroles = ['backend']\n",
        own.path("server.pem").display(),
        own.path("server.key").display(),
        own.path("ca.pem").display(),
    );
    std::fs::write(&file, text).expect("written");
    let mut command = padan();
    command.arg("--config").arg(&file);
    let server = ServerProcess::start(command);
    let info = method("FaceVerification/GetServiceInfo");
    let backend = own
        .connect(&server.url, Some(own.identity("backend")))
        .await;
    let answer = call(&backend.expect("connects"), info, None).await;
    answer.expect("the backend is answered");
    commands_show_their_certificates(&own, &server.url);
    let strangers: [(_, Option<Identity>); 3] = [
        ("without a certificate", None),
        ("of another authority", Some(other.identity("backend"))),
        ("a server as a client", Some(own.identity("server"))),
    ];
    for (who, identity) in strangers {
        // With TLS 1.3 a client learns only with the first answer that it was turned away.
        if let Ok(channel) = own.connect(&server.url, identity).await {
            let mut client = Grpc::new(channel);
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let path = PathAndQuery::from_static("/padan.v1.FaceVerification/GetServiceInfo");
            let is_answered = match client.ready().await {
                Ok(()) => client
                    .unary::<(), (), _>(Request::new(()), path, codec)
                    .await
                    .is_ok(),
                Err(_) => false,
            };
            assert!(!is_answered, "{who}");
        }
    }
    let (code, _, stderr) = server.terminate();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stderr.contains("DEVELOPMENT"), "{stderr}");
}

#[tokio::test]
async fn a_name_that_nobody_knows_or_can_read_is_unauthenticated() {
    let certificates = Certificates::with_two_names("access-unknown");
    let config = certified(config(), &certificates, &[Role::Admin]);
    let server = TestServer::start(&config).await;
    for (name, reason) in [
        ("admin", "UNKNOWN_CERTIFICATE"),
        ("two-names", "UNREADABLE_CERTIFICATE"),
    ] {
        let client = Some(certificates.identity(name));
        let channel = certificates.connect(&server.url, client).await;
        let channel = channel.expect("of the authority");
        // Also what everybody may call who has a role.
        for path in ["FaceVerification/GetServiceInfo", "Enrollment/Rekey"] {
            let answer = call(&channel, method(path), None).await;
            assert_eq!(refusal(answer), (Code::Unauthenticated, reason.to_owned()));
        }
    }
}

#[tokio::test]
async fn who_calls_too_often_waits_and_others_do_not() {
    let certificates = Certificates::new("access-limit");
    let mut config = certified(config(), &certificates, &[]);
    config.server.access.limits.caller = NonZeroU32::MIN;
    let server = TestServer::start(&config).await;
    let info = method("FaceVerification/GetServiceInfo");
    for role in [Role::Backend, Role::Operator] {
        let client = Some(certificates.identity(role.name()));
        let channel = certificates.connect(&server.url, client).await;
        let channel = channel.expect("of the authority");
        call(&channel, info, None)
            .await
            .expect("the first call of its minute");
        let status = call(&channel, info, None).await.expect_err("the second");
        let wait = retry_delay(&status).expect("says when");
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_mins(1),
            "{wait:?}"
        );
        let expected = (Code::ResourceExhausted, "RATE_LIMITED".to_owned());
        assert_eq!(refusal(Err(status)), expected);
    }
    let metric = "padan_requests_total{method=\"GetServiceInfo\",code=\"RESOURCE_EXHAUSTED\"}";
    assert_eq!(server.metric(metric), Some(2.0));
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_no_open_door() {
    let certificates = Certificates::new("access-ca");
    let config = certified(config(), &certificates, &[]);
    let ca = certificates.path("ca.pem");
    for text in ["", "not a certificate"] {
        std::fs::write(&ca, text).expect("written");
        let ended = TestServer::start(&config).await.stop().await;
        assert!(matches!(ended, Err(ServeError::Transport(_))), "{ended:?}");
    }
    std::fs::remove_file(&ca).expect("was there");
    match TestServer::start(&config).await.stop().await {
        Err(ServeError::TlsFile { path, .. }) => assert_eq!(std::path::Path::new(&path), ca),
        other => panic!("{other:?}"),
    }
}

/// The refused calls in the trail.
async fn refused_calls(store: &dyn Store) -> Vec<Entry> {
    let chain = store.chain(&name("padan-test"), 1, 10_000).await;
    let entries = chain.expect("readable").into_iter();
    entries
        .map(|stored| Entry::parse(&stored.text).expect("canonical"))
        .filter(|entry| entry.event == Event::CallRefused)
        .collect()
}

async fn duty_7_a_refused_call_leaves_one_entry_and_is_refused_even_without(home: &Home) {
    let (certificates, keys) = (
        Certificates::new("access-trail"),
        TestFolder::unique("access-trail-keys"),
    );
    let config = certified(config_of(home, &keys), &certificates, &[Role::Admin]);
    let server = TestServer::start(&config).await;
    let activation = server.activation.as_ref().expect("there is a database");
    let store = activation.records().store();
    let calls = [
        ("operator", "Audit/Query", "ROLE_NOT_ALLOWED", Some("3171")),
        ("admin", "Enrollment/Rekey", "UNKNOWN_CERTIFICATE", None),
    ];
    for (at, (who, path, reason, office)) in calls.into_iter().enumerate() {
        let client = Some(certificates.identity(who));
        let channel = certificates.connect(&server.url, client).await;
        let channel = channel.expect("of the authority");
        let allowed = call(&channel, method("Results/GetPublicKeys"), None).await;
        assert_eq!(allowed.is_ok(), who == "operator");
        let before = refused_calls(&**store).await.len();
        assert_eq!(refusal(call(&channel, method(path), None).await).1, reason);
        // Durable when the answer is there.
        let entries = refused_calls(&**store).await;
        assert_eq!(entries.len(), before + 1, "{at}: {who}");
        let entry = entries.last().expect("one");
        let certificate = entry.actor.certificate.as_ref();
        assert_eq!(certificate.map(Text::as_str), Some(who));
        assert_eq!(entry.actor.role.as_str(), "none");
        assert_eq!(entry.office.as_ref().map(Text::as_str), office);
        let details = entry.details.iter();
        let details: Vec<_> = details
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(details, [("method", path), ("reason", reason)]);
    }
    store.close().await;
    let client = Some(certificates.identity("operator"));
    let channel = certificates
        .connect(&server.url, client)
        .await
        .expect("connects");
    let answer = call(&channel, method("Audit/Query"), None).await;
    assert_eq!(
        refusal(answer).0,
        Code::PermissionDenied,
        "no entry, no call"
    );
}

on_both!(duty_7_a_refused_call_leaves_one_entry_and_is_refused_even_without);

static DEVELOPMENT: SharedServer = SharedServer::new();

#[tokio::test]
async fn in_development_everybody_may_call_everything_or_takes_one_role() {
    let channel = DEVELOPMENT.get().channel().await;
    for method in METHODS {
        assert!(
            was_let_in(&call(&channel, method, None).await),
            "{}",
            method.path()
        );
        for role in Role::ALL {
            let answer = call(&channel, method, Some(role.name())).await;
            let context = format!("{} as {}", method.path(), role.name());
            assert_eq!(
                was_let_in(&answer),
                method.roles.contains(&role),
                "{context}"
            );
        }
        let answer = call(&channel, method, Some("root")).await;
        assert_eq!(
            refusal(answer),
            (Code::InvalidArgument, "UNKNOWN_ROLE".to_owned())
        );
    }
}

/// A configuration file with a database and keys.
fn with_records(folder: &TestFolder) -> std::path::PathBuf {
    let file = folder.path().join("padan.toml");
    let database = folder.path().join("padan.db");
    let text = format!("[store]\nfile = '{}'\n", database.display());
    std::fs::write(&file, text).expect("written");
    let now = time::OffsetDateTime::now_utc();
    padan::keys::create_keys(&folder.path().join("keys"), now).expect("new keys");
    file
}

#[test]
fn records_are_not_served_to_a_network_without_certificates() {
    let folder = TestFolder::new("access-exposed");
    let file = with_records(&folder);
    let mut command = padan();
    command.arg("--config").arg(&file);
    let (code, _, stderr) = run(command.args(["serve", "--listen", "0.0.0.0:0"]));
    assert_eq!(code, 2, "{stderr}");
    assert_says(&stderr, &["0.0.0.0:0", "access.client_ca", "127.0.0.1"]);
}

#[tokio::test]
async fn the_development_profile_says_so_when_there_are_records() {
    let folder = TestFolder::new("access-development");
    let mut command = padan();
    command.arg("--config").arg(with_records(&folder));
    let server = ServerProcess::start(command);
    let (code, _, stderr) = server.terminate();
    assert_eq!(code, Some(0), "{stderr}");
    assert_says(
        &stderr,
        &["WARN", "DEVELOPMENT PROFILE", "access.client_ca"],
    );
}

#[test]
fn the_page_shows_the_table_of_methods() {
    let page = include_str!("../../docs/access.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains('/'));
    let documented: Vec<&str> = rows.collect();
    let row = |method: &Method| {
        let names: Vec<_> = method.roles.iter().map(|role| role.name()).collect();
        let names = if names.len() == Role::ALL.len() {
            "everybody".to_owned()
        } else {
            names.join(", ")
        };
        format!("| `{}` | {names} |", method.path())
    };
    let expected: Vec<String> = METHODS.iter().map(row).collect();
    assert_eq!(documented, expected, "docs/access.md");
}

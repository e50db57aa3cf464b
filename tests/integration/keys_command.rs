//! `padan keys` and `padan certs` as people run them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use padan::access::Role;
use serde_json::Value;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{TestFolder, assert_says, padan, run};

fn keys(action: &str, folder: &Path, further: &[&str]) -> (i32, String, String) {
    let mut command = padan();
    // They need no models and no runtime library.
    command.env_remove("PADAN_MODELS");
    command.env("PADAN_RUNTIME_LIBRARY", "nowhere");
    run(command
        .args(["keys", action, "--keys"])
        .arg(folder)
        .args(further))
}

fn shown(folder: &Path) -> Vec<Value> {
    let (code, stdout, stderr) = keys("show", folder, &["--json"]);
    assert_eq!(code, 0, "{stderr}");
    let answer: Value = serde_json::from_str(&stdout).expect("JSON");
    answer["keys"].as_array().expect("a list").clone()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|it| it.expect("an entry").path()).collect();
    files.sort();
    files
}

/// No key of the folder is in any of the texts.
fn assert_no_secret(folder: &Path, texts: &[&str]) {
    let mut keys = 0;
    for file in files(folder) {
        let line = std::fs::read_to_string(&file).expect("readable");
        let key = line.trim().rsplit(' ').next().expect("a word");
        assert_eq!(key.len(), 44, "{}", file.display());
        keys += 1;
        for text in texts {
            assert!(!text.contains(&key[..16]), "a secret in {text}");
        }
    }
    assert!(keys >= 4, "{keys} keys");
}

#[test]
fn keys_are_made_shown_and_rotated_and_never_printed() {
    let folder = TestFolder::new("keys");
    let keys_folder = folder.path().join("keys");
    let (code, made, stderr) = keys("init", &keys_folder, &[]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&made, &["NIK key", "Keep a copy", "master", "active"]);
    let first = shown(&keys_folder);
    let kinds: Vec<_> = first.iter().map(|key| &key["kind"]).collect();
    assert_eq!(kinds, ["nik", "master", "audit", "token"]);
    assert!(first[2]["public_key"].is_string() && first[0]["public_key"].is_null());
    assert_eq!(first[1]["age_days"], 0);

    let (code, rotated, stderr) = keys("rotate", &keys_folder, &[]);
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = keys(
        "rotate",
        &keys_folder,
        &["--active-from", "2020-01-01T00:00:00Z"],
    );
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &["would never be used"]);
    // Both began in one second: the new one begins in the next.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let later = "2999-01-01T00:00:00Z";
    let (code, planned, stderr) = keys("rotate", &keys_folder, &["--active-from", later]);
    assert_eq!(code, 0, "{stderr}");
    let masters: Vec<_> = shown(&keys_folder)
        .into_iter()
        .filter(|key| key["kind"] == "master")
        .collect();
    assert_eq!(masters.len(), 3);
    let in_state = |state: &str| masters.iter().find(|key| key["state"] == state);
    let later_key = in_state("later").expect("one is planned");
    assert_eq!(later_key["from"], later);
    assert_says(
        &planned,
        &[later_key["id"].as_str().expect("an id"), "replicas"],
    );
    let active = in_state("active").expect("one is");
    assert!(rotated.contains(active["id"].as_str().expect("an id")));
    let old = in_state("reading").expect("the old one is still there");
    assert_eq!(old["id"], first[1]["id"]);

    let (_, table, _) = keys("show", &keys_folder, &[]);
    assert_says(&table, &["public key", "age, days", "reading"]);
    let json = keys("show", &keys_folder, &["--json"]).1;
    assert_no_secret(&keys_folder, &[&made, &rotated, &planned, &table, &json]);
    for file in files(&keys_folder) {
        let mode = std::fs::metadata(&file)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o600, "{}", file.display());
    }
}

#[test]
fn init_never_overwrites_and_leaves_nothing_behind() {
    let folder = TestFolder::new("keys-twice");
    let keys_folder = folder.path().join("keys");
    assert_eq!(keys("init", &keys_folder, &[]).0, 0);
    let before = shown(&keys_folder);
    let (code, stdout, stderr) = keys("init", &keys_folder, &[]);
    assert_eq!(code, 3, "{stdout}");
    assert_says(&stderr, &["never overwritten", "--keys"]);
    assert_eq!(shown(&keys_folder), before);
    assert_eq!(files(folder.path()), [keys_folder]);
}

#[test]
fn of_two_processes_that_make_keys_at_once_one_does() {
    let folder = TestFolder::new("keys-race");
    let keys_folder = folder.path().join("keys");
    let start = || {
        let mut command = padan();
        command.args(["keys", "init", "--keys"]).arg(&keys_folder);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("starts")
    };
    let started: Vec<_> = (0..4).map(|_| start()).collect();
    let ended = started
        .into_iter()
        .map(|it| it.wait_with_output().expect("ends"));
    let mut codes: Vec<_> = ended.map(|it| it.status.code()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(3), Some(3), Some(3)]);
    assert_eq!(shown(&keys_folder).len(), 4);
    assert_eq!(files(folder.path()), [keys_folder]);
}

#[test]
fn keys_that_cannot_be_used_exit_3_and_say_what_to_do() {
    let folder = TestFolder::new("keys-bad");
    let keys_folder = folder.path().join("keys");
    for action in ["show", "rotate"] {
        let (code, _, stderr) = keys(action, &keys_folder, &[]);
        assert_eq!(code, 3, "{stderr}");
        assert_says(&stderr, &["padan keys init", "--keys"]);
    }
    assert_eq!(keys("init", &keys_folder, &[]).0, 0);
    let nik = keys_folder.join("nik.key");
    let line = std::fs::read_to_string(&nik).expect("readable");
    std::fs::set_permissions(&nik, std::fs::Permissions::from_mode(0o644)).expect("set");
    let (code, _, stderr) = keys("show", &keys_folder, &[]);
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &["nik.key", "0644", "chmod 600"]);
    std::fs::set_permissions(&nik, std::fs::Permissions::from_mode(0o600)).expect("set");
    std::fs::write(&nik, line.trim_end().trim_end_matches(|c| c != ' ')).expect("written");
    for action in ["show", "rotate"] {
        let (code, _, stderr) = keys(action, &keys_folder, &[]);
        assert_eq!(code, 3, "{stderr}");
        assert_says(&stderr, &["nik.key", "line 1"]);
    }
    assert_eq!(
        files(&keys_folder).len(),
        4,
        "no master key was added to damaged keys"
    );
    std::fs::remove_file(&nik).expect("removed");
    let (code, _, stderr) = keys("show", &keys_folder, &[]);
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &["no nik key", "bring the file back"]);
}

#[test]
fn the_configuration_says_where_the_keys_are() {
    let folder = TestFolder::new("keys-config");
    let file = folder.path().join("padan.toml");
    let with_file = |action: &str| {
        let mut command = padan();
        command.args(["keys", action, "--config"]).arg(&file);
        run(command.env("SOME_KEYS", "padan-key-1 nik secret"))
    };
    std::fs::write(&file, "").expect("written");
    assert_eq!(with_file("init").0, 0);
    assert_eq!(
        shown(&folder.path().join("keys")).len(),
        4,
        "beside the file"
    );
    let command = format!(
        "[keys]\ncommand = ['sh', '-c', 'cat {}/keys/*.key']",
        folder.path().display()
    );
    std::fs::write(&file, command).expect("written");
    let (code, stdout, stderr) = with_file("show");
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["master", "audit"]);
    let (code, _, stderr) = with_file("rotate");
    assert_eq!(code, 2, "{stderr}");
    assert_says(&stderr, &["to a folder only", "--keys"]);
    std::fs::write(&file, "[keys]\nenvironment = 'SOME_KEYS'").expect("written");
    let (code, _, stderr) = with_file("show");
    assert_eq!(code, 3, "{stderr}");
    assert_says(
        &stderr,
        &["SOME_KEYS", "line 1", "padan-key-1 KIND ID TIME KEY"],
    );
    assert!(!stderr.contains("secret"), "{stderr}");
    std::fs::write(&file, "[keys]\ncommand = []\ncommand_timeout_ms = 0").expect("written");
    let (code, _, stderr) = with_file("show");
    assert_eq!(code, 2, "{stderr}");
    assert_says(&stderr, &["keys.command is", "keys.command_timeout_ms"]);
    let (code, _, stderr) = keys("rotate", folder.path(), &["--active-from", "tomorrow"]);
    assert_eq!(code, 2, "{stderr}");
    assert_says(&stderr, &["2026-01-31T00:00:00Z"]);
}

fn certs(out: &Path, further: &[&str]) -> (i32, String, String) {
    run(padan()
        .args(["certs", "dev", "--out"])
        .arg(out)
        .args(further))
}

fn pem(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("readable")
}

fn identity(folder: &Path, name: &str) -> Identity {
    let [certificate, key] = ["pem", "key"].map(|end| pem(folder, &format!("{name}.{end}")));
    Identity::from_pem(certificate, key)
}

/// A server that asks its clients for a certificate; its address.
async fn serve(folder: &Path) -> String {
    let tls = ServerTlsConfig::new()
        .identity(identity(folder, "server"))
        .client_ca_root(Certificate::from_pem(pem(folder, "ca.pem")));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (_, service) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .tls_config(tls)
        .expect("certificates")
        .add_service(service);
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(server.serve_with_incoming(incoming));
    format!("https://{address}")
}

/// Whether a client that trusts `ca` and calls the server `host` is answered.
async fn is_answered(url: &str, ca: &str, host: &str, client: Option<Identity>) -> bool {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .domain_name(host);
    if let Some(client) = client {
        tls = tls.identity(client);
    }
    let endpoint = Channel::from_shared(url.to_owned()).expect("a URL");
    let Ok(channel) = endpoint
        .tls_config(tls)
        .expect("certificates")
        .connect()
        .await
    else {
        return false;
    };
    let request = HealthCheckRequest {
        service: String::new(),
    };
    HealthClient::new(channel).check(request).await.is_ok()
}

#[tokio::test]
async fn development_certificates_make_mutual_tls() {
    let folder = TestFolder::new("certs");
    let [own, other] = ["own", "other"].map(|name| folder.path().join(name));
    let (code, stdout, stderr) = certs(&own, &["--host", "padan.test"]);
    assert_eq!(code, 0, "{stderr}");
    assert_says(&stdout, &["ca.pem", "development only"]);
    assert_eq!(certs(&other, &[]).0, 0);
    let (url, ca) = (serve(&own).await, pem(&own, "ca.pem"));
    for role in Role::ALL.map(Role::name) {
        let client = Some(identity(&own, role));
        assert!(is_answered(&url, &ca, "localhost", client).await, "{role}");
    }
    let operator = || Some(identity(&own, "operator"));
    for host in ["127.0.0.1", "padan.test"] {
        assert!(is_answered(&url, &ca, host, operator()).await, "{host}");
    }
    assert!(
        !is_answered(&url, &ca, "padan.example", operator()).await,
        "another host"
    );
    assert!(
        !is_answered(&url, &ca, "localhost", None).await,
        "without a certificate"
    );
    let stranger = Some(identity(&other, "operator"));
    assert!(
        !is_answered(&url, &ca, "localhost", stranger).await,
        "of another CA"
    );
    let server = Some(identity(&own, "server"));
    assert!(
        !is_answered(&url, &ca, "localhost", server).await,
        "a server as a client"
    );
    let other_ca = pem(&other, "ca.pem");
    assert!(
        !is_answered(&url, &other_ca, "localhost", operator()).await,
        "another server"
    );
}

#[test]
fn certificates_are_whole_private_and_never_overwritten() {
    let folder = TestFolder::new("certs-twice");
    let out = folder.path().join("certs");
    assert_eq!(certs(&out, &[]).0, 0);
    let before: Vec<_> = files(&out)
        .iter()
        .map(|file| std::fs::read(file).expect("there"))
        .collect();
    assert_eq!(
        before.len(),
        17,
        "a CA, and eight certificates with their keys"
    );
    for file in files(&out) {
        let mode = std::fs::metadata(&file)
            .expect("there")
            .permissions()
            .mode()
            & 0o077;
        let is_key = file.extension().is_some_and(|end| end == "key");
        assert!(!is_key || mode == 0, "{}", file.display());
    }
    assert!(!out.join("ca.key").exists(), "nobody can add to them");
    let (code, _, stderr) = certs(&out, &[]);
    assert_eq!(code, 3, "{stderr}");
    assert_says(&stderr, &["never overwritten", "--out"]);
    let after: Vec<_> = files(&out)
        .iter()
        .map(|file| std::fs::read(file).expect("there"))
        .collect();
    assert_eq!(after, before);
    assert_eq!(files(folder.path()), [out]);
    let (code, _, stderr) = certs(&folder.path().join("more"), &["--host", "é"]);
    assert_eq!(code, 2, "{stderr}");
    assert_says(&stderr, &["--host"]);
    let (code, _, stderr) = certs(&folder.path().join("more"), &["--days", "0"]);
    assert_eq!(code, 2, "{stderr}");
}

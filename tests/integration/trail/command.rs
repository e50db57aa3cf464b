//! `padan audit` against a server.

use padan::grpc::proto::audit_server::AuditServer;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};

use super::tampering::unlock;
use super::{Scene, auditor};
use crate::store::{Home, on_both};
use crate::support::{TestFolder, padan, run};

on_both!(
    a_trail_is_checked_while_the_server_exports_it,
    an_export_is_a_file_that_is_checked_offline,
    a_server_that_refuses_leaves_no_file,
);

/// A server of the trail alone, whose callers are all one auditor. Returns its URL.
async fn serve(scene: &Scene, office: Option<&'static str>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let door = move |mut request: tonic::Request<()>| {
        request.extensions_mut().insert(auditor(office));
        Ok(request)
    };
    let service = AuditServer::with_interceptor(scene.service(), door);
    let server = Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    format!("http://{address}")
}

/// Runs `padan audit` without holding up the server.
async fn audit(args: Vec<String>) -> (i32, String, String) {
    let work = move || run(padan().arg("audit").args(args));
    tokio::task::spawn_blocking(work).await.expect("runs")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

async fn a_trail_is_checked_while_the_server_exports_it(home: &Home) {
    let scene = Scene::new(home, "a").await;
    scene.write(1..=1500).await;
    scene.sign().await;
    let url = serve(&scene, None).await;
    let key = scene.records.keys().audit_key().public().to_string();
    let folder = TestFolder::new(&format!("trail-command-{}", super::unique()));
    let saved = folder.path().join("saved.jsonl");
    let saved = saved.to_str().expect("UTF-8");
    let args = words(&["verify", &url, "--public-key", &key, "--save", saved]);
    let (code, stdout, stderr) = audit(args).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    // Header, 1500 entries, a checkpoint, and the entry about the export.
    assert!(stdout.contains("INTACT (1503 lines)"), "{stdout}");
    let file = std::fs::read_to_string(saved).expect("is there");
    assert!(scene.verify_file(&file).is_intact());
    unlock(home).await;
    let edit = "UPDATE audit_entries SET entry = replace(entry, 'entry 1234', 'entry X')";
    home.execute(edit).await.expect("the owner may");
    let args = words(&["verify", &url, "--public-key", &key, "--json"]);
    let (code, stdout, stderr) = audit(args).await;
    assert_eq!(code, 1, "{stdout}{stderr}");
    let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["first_finding"]["sequence"], 1234);
    assert_eq!(report["first_finding"]["fault"], "EDITED");
}

async fn an_export_is_a_file_that_is_checked_offline(home: &Home) {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new(home, "a").await;
    let other = scene.beside(home, "b").await;
    scene.write(1..=5).await;
    other.write(1..=3).await;
    let url = serve(&scene, None).await;
    let key = scene.records.keys().audit_key().public().to_string();
    let folder = TestFolder::new(&format!("trail-command-{}", super::unique()));
    let out = folder.path().join("trail.jsonl");
    let out = out.to_str().expect("UTF-8");
    for (more, writers) in [(&[][..], 2), (&["--writer", "b"], 1)] {
        let mut args = words(&["export", "--server", &url, "--out", out]);
        args.extend(words(more));
        let (code, stdout, stderr) = audit(args).await;
        assert_eq!(code, 0, "{stdout}{stderr}");
        let mode = std::fs::metadata(out)
            .expect("is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let args = words(&["verify", out, "--public-key", &key, "--json"]);
        let (code, stdout, stderr) = audit(args).await;
        assert_eq!(code, 0, "{stdout}{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!(report["chains"].as_array().map(Vec::len), Some(writers));
    }
}

async fn a_server_that_refuses_leaves_no_file(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let folder = TestFolder::new(&format!("trail-command-{}", super::unique()));
    let out = folder.path().join("trail.jsonl");
    let out = out.to_str().expect("UTF-8");
    let of_an_office = serve(&scene, Some("3174")).await;
    let export = |url: &str| words(&["export", "--server", url, "--out", out]);
    let (code, _, stderr) = audit(export(&of_an_office)).await;
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("PermissionDenied"), "{stderr}");
    let (code, _, stderr) = audit(words(&["verify", "http://127.0.0.1:1", "--save", out])).await;
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("is `padan serve` running"), "{stderr}");
    let url = serve(&scene, None).await;
    let (code, _, stderr) = audit([export(&url), words(&["--writer", "a b"])].concat()).await;
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("part.writer"), "{stderr}");
    let left = std::fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(left, 0);
}

//! `padan swap` at a server.

use serde_json::Value;

use super::{NEW, OLD, start};
use crate::support::{TestServer, padan, run};

/// Runs `padan swap …` at the server.
fn swap(server: &TestServer, args: &[&str]) -> (i32, String, String) {
    let mut command = padan();
    command
        .arg("swap")
        .args(args)
        .args(["--server", &server.url]);
    // The server runs in this process, and has to go on meanwhile.
    tokio::task::block_in_place(|| run(&mut command))
}

fn told(server: &TestServer, args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    let (code, stdout, stderr) = swap(server, &args);
    assert_eq!(code, 0, "{args:?}: {stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_walks_through_a_swap() {
    let server = start().await;
    let models = told(&server, &["list"]);
    assert_eq!(models["models"][0]["id"], OLD);
    assert_eq!(models["models"][0]["active"], true);
    let loaded = told(&server, &["load", NEW]);
    let contract = &loaded["models"][0]["contract_id"];
    let report = told(&server, &["shadow", NEW, "--share", "0.5", "--seed", "3"]);
    assert_eq!(report["candidate_contract_id"], *contract);
    assert_eq!(
        (&report["running"], &report["taken"]),
        (&true.into(), &0.into())
    );
    assert_eq!(told(&server, &["report"])["running"], true);
    assert_eq!(told(&server, &["stop"])["running"], false);
    let (code, _, stderr) = swap(&server, &["activate", NEW, "--contract", "another:1"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("another:1"), "{stderr}");
    let active = told(&server, &["activate", NEW]);
    assert_eq!(active["models"][0]["contract_id"], *contract);
    let (code, table, stderr) = swap(&server, &["list"]);
    assert_eq!(code, 0, "{stderr}");
    for part in [OLD, NEW, "active", "previous"] {
        assert!(table.contains(part), "no {part}: {table}");
    }
    let from = contract.as_str().expect("a contract");
    let back = told(&server, &["rollback", "--from", from]);
    assert_eq!(back["models"][0]["id"], OLD);
    let (code, _, stderr) = swap(&server, &["rollback", "--from", from]);
    assert_eq!(code, 3, "a repeated call does not go back and forth");
    assert!(stderr.contains(from), "{stderr}");
    assert_eq!(
        told(&server, &["unload", NEW, "--even-if-previous"])["unloaded"],
        NEW
    );
    for (args, code) in [
        (&["load", "no_such_model"][..], 2),
        (&["activate", NEW], 2),
        (&["shadow", OLD, "--share", "2"], 2),
        (&["rollback"], 3),
        (&["unload", OLD], 3),
    ] {
        let (found, _, stderr) = swap(&server, args);
        assert_eq!(found, code, "{args:?}: {stderr}");
    }
    server.assert_well().await;
}

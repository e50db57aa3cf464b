//! `padan serve` as a process of its own: how soon it is ready, how much memory it takes.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use padan::grpc::proto::face_verification_client::FaceVerificationClient;

use super::drive::Call;
use super::models::Models;
use super::server::Caller;

/// A started server.
pub struct ServerProcess {
    child: Child,
    /// Open for as long as the server runs: it may have more to say.
    _stdout: BufReader<ChildStdout>,
    url: String,
    /// From the start of the process to the announcement of its address.
    pub start_to_ready: Duration,
}

impl ServerProcess {
    /// Starts the binary with the repository's models and defaults.
    pub fn start(models: &Models) -> Self {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_padan"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
            ])
            .env_remove("PADAN_CONFIG")
            .env("PADAN_MODELS", &models.config.models)
            .env("PADAN_RUNTIME_LIBRARY", &models.config.runtime_library)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
        stdout.read_line(&mut line).expect("UTF-8");
        let start_to_ready = started.elapsed();
        let address = line.trim().strip_prefix("padan listens on ");
        let url = format!("http://{}", address.expect("the server announces itself"));
        Self {
            child,
            _stdout: stdout,
            url,
            start_to_ready,
        }
    }

    /// One connection to it that sends pairs.
    pub async fn caller(&self) -> Caller {
        let client = FaceVerificationClient::connect(self.url.clone()).await;
        Caller::of_pairs(client.expect("connects"))
    }

    /// The resident set after some calls, bytes.
    pub async fn resident_bytes_after(&self, calls: usize) -> f64 {
        let mut caller = self.caller().await;
        for _ in 0..calls {
            caller.call().await.expect("is answered");
        }
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("Linux, and the server runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        1024.0 * kibibytes.expect("has a VmRSS")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

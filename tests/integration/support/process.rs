//! The real binary, as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tonic::transport::Channel;

use super::config;

/// The real binary, with the repository's models and library, away from any folder they are
/// searched in.
pub fn padan() -> Command {
    let config = config();
    let mut command = Command::new(env!("CARGO_BIN_EXE_padan"));
    command
        .current_dir(std::env::temp_dir())
        .env_remove("PADAN_CONFIG")
        .env_remove("PADAN_LOG")
        .env("PADAN_MODELS", &config.models)
        .env("PADAN_RUNTIME_LIBRARY", &config.runtime_library);
    command
}

/// What a finished `padan` left: exit code, standard output, standard error.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("padan prints UTF-8");
    let code = output.status.code().expect("padan ends by itself");
    (code, text(output.stdout), text(output.stderr))
}

/// Starts `command` as `padan serve` on free ports, its output piped.
pub fn spawn_server(command: &mut Command) -> Child {
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

/// `padan serve` as a process of its own, on free ports.
pub struct ServerProcess {
    pub url: String,
    pub metrics_url: String,
    child: Child,
    stdout: Option<ReaderThread>,
    stderr: Option<ReaderThread>,
}

type ReaderThread = std::thread::JoinHandle<String>;

impl ServerProcess {
    /// Starts `command`, which is `padan` with whatever a test adds to it, as a server.
    pub fn start(mut command: Command) -> Self {
        let mut child = spawn_server(&mut command);
        let stderr = child.stderr.take().expect("is piped");
        let stderr = std::thread::spawn(|| std::io::read_to_string(stderr).expect("UTF-8"));
        let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
        let mut line = || {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("UTF-8");
            line.trim_end().to_owned()
        };
        let announced = [line(), line()];
        let [Some(address), Some(metrics_url)] = [
            announced[0].strip_prefix("padan listens on "),
            announced[1].strip_prefix("metrics on "),
        ] else {
            drop(child.wait());
            panic!(
                "no announcement: {announced:?}; {}",
                stderr.join().expect("readable")
            );
        };
        Self {
            url: format!("http://{address}"),
            metrics_url: metrics_url.to_owned(),
            child,
            stdout: Some(std::thread::spawn(|| {
                std::io::read_to_string(stdout).expect("UTF-8")
            })),
            stderr: Some(stderr),
        }
    }

    pub async fn client(&self) -> FaceVerificationClient<Channel> {
        FaceVerificationClient::connect(self.url.clone())
            .await
            .expect("connects")
    }

    /// The text of `/metrics`.
    pub fn metrics(&self) -> String {
        let address = self
            .metrics_url
            .trim_start_matches("http://")
            .trim_end_matches("/metrics");
        let mut stream = std::net::TcpStream::connect(address).expect("the metrics port answers");
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("writes");
        let answer = std::io::read_to_string(stream).expect("UTF-8");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer
    }

    /// The resident set of the server, bytes.
    pub fn resident_bytes(&self) -> usize {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("Linux, and the server runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        kibibytes.map(|n: usize| n * 1024).expect("has a VmRSS")
    }

    /// What the system limits the server to, as `/proc` shows it.
    pub fn limits(&self) -> String {
        let path = format!("/proc/{}/limits", self.child.id());
        std::fs::read_to_string(path).expect("Linux, and the server runs")
    }

    /// Lets no file grow beyond `bytes` that the server writes; none: lets them grow again.
    pub fn limit_file_size(&self, bytes: Option<u64>) {
        // What this process may do at most, its children may, too.
        let maximum = getrlimit(Resource::Fsize).maximum;
        let limit = Rlimit {
            current: bytes.or(maximum),
            maximum,
        };
        let server = Pid::from_child(&self.child);
        prlimit(Some(server), Resource::Fsize, limit).expect("a child's limits may be changed");
    }

    /// Sends SIGKILL, and waits until it is gone; the rest of standard output, standard error.
    pub fn kill(mut self) -> (String, String) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server ends");
        let [stdout, stderr] = [self.stdout.take(), self.stderr.take()]
            .map(|reader| reader.expect("is taken once").join().expect("readable"));
        (stdout, stderr)
    }

    /// Sends SIGTERM; exit code, the rest of standard output, standard error.
    pub fn terminate(mut self) -> (Option<i32>, String, String) {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.child.id().to_string()]);
        assert!(kill.status().expect("there is a `kill`").success());
        let status = self.child.wait().expect("the server ends");
        let [stdout, stderr] = [self.stdout.take(), self.stderr.take()]
            .map(|reader| reader.expect("is taken once").join().expect("readable"));
        (status.code(), stdout, stderr)
    }
}

impl Drop for ServerProcess {
    /// A test that failed leaves no server behind.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

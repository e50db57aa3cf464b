//! A PostgreSQL server of the tests' own: on a Unix socket in a temporary folder, stopped by the
//! last test that holds it, also when that test panics.

use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a start may take on a machine that does much else.
const START_MAX: Duration = Duration::from_mins(2);

/// A running server.
pub struct Postgres {
    folder: PathBuf,
    settings: &'static [&'static str],
    server: Child,
}

/// Who runs the server: PostgreSQL refuses root, so root lends it another user.
#[derive(Clone, Copy)]
struct User {
    ids: Option<(u32, u32)>,
}

impl User {
    fn unprivileged() -> Self {
        let ids = (id(&["-u"]) == Some(0)).then(|| {
            let of = |flag| id(&[flag, "postgres"]).or_else(|| id(&[flag, "nobody"]));
            of("-u").zip(of("-g")).expect("a user postgres or nobody")
        });
        Self { ids }
    }

    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
        command.env_clear().current_dir("/").env("LC_ALL", "C");
        command
    }
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().expect("id");
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A program of PostgreSQL's: in the search path, or where Debian puts it.
fn program(name: &str) -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test looks for the programs that this machine has"
    )]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    for version in versions.into_iter().flatten().flatten() {
        folders.push(version.path().join("bin"));
    }
    let found = folders.into_iter().map(|folder| folder.join(name));
    found
        .filter(|program| program.is_file())
        .find_map(|program| program.canonicalize().ok())
        .unwrap_or_else(|| panic!("no {name}: install the Debian package postgresql"))
}

/// The server of all tests that run now, started by the first of them.
pub fn shared() -> Arc<Postgres> {
    static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    // A start that failed in another test must not hide behind a poisoned lock.
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Postgres::start());
        *running = Arc::downgrade(&server);
        server
    })
}

impl Postgres {
    /// Makes a cluster and starts its server.
    pub fn start() -> Self {
        Self::start_with(&std::env::temp_dir(), &FOR_TESTS)
    }

    /// The same in a folder of `parent`, with settings of its own.
    pub fn start_with(parent: &Path, settings: &'static [&'static str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("padan-pg-{}-{number}", std::process::id());
        let folder = parent.join(name);
        let user = User::unprivileged();
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).create(&folder).expect("a new folder");
        if let Some((user, group)) = user.ids {
            chown(&folder, Some(user), Some(group)).expect("root may");
        }
        initialise(user, &folder);
        let server = serve(user, &folder, settings);
        let mut this = Self {
            folder,
            settings,
            server,
        };
        this.wait_until_ready();
        this
    }

    /// Ready once the server says so in its file.
    fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        let is_ready = |text: String| text.lines().nth(7).is_some_and(|s| s.trim() == "ready");
        loop {
            let file = std::fs::read_to_string(self.folder.join("data/postmaster.pid"));
            if file.is_ok_and(is_ready) {
                return;
            }
            if let Some(status) = self.server.try_wait().expect("a child") {
                let mut why = String::new();
                let stderr = self.server.stderr.take();
                let _ = stderr.map(|mut stderr| stderr.read_to_string(&mut why));
                panic!("PostgreSQL ended with {status}: {why}");
            }
            assert!(begun.elapsed() < START_MAX, "PostgreSQL does not get ready");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of a database of the server.
    pub fn address(&self, database: &str) -> String {
        let folder = self.folder.to_str().expect("UTF-8").replace('/', "%2F");
        format!("postgres://padan@{folder}/{database}")
    }

    /// Ends the server at once; the cluster stays.
    pub fn stop(&mut self) {
        self.signal("QUIT");
        self.server.wait().expect("a child");
    }

    /// Serves the cluster again after [`Self::stop`].
    pub fn restart(&mut self) {
        self.server = serve(User::unprivileged(), &self.folder, self.settings);
        self.wait_until_ready();
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.server.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once: its files are thrown away.
        self.signal("QUIT");
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn initialise(user: User, folder: &Path) {
    let output = user
        .command(&program("initdb"))
        .args(["--username", "padan", "--auth", "trust", "--encoding"])
        .args(["UTF8", "--locale", "C", "--no-sync", "--pgdata"])
        .arg(folder.join("data"))
        .output()
        .expect("initdb starts");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {why}");
}

const FOR_TESTS: [&str; 5] = [
    "listen_addresses=",
    // These tests end processes, not power: the system keeps what was written.
    "fsync=off",
    "max_connections=100",
    "shared_buffers=32MB",
    "deadlock_timeout=100ms",
];

fn serve(user: User, folder: &Path, settings: &[&str]) -> Child {
    let mut command = user.command(&program("postgres"));
    command.arg("-D").arg(folder.join("data"));
    command.arg("-k").arg(folder);
    for setting in settings {
        command.args(["-c", setting]);
    }
    // The log is read only when the server does not start; afterwards it goes to a file, so that
    // no pipe fills up.
    command.args(["-c", "logging_collector=on"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("postgres starts")
}

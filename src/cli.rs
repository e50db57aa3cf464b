//! One file for each subcommand. Exit codes: 0 match or success, 1 no match, not verifiable, not
//! intact or a gate not kept, 2 usage, 3 technical failure.

mod assess;
mod audit;
mod calibrate;
mod certs;
mod client;
mod compare;
mod demo;
mod evaluate;
mod import;
mod keys;
mod load;
mod models;
mod serve;
mod session;
mod swap;
mod trail;
mod verify;

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;

use self::compare::SessionEvaluator;
use crate::app::AppError;
use crate::config::{Args, Command, Config, ConfigError, SharedArgs};
use crate::telemetry::DEFAULT_FILTER;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something the caller gave is wrong.
    #[error("{0}")]
    Usage(String),
    /// Something broke.
    #[error("{0}")]
    Technical(String),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Technical(_) => ExitCode::from(3),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::Technical(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Technical(error.to_string())
    }
}

/// What a command answers when it did its work.
type Outcome = Result<ExitCode, Failure>;

/// The exit code of a command that ran and whose answer is "no".
const ANSWER_NO: u8 = 1;

/// Runs a command, and says on standard error what went wrong.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    run_command(args.command, &args.shared).unwrap_or_else(|failure| {
        eprintln!("padan: {failure}");
        failure.exit_code()
    })
}

fn run_command(command: Command, shared: &SharedArgs) -> Outcome {
    match command {
        Command::Serve(args) => serve::run(&Config::load_to_serve(shared, &args)?),
        // Asking a server takes no models and no runtime library here.
        Command::Verify(args) => match &args.server {
            Some(url) => verify::run_there(&args, url),
            None => verify::run_here(&args, &quiet(shared)?),
        },
        Command::Assess(args) => assess::run(&args, &quiet(shared)?),
        Command::Models(command) => models::run(&command, &quiet(shared)?),
        Command::Evaluate(args) => match &args.scores {
            Some(scores) => evaluate::run_scores(&args, scores),
            None => evaluate::run(&args, &quiet(shared)?),
        },
        Command::Calibrate(args) => calibrate::run(&args, &quiet(shared)?),
        Command::Compare(args) => {
            let shared = shared.for_comparison(&args);
            let config = quiet(&shared)?;
            compare::run(&args, &shared, &config, &mut SessionEvaluator::open(&args)?)
        }
        // Load is on another process, which has the configuration.
        Command::Load(args) => load::run(&args),
        // The models are there.
        Command::Swap(command) => swap::run(&command),
        // The list is here, the models are there.
        Command::Import(args) => import::run(&args),
        // Keys and certificates need no models.
        Command::Keys(command) => keys::run(&command, shared),
        Command::Certs(command) => certs::run(&command),
        // An auditor's machine has no models.
        Command::Audit(command) => audit::run(&command),
        Command::Trail(command) => trail::restore(command.is_json(), &quiet(shared)?),
        Command::Demo(args) => demo::run(&args, &quiet(shared)?),
    }
}

/// The configuration for commands that print an answer: they log warnings only, unless told
/// otherwise.
fn quiet(shared: &SharedArgs) -> Result<Config, Failure> {
    let config = Config::load(shared)?;
    let filter = match config.log_filter.as_str() {
        DEFAULT_FILTER => "warn",
        other => other,
    };
    crate::telemetry::start_logging(config.log_format, filter);
    Ok(config)
}

/// The bytes of a sample named on the command line.
fn read_sample(path: &Path) -> Result<Bytes, Failure> {
    std::fs::read(path)
        .map(Bytes::from)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// Finds out before the work whether its results have a place to go.
fn check_outputs<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    for path in paths {
        // The parent of a name alone is empty.
        let folder = path.parent().unwrap_or(path);
        let has_folder = folder.as_os_str().is_empty() || folder.is_dir();
        if path != Path::new("-") && (path.is_dir() || !has_folder) {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "cannot write {path}: name a file in a folder that is there"
            )));
        }
    }
    Ok(())
}

/// Writes a file named on the command line; "-" is standard output.
fn write_output(path: &Path, content: &str) -> Result<(), Failure> {
    if path == Path::new("-") {
        print(&content);
        return Ok(());
    }
    std::fs::write(path, content).map_err(|error| not_written(path, &error))
}

/// Writes a page that shows faces, for its owner alone; "-" is standard output.
fn write_faces(path: &Path, page: &str) -> Result<(), Failure> {
    const OWNER_ALONE: u32 = 0o600;
    if path == Path::new("-") {
        print(&page);
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true);
        let mut file = options.mode(OWNER_ALONE).open(path)?;
        // One that was there has kept its mode; what is no file has no faces to keep.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(OWNER_ALONE))?;
        }
        file.write_all(page.as_bytes())
    };
    write().map_err(|error| not_written(path, &error))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Technical(format!("cannot write {}: {error}", path.display()))
}

/// Prints for whoever reads the standard output; that nobody does any more breaks nothing.
fn print(text: &impl std::fmt::Display) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// A runtime for commands that talk to a server, or are one.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

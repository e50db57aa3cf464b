//! The command line.

mod audit;
mod client;
mod compare;
mod dataset;
mod evaluate;
mod import;
mod keys;
mod load;
mod models;
mod results;
mod swap;
mod trail;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use audit::{AuditCommand, AuditExportArgs, AuditVerifyArgs, TrailPartArgs};
pub use client::ClientTlsArgs;
pub use compare::CompareArgs;
pub use dataset::{DEFAULT_TARGETS, DatasetArgs, ListFormat};
pub use evaluate::{CalibrateArgs, EvaluateArgs};
pub use import::ImportArgs;
pub use keys::{CertsCommand, CertsDevArgs, KeysCommand, KeysFolder};
pub use load::{LoadArgs, LoadClass, LoadMode};
pub use models::{ModelAddArgs, ModelsCommand};
pub use results::ResultArgs;
pub use swap::{
    SwapActivateArgs, SwapArgs, SwapCommand, SwapModelArgs, SwapShadowArgs, SwapUnloadArgs,
};

use self::trail::TrailCommand;
use super::LogFormat;
use crate::model::ProviderKind;

/// Face verification: is the person in this live selfie the person in the enrolled portrait?
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub shared: SharedArgs,
}

impl Args {
    /// The command line of this process. Ends it where there is nothing to run: with the help that
    /// was asked for, or with what is wrong.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// A command line, the program first.
    ///
    /// # Errors
    /// When it cannot be understood, or part of it would be lost; when help was asked for.
    pub fn read(typed: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let typed: Vec<OsString> = typed.into_iter().collect();
        let args = Self::try_parse_from(&typed)?;
        if let Command::Compare(_) = args.command {
            let conflict = |text: String| Self::command().error(ErrorKind::ArgumentConflict, text);
            compare::check_models_typed_once(&typed).map_err(conflict)?;
        }
        Ok(args)
    }
}

/// What every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SharedArgs {
    /// Configuration file (TOML); docs/operating.md lists its keys
    #[arg(long, global = true, value_name = "FILE", env = "PADAN_CONFIG")]
    pub config: Option<PathBuf>,
    /// ONNX Runtime shared library
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PADAN_RUNTIME_LIBRARY"
    )]
    pub runtime_library: Option<PathBuf>,
    /// Folder of manifest.toml, models and calibrations
    #[arg(long, global = true, value_name = "DIR", env = "PADAN_MODELS")]
    pub models: Option<PathBuf>,
    /// Embedder of the manifest; it comes with its own calibration
    #[arg(long, global = true, value_name = "ID", env = "PADAN_EMBEDDER")]
    pub embedder: Option<String>,
    /// Where embeddings are computed [default: cpu]
    #[arg(long, global = true, value_name = "NAME", env = "PADAN_PROVIDER")]
    pub provider: Option<ProviderKind>,
    /// Which logs to write, for example "info" or "padan=debug"
    #[arg(long, global = true, value_name = "FILTER", env = "PADAN_LOG")]
    pub log: Option<String>,
    /// How log lines look
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The commands. Exit codes: 0 match or success, 1 no match, not verifiable or not intact,
/// 2 usage, 3 technical failure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve gRPC until SIGTERM or Ctrl-C
    Serve(ServeArgs),
    /// Compare two samples; exit code 0: match, 1: anything else was decided
    Verify(VerifyArgs),
    /// Assess one sample: faces, quality, what the operator should do
    Assess(AssessArgs),
    /// List, check, measure, add or prepare models
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Change the model of a running server: load, try in shadow, activate, roll back (role admin)
    #[command(subcommand)]
    Swap(SwapCommand),
    /// Measure accuracy on a list of pairs
    Evaluate(EvaluateArgs),
    /// Measure an embedder's thresholds and write the calibration that a server decides by
    Calibrate(CalibrateArgs),
    /// Measure candidates against a baseline; exit code 1 when one does not pass the gate
    Compare(CompareArgs),
    /// Put load on a server and measure throughput and latency
    Load(LoadArgs),
    /// Enrol the portraits that a CSV file lists; exit code 0: all lines of this call are stored,
    /// 1: some were refused
    Import(ImportArgs),
    /// Make, rotate or show the keys of enrolment, evidence and tokens
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make certificates
    #[command(subcommand)]
    Certs(CertsCommand),
    /// Check or export the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Bring the audit trail of a restored backup back to service
    #[command(subcommand)]
    Trail(TrailCommand),
    /// Start servers, verify pairs, then enrol and verify people by NIK over gRPC, show the result
    Demo(DemoArgs),
}

/// `padan serve`
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// gRPC address, for example 127.0.0.1:50051; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Metrics address
    #[arg(long, value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
}

/// `padan verify`
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The live capture
    pub probe: PathBuf,
    /// The enrolled side
    pub reference: PathBuf,
    /// Ask this server (http://HOST:PORT or https://HOST:PORT) instead of working here
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// How to call the server.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
    /// Policy to decide by [default: activation]
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub policy: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write a report with pictures (it holds both faces: treat it as such)
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// `padan assess`
#[derive(Debug, clap::Args)]
pub struct AssessArgs {
    /// The sample
    pub image: PathBuf,
    /// Apply the limits for references instead of probes
    #[arg(long)]
    pub reference: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `padan demo`
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Folder of the portraits
    #[arg(long, value_name = "DIR", default_value = "tests/portraits")]
    pub portraits: PathBuf,
    /// Where to write the report
    #[arg(
        long,
        value_name = "FILE.html",
        default_value = "target/padan-demo.html"
    )]
    pub report: PathBuf,
}

/// A moment as typed.
fn rfc3339(text: &str) -> Result<OffsetDateTime, String> {
    let moment = OffsetDateTime::parse(text, &Rfc3339);
    moment.map_err(|_| "takes a time, for example 2026-01-31T00:00:00Z".to_owned())
}

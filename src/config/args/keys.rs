//! `padan keys` and `padan certs`

use std::path::PathBuf;

use clap::Subcommand;
use time::OffsetDateTime;

use super::rfc3339;

/// `padan keys`
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make new keys, in a folder that does not exist or is empty
    Init(KeysFolder),
    /// Add a master key; the older ones still unwrap what they wrapped
    Rotate {
        /// Where the keys are
        #[command(flatten)]
        folder: KeysFolder,
        /// When it becomes active, for example 2026-01-31T00:00:00Z: time to bring it to all
        /// replicas [default: at once]
        #[arg(long, value_name = "TIME", value_parser = rfc3339)]
        active_from: Option<OffsetDateTime>,
    },
    /// Show ids, ages and public keys; never a secret
    Show {
        /// Where the keys are
        #[command(flatten)]
        folder: KeysFolder,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Where the keys are.
#[derive(Debug, clap::Args)]
pub struct KeysFolder {
    /// Folder of the keys [default: `[keys]` of the configuration file, or `keys` beside it]
    #[arg(long, value_name = "DIR", env = "PADAN_KEYS_FOLDER")]
    pub keys: Option<PathBuf>,
}

/// `padan certs`
#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Make certificates for development: a CA, a server, a client for each role
    Dev(CertsDevArgs),
}

/// `padan certs dev`
#[derive(Debug, clap::Args)]
pub struct CertsDevArgs {
    /// Folder to make; it must not exist or be empty
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub out: PathBuf,
    /// Further host name or address of the server, beside those of this machine
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// Days for which they are valid
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=825))]
    pub days: u16,
}

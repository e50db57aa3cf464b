//! `padan trail`

use clap::Subcommand;

/// `padan trail`
#[derive(Debug, Subcommand)]
pub enum TrailCommand {
    /// Accept a restored database that is older than the journal: repeat the erasures that it has
    /// forgotten, and write down what it lost. Stop every padan on it before; exit code 1: the
    /// database was changed
    Restore {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl TrailCommand {
    /// Whether it answers in JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        match self {
            Self::Restore { json } => *json,
        }
    }
}

//! `padan audit`

use std::path::PathBuf;

use clap::Subcommand;
use time::OffsetDateTime;

use super::{ClientTlsArgs, rfc3339};

/// `padan audit`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check an audit trail, in a file or while a server exports it; exit code 0: intact,
    /// 1: broken, 2: usage, 3: unreadable
    Verify(AuditVerifyArgs),
    /// Write a server's audit trail into a file that `padan audit verify` checks offline
    Export(AuditExportArgs),
}

/// `padan audit verify`
#[derive(Debug, clap::Args)]
pub struct AuditVerifyArgs {
    /// The export: a file (JSON lines), "-" for standard input, or the URL of a server
    #[arg(value_name = "FILE|URL")]
    pub source: String,
    /// Key that must have signed it: 64 hexadecimal digits, or a file of them or of PEM. Get it
    /// another way than the export: a key out of the file proves only that the file fits itself
    #[arg(long, value_name = "FILE|HEX")]
    pub public_key: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Keep what the server exports in this file (it holds similarities: treat it as such)
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// What the server exports.
    #[command(flatten)]
    pub part: TrailPartArgs,
    /// How to call the server.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
}

/// `padan audit export`
#[derive(Debug, clap::Args)]
pub struct AuditExportArgs {
    /// The server, for example `https://padan.example:50051`
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// The file to write (it holds similarities: treat it as such)
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// What the server exports.
    #[command(flatten)]
    pub part: TrailPartArgs,
    /// How to call the server.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
}

/// Which part of a server's trail.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TrailPartArgs {
    /// Only the chain of this writer (`store.writer` of a process)
    #[arg(long, value_name = "NAME")]
    pub writer: Option<String>,
    /// From this time on, for example 2026-11-22T09:30:00Z
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub from: Option<OffsetDateTime>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = rfc3339)]
    pub until: Option<OffsetDateTime>,
}

impl TrailPartArgs {
    /// The options that were given.
    #[must_use]
    pub fn given(&self) -> Vec<&'static str> {
        let options = [
            ("--writer", self.writer.is_some()),
            ("--from", self.from.is_some()),
            ("--until", self.until.is_some()),
        ];
        let given = options.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(name, _)| name).collect()
    }
}

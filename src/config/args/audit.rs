//! `padan audit`

use std::path::PathBuf;

use clap::Subcommand;

/// `padan audit`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check an exported audit trail, offline; exit code 0: intact, 1: broken, 2: usage,
    /// 3: unreadable
    Verify(AuditVerifyArgs),
}

/// `padan audit verify`
#[derive(Debug, clap::Args)]
pub struct AuditVerifyArgs {
    /// The export (JSON lines); "-" is standard input
    pub file: PathBuf,
    /// Key that must have signed it: 64 hexadecimal digits, or a file of them or of PEM. Get it
    /// another way than the export: a key out of the file proves only that the file fits itself
    #[arg(long, value_name = "FILE|HEX")]
    pub public_key: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

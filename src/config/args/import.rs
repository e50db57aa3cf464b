//! `padan import`

use std::path::PathBuf;

use super::ClientTlsArgs;

/// `padan import`
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The list: CSV with the columns `nik`, `portrait` (a file, relative to the list),
    /// `captured_on` (YYYY-MM-DD, may be empty) and `source` (registry or card-chip)
    #[arg(value_name = "FILE.csv")]
    pub list: PathBuf,
    /// The server (http://HOST:PORT or https://HOST:PORT)
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// Name of this import: with the same name and list it resumes [default: the list's SHA-256]
    #[arg(long, value_name = "ID")]
    pub import_id: Option<String>,
    /// Write the refused lines with their reasons as CSV ("-": to standard output); no NIKs. What
    /// resumes adds to it
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    /// How to call the server.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

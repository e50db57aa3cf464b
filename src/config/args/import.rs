//! `padan import`

use std::path::PathBuf;

/// `padan import`
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The list: CSV with the columns `nik`, `portrait` (a file, relative to the list),
    /// `captured_on` (YYYY-MM-DD, may be empty) and `source` (registry or card-chip)
    #[arg(value_name = "FILE.csv")]
    pub list: PathBuf,
    /// The server (http://HOST:PORT)
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// Name of this import: with the same name and list it resumes [default: the list's SHA-256]
    #[arg(long, value_name = "ID")]
    pub import_id: Option<String>,
    /// Write the refused lines with their reasons as CSV ("-": to standard output); no NIKs
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    /// PEM file of the certificate that this client shows
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// PEM file of the authority that signed the server's certificate [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

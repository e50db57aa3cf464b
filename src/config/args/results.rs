//! What `padan evaluate` and `padan compare` measure besides, and where their results go.

use std::path::{Path, PathBuf};

/// What is measured besides, and where results go.
#[derive(Debug, Clone, clap::Args)]
pub struct ResultArgs {
    /// Measure samples that were made worse, too: each way takes as long as the first pass
    #[arg(long)]
    pub degradations: bool,
    /// Write the result as JSON ("-": to standard output)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page for people
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Write the tables for a pull request ("-": to standard output)
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

impl ResultArgs {
    /// The files that were named.
    pub fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let paths = [&self.json, &self.report, &self.markdown];
        paths.into_iter().flatten()
    }

    /// Whether a result goes to standard output: whoever reads it there reads nothing else.
    #[must_use]
    pub fn is_on_standard_output(&self) -> bool {
        self.paths().any(|path| path == Path::new("-"))
    }
}

//! The `padan` binary: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use padan::config::Args;

fn main() -> ExitCode {
    padan::cli::run(Args::parse())
}

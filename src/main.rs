//! The `padan` binary: arguments in, exit code out.

use std::process::ExitCode;

use padan::config::Args;

fn main() -> ExitCode {
    padan::config::silence_runtime_telemetry();
    padan::cli::run(Args::of_this_process())
}

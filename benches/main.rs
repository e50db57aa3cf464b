//! Measures of padan's speed, in one binary: one link, and every measure of a run on the same
//! loaded models. `make bench` and `make bench-guard` say how it is called.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench fails by panicking, and its counts fit in a float"
)]

mod decoders;
mod evaluation;
mod guard;
mod instructions;
mod records;
mod request;
mod stages;
mod support;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use support::models::Models;
use support::report::Report;

/// Measures padan's speed.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Cargo says so to every bench.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Time of each stage, by criterion.
    Stages(Output),
    /// JPEG decoders side by side, on the selfie and on large pictures made from it.
    Decoders(Output),
    /// Latency of one caller, throughput at saturation, behaviour below and beyond it.
    Request(RequestOptions),
    /// A stored reference against one in memory.
    Records(RequestOptions),
    /// Samples through an evaluation against the bare pipeline.
    Evaluation {
        #[command(flatten)]
        options: RequestOptions,
        /// JPEGs in this folder and those inside, instead of the repository's portraits.
        #[arg(long, value_name = "DIR")]
        images: Option<PathBuf>,
    },
    /// Stages, decoders and requests in one table.
    All(RequestOptions),
    /// Compares instruction counts and timed ratios with benches/baseline.toml.
    Guard {
        /// Instruction counts only: the same on a busy machine.
        #[arg(long)]
        deterministic: bool,
    },
    /// Writes benches/baseline.toml anew.
    Baseline {
        /// Instruction counts only; the timed ratios stay as they are.
        #[arg(long)]
        deterministic: bool,
    },
    /// What runs under callgrind.
    #[command(hide = true)]
    Kernels,
}

#[derive(clap::Args)]
struct Output {
    /// Write the figures to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(clap::Args)]
struct RequestOptions {
    #[command(flatten)]
    output: Output,
    /// Seconds of each measure; there are 42, six of them twice as long.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Serve this embedder of the manifest instead of the default one.
    #[arg(long, value_name = "ID")]
    embedder: Option<String>,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Stages(output) => {
            let models = Models::load();
            let mut report = Report::new(&models);
            stages::measure(&models, &mut report);
            report.finish(output.json.as_deref());
        }
        Command::Decoders(output) => {
            let models = Models::load();
            let mut report = Report::new(&models);
            decoders::measure(&models, &mut report);
            report.finish(output.json.as_deref());
        }
        Command::Request(options) => {
            let models = Models::with_embedder(options.embedder.as_deref());
            let mut report = Report::new(&models);
            request::report(&models, options.seconds, &mut report);
            report.finish(options.output.json.as_deref());
        }
        Command::Records(options) => {
            let models = Models::with_embedder(options.embedder.as_deref());
            let mut report = Report::new(&models);
            records::report(&models, options.seconds, &mut report);
            report.finish(options.output.json.as_deref());
        }
        Command::Evaluation { options, images } => {
            let models = Models::with_embedder(options.embedder.as_deref());
            let mut report = Report::new(&models);
            evaluation::report(&models, options.seconds, images.as_deref(), &mut report);
            report.finish(options.output.json.as_deref());
        }
        Command::All(options) => {
            let models = Models::with_embedder(options.embedder.as_deref());
            let mut report = Report::new(&models);
            stages::measure(&models, &mut report);
            decoders::measure(&models, &mut report);
            request::report(&models, options.seconds, &mut report);
            report.finish(options.output.json.as_deref());
        }
        Command::Guard { deterministic } => return guard::run(deterministic),
        Command::Baseline { deterministic } => guard::rewrite_baseline(deterministic),
        Command::Kernels => instructions::run_kernels(&Models::load()),
    }
    ExitCode::SUCCESS
}

//! `padan load`

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use super::ClientTlsArgs;

/// Puts load on a server and measures it. Only use it on servers that are yours: it sends as many
/// photographs as you say. Exit code 3: nothing was answered with a decision.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// The server (http://HOST:PORT or https://HOST:PORT)
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// How to call the server.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
    /// The live capture; of a folder its JPEG, PNG and WebP files in turn
    #[arg(long, value_name = "FILE|DIR")]
    pub probe: PathBuf,
    /// The enrolled side, a photograph
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// closed: --concurrency calls in flight always; open: Poisson arrivals at --rate
    /// [default: closed, or open when a rate is given]
    #[arg(
        long,
        value_enum,
        value_name = "closed|open",
        hide_possible_values = true
    )]
    pub mode: Option<LoadMode>,
    /// closed: callers [default: 2]; open: most calls in flight, beyond which a call that is due
    /// counts as failed, UNSENT [default: 512]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// open: mean arrivals a second [default: 5]
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// open: one run at each of these rates, for a plot of latency over rate
    #[arg(
        long,
        value_name = "R,R,…",
        value_delimiter = ',',
        conflicts_with = "rate"
    )]
    pub rates: Option<Vec<f64>>,
    /// open: find the highest rate whose 99th percentile of latency stays at or under MS
    /// milliseconds and that loses at most --lost-max of its calls, beginning at --rate
    #[arg(long, value_name = "MS", conflicts_with = "rates")]
    pub find_limit_p99: Option<f64>,
    /// With --find-limit-p99: percentage of calls that may be refused or fail
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    pub lost_max: f64,
    /// Measured seconds of each run
    #[arg(long, value_name = "S", default_value = "15", value_parser = seconds)]
    pub duration: Duration,
    /// Seconds before measuring
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub warmup: Duration,
    /// Go on until three windows agree, at most S seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub until_stable: Option<Duration>,
    /// By how much the throughput of the three windows of a stable run may differ from their mean
    /// (in an open loop, instead, the share of calls that was decided);
    /// also the precision of --find-limit-p99
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub tolerance: f64,
    /// Longest time for a call; the server is told
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub deadline_ms: u64,
    /// How urgent the calls are
    #[arg(long, value_enum, value_name = "CLASS", default_value_t = LoadClass::Activation)]
    pub class: LoadClass,
    /// Policy to decide by [default: activation]
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub policy: String,
    /// HTTP/2 connections [default: one for each 64 of --concurrency]
    #[arg(long, value_name = "N")]
    pub connections: Option<std::num::NonZeroUsize>,
    /// open: the same seed gives the same arrivals
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the result as JSON ("-": to standard output)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Draw latency and throughput over the offered rate
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// How calls arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LoadMode {
    /// A number of callers.
    Closed,
    /// Poisson arrivals.
    Open,
}

/// How urgent calls are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LoadClass {
    /// A person waits in front of a camera.
    LiveCheck,
    /// A person waits for an activation.
    Activation,
    /// Nobody waits.
    Bulk,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Result<f64, _> = text.parse();
    let duration = seconds.ok().map(Duration::try_from_secs_f64);
    match duration {
        Some(Ok(duration)) => Ok(duration),
        _ => Err("takes seconds, for example 30 or 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_from_zero_on() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        for wrong in ["", "ten", "-1", "NaN", "inf", "1e400", "5s"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}

//! What to run, and why it cannot be run.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::message::Workload;
use crate::grpc::{ClientTls, STREAMS_MAX};

/// Mean arrivals a second that an open loop takes.
pub const RATES: RangeInclusive<f64> = 0.01..=100_000.0;

/// How calls arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// So many calls in flight always.
    Closed {
        /// Number of callers, 1 to 10,000.
        callers: usize,
    },
    /// Poisson arrivals.
    Open {
        /// Mean arrivals a second, 0.01 to 100,000.
        rate: f64,
        /// The same seed gives the same arrivals.
        seed: u64,
        /// Most calls in flight, 1 to 10,000.
        in_flight_max: usize,
    },
}

impl Arrivals {
    /// Most calls in flight.
    #[must_use]
    pub fn in_flight_max(&self) -> usize {
        match self {
            Self::Closed { callers } => *callers,
            Self::Open { in_flight_max, .. } => *in_flight_max,
        }
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL of the server, for example `http://127.0.0.1:50051`.
    pub server: String,
    /// Certificates for it.
    pub tls: ClientTls,
    /// What to ask for.
    pub workload: Workload,
    /// How calls arrive.
    pub arrivals: Arrivals,
    /// HTTP/2 connections that the calls take in turn.
    pub connections: NonZeroUsize,
    /// Time before measuring; calls that are due in it are not measured.
    pub warmup: Duration,
    /// Measured time.
    pub duration: Duration,
    /// Go on until the windows agree, for as long as this at the most, in place of `duration`.
    pub duration_max: Option<Duration>,
    /// Share by which windows may differ from their mean, for example 0.05.
    pub tolerance: f64,
    /// Longest time for a call; the server is told.
    pub deadline: Duration,
}

/// Nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The settings make no run: every mistake, not only the first.
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
    /// Nobody answers there, or not as padan would.
    #[error("{0}")]
    Server(String),
    /// The server takes no such request.
    #[error("the server refuses the request: {0}")]
    Request(String),
    /// It was told to stop while it still connected.
    #[error("stopped before anything was measured")]
    Stopped,
    /// The system gave no thread or no memory.
    #[error("this machine cannot run the load: {0}")]
    Machine(String),
}

impl Settings {
    /// # Errors
    /// Every mistake in these settings.
    pub fn check(&self) -> Result<(), LoadError> {
        let mut mistakes = Vec::new();
        let mut require = |holds: bool, mistake: &str| {
            if !holds {
                mistakes.push(mistake.to_owned());
            }
        };
        require(!self.workload.is_empty(), "no probe: name one with --probe");
        if let Arrivals::Open { rate, .. } = self.arrivals {
            require(
                RATES.contains(&rate),
                "--rate takes 0.01 to 100000 calls a second",
            );
        }
        let in_flight_max = self.arrivals.in_flight_max();
        require(
            (1..=10_000).contains(&in_flight_max),
            "--concurrency takes 1 to 10000 calls in flight",
        );
        let streams_max = usize::try_from(STREAMS_MAX).unwrap_or(usize::MAX);
        let connections = self.connections.get();
        require(connections <= 1_000, "--connections takes 1 to 1000");
        require(
            in_flight_max.div_ceil(connections) <= streams_max,
            &format!(
                "a connection carries {streams_max} calls at a time: take --connections {} or more \
                 for --concurrency {in_flight_max}",
                in_flight_max.div_ceil(streams_max)
            ),
        );
        let day = Duration::from_hours(24);
        let least = Duration::from_millis(300);
        require(
            (least..=day).contains(&self.duration),
            "--duration takes 0.3 to 86400 seconds",
        );
        require(self.warmup <= day, "--warmup takes 0 to 86400 seconds");
        require(
            self.duration_max
                .is_none_or(|longest| (self.duration..=day).contains(&longest)),
            "--until-stable takes seconds, from --duration up to 86400",
        );
        require(
            self.tolerance > 0.0 && self.tolerance < 1.0,
            "--tolerance takes a percentage above 0 and below 100",
        );
        let deadlines = Duration::from_millis(1)..=Duration::from_mins(10);
        require(
            deadlines.contains(&self.deadline),
            "--deadline-ms takes 1 to 600000",
        );
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(LoadError::Settings(mistakes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto;
    use bytes::Bytes;

    fn settings() -> Settings {
        let probes = vec![Bytes::from_static(b"probe")];
        Settings {
            server: "http://127.0.0.1:1".to_owned(),
            tls: ClientTls::default(),
            workload: Workload::new(probes, proto::VerifyRequest::default()),
            arrivals: Arrivals::Closed { callers: 256 },
            connections: NonZeroUsize::MIN,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(1),
            duration_max: None,
            tolerance: 0.05,
            deadline: Duration::from_secs(1),
        }
    }

    fn mistakes(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = settings();
        change(&mut settings);
        match settings.check() {
            Err(LoadError::Settings(mistakes)) => mistakes,
            Err(error) => panic!("{error}"),
            Ok(()) => Vec::new(),
        }
    }

    #[test]
    fn good_settings_pass() {
        assert_eq!(mistakes(|_| {}), [""; 0]);
        assert_eq!(mistakes(|s| s.duration_max = Some(s.duration)), [""; 0]);
    }

    type Change = Box<dyn FnOnce(&mut Settings)>;

    #[test]
    fn each_mistake_names_the_flag_that_mends_it() {
        let open = |rate| Arrivals::Open {
            rate,
            seed: 1,
            in_flight_max: 1,
        };
        let cases: Vec<(&str, Change)> = vec![
            ("--rate", Box::new(move |s| s.arrivals = open(0.0))),
            ("--rate", Box::new(move |s| s.arrivals = open(f64::NAN))),
            (
                "--rate",
                Box::new(move |s| s.arrivals = open(f64::INFINITY)),
            ),
            (
                "--concurrency",
                Box::new(|s| s.arrivals = Arrivals::Closed { callers: 0 }),
            ),
            (
                "--connections 2",
                Box::new(|s| s.arrivals = Arrivals::Closed { callers: 257 }),
            ),
            ("--duration", Box::new(|s| s.duration = Duration::ZERO)),
            ("--warmup", Box::new(|s| s.warmup = Duration::MAX)),
            (
                "--until-stable",
                Box::new(|s| s.duration_max = Some(Duration::ZERO)),
            ),
            ("--tolerance", Box::new(|s| s.tolerance = 0.0)),
            ("--tolerance", Box::new(|s| s.tolerance = f64::NAN)),
            ("--deadline-ms", Box::new(|s| s.deadline = Duration::ZERO)),
            (
                "--probe",
                Box::new(|s| {
                    s.workload = Workload::new(Vec::new(), proto::VerifyRequest::default());
                }),
            ),
        ];
        for (flag, change) in cases {
            let mistakes = mistakes(change);
            assert_eq!(mistakes.len(), 1, "{flag}: {mistakes:?}");
            assert!(mistakes[0].contains(flag), "{flag}: {mistakes:?}");
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let mistakes = mistakes(|settings| {
            settings.duration = Duration::ZERO;
            settings.tolerance = 2.0;
        });
        assert_eq!(mistakes.len(), 2);
    }
}

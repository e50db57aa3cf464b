//! `padan load --server URL --probe FILE|DIR --reference FILE`

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::{Failure, Outcome, client};
use crate::config::{LoadArgs, LoadClass, LoadMode};
use crate::grpc::proto;
use crate::load::{self, Arrivals, LoadError, P99Limit, Progress, Settings, Watch, Workload};
use crate::report;
use crate::report::load::LoadReport;

/// Bytes of probes that are held at a time.
const PROBE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Calls that share a connection unless told otherwise.
const CALLS_PER_CONNECTION: usize = 64;

/// Modest, so that nobody presses a server by accident.
const CALLERS: usize = 2;
const RATE: f64 = 5.0;

/// Far above what a server has in flight that keeps up.
const IN_FLIGHT_MAX: usize = 512;

/// What is to be run.
#[derive(Debug, PartialEq)]
enum Task {
    Once,
    Sweep(Vec<f64>),
    Find(P99Limit),
}

pub fn run(args: &LoadArgs) -> Outcome {
    let task = task(args)?;
    let settings = settings(args)?;
    settings.check().map_err(failure)?;
    for path in [&args.json, &args.plot].into_iter().flatten() {
        check_output(path)?;
    }
    // One thread: the generator often shares the machine with the server.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(measure(&settings, &task))?;
    write_results(args, &result)?;
    let is_answered = result.series.runs.iter().any(|run| run.counts.ok > 0);
    Ok(if is_answered {
        ExitCode::SUCCESS
    } else {
        eprintln!("padan: {}", report::load::why_nothing(&result.series.runs));
        ExitCode::from(3)
    })
}

fn task(args: &LoadArgs) -> Result<Task, Failure> {
    if names_a_rate(args) && args.mode == Some(LoadMode::Closed) {
        let text = "--rate, --rates and --find-limit-p99 are of an open loop: take --mode open";
        return Err(Failure::Usage(text.to_owned()));
    }
    if let Some(rates) = &args.rates {
        if !rates.iter().all(|rate| load::RATES.contains(rate)) || rates.len() > 1_000 {
            let text = "--rates takes up to 1000 rates of 0.01 to 100000 calls a second, for \
                        example 5,10,20";
            return Err(Failure::Usage(text.to_owned()));
        }
        return Ok(Task::Sweep(rates.clone()));
    }
    let Some(milliseconds) = args.find_limit_p99 else {
        return Ok(Task::Once);
    };
    let p99 = Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default();
    if p99.is_zero() || !(0.0..100.0).contains(&args.lost_max) {
        let text = "--find-limit-p99 takes milliseconds above 0, --lost-max 0 to 99 percent";
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(Task::Find(P99Limit {
        p99,
        lost_max: args.lost_max / 100.0,
    }))
}

/// Only an open loop has a rate.
fn names_a_rate(args: &LoadArgs) -> bool {
    args.rate.is_some() || args.rates.is_some() || args.find_limit_p99.is_some()
}

fn settings(args: &LoadArgs) -> Result<Settings, Failure> {
    let arrivals = arrivals(args);
    let in_flight_max = arrivals.in_flight_max();
    let connections = NonZeroUsize::new(in_flight_max.div_ceil(CALLS_PER_CONNECTION));
    Ok(Settings {
        server: args.server.clone(),
        tls: client::client_tls(&args.server, &args.tls)?,
        workload: workload(args)?,
        arrivals,
        connections: args
            .connections
            .or(connections)
            .unwrap_or(NonZeroUsize::MIN),
        warmup: args.warmup,
        duration: args.duration,
        duration_max: args.until_stable,
        tolerance: args.tolerance / 100.0,
        deadline: Duration::from_millis(args.deadline_ms),
    })
}

fn arrivals(args: &LoadArgs) -> Arrivals {
    if args.mode == Some(LoadMode::Open) || names_a_rate(args) {
        Arrivals::Open {
            rate: args.rate.unwrap_or(RATE),
            seed: args.seed,
            in_flight_max: args.concurrency.unwrap_or(IN_FLIGHT_MAX),
        }
    } else {
        Arrivals::Closed {
            callers: args.concurrency.unwrap_or(CALLERS),
        }
    }
}

fn workload(args: &LoadArgs) -> Result<Workload, Failure> {
    let mut probes = Vec::new();
    let mut bytes = 0;
    for path in probe_files(&args.probe)? {
        let probe = super::read_sample(&path)?;
        bytes += probe.len();
        if bytes > PROBE_BYTES_MAX {
            return Err(Failure::Usage(format!(
                "{} holds more than {} MiB of probes: take fewer",
                args.probe.display(),
                PROBE_BYTES_MAX >> 20
            )));
        }
        probes.push(probe);
    }
    let class = match args.class {
        LoadClass::LiveCheck => proto::DeadlineClass::LiveCheck,
        LoadClass::Activation => proto::DeadlineClass::Activation,
        LoadClass::Bulk => proto::DeadlineClass::Bulk,
    };
    let reference: Bytes = super::read_sample(&args.reference)?;
    let request = proto::VerifyRequest {
        meta: Some(proto::RequestMeta {
            request_id: String::new(),
            deadline_class: class.into(),
        }),
        probe: None,
        reference: Some(proto::verify_request::Reference::ReferenceSample(
            proto::Sample { image: reference },
        )),
        policy: args.policy.clone(),
        ..Default::default()
    };
    Ok(Workload::new(probes, request))
}

/// The file itself, or the images of a folder by name.
fn probe_files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
        let is_image = ["jpg", "jpeg", "png", "webp"]
            .iter()
            .any(|image| extension == *image);
        if is_image && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::Usage(format!(
            "{} has no .jpg, .jpeg, .png or .webp file: name a photograph or a folder of some",
            path.display()
        )));
    }
    Ok(files)
}

/// A run of minutes must not end with "no such folder".
fn check_output(path: &Path) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "cannot write {}: there is no folder {}",
        path.display(),
        folder.display()
    )))
}

async fn measure(settings: &Settings, task: &Task) -> Result<LoadReport, Failure> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        // Without a handler Ctrl-C ends the process, as it should.
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.send_replace(true);
        }
        std::future::pending::<()>().await;
    });
    let bar = progress_bar();
    let show = |progress: &Progress| show(&bar, progress);
    let mut watch = Watch::new(&show, stopped);
    let result = match task {
        Task::Once => load::run(settings, &mut watch).await.map(LoadReport::of),
        Task::Sweep(rates) => {
            let series = load::sweep(settings, rates, &mut watch).await;
            series.map(|series| LoadReport {
                series,
                limit: None,
            })
        }
        Task::Find(limit) => {
            let found = load::find_rate(settings, *limit, &mut watch).await;
            found.map(|found| LoadReport {
                series: found.series,
                limit: Some((*limit, found.highest)),
            })
        }
    };
    bar.finish_and_clear();
    result.map_err(failure)
}

fn failure(error: LoadError) -> Failure {
    match error {
        LoadError::Server(text) => Failure::Technical(text),
        LoadError::Machine(_) | LoadError::Stopped => Failure::Technical(error.to_string()),
        LoadError::Settings(_) | LoadError::Request(_) => Failure::Usage(error.to_string()),
    }
}

fn write_results(args: &LoadArgs, result: &LoadReport) -> Result<(), Failure> {
    if let Some(path) = &args.json {
        super::write_output(path, &format!("{:#}", report::load::json(result)))?;
    }
    if let Some(path) = &args.plot {
        let plot = report::plot::latency_over_rate(&result.series.runs);
        super::write_output(path, &plot.map_err(Failure::Technical)?)?;
    }
    if args.json.as_deref() != Some(Path::new("-")) {
        super::print(&report::load::table(result));
    }
    Ok(())
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = "{bar:30} {elapsed}, {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    bar.set_length(milliseconds(progress.expected));
    bar.set_position(milliseconds(progress.elapsed));
    let counts = progress.counts;
    bar.set_message(format!(
        "{} ok, {} refused, {} failed, {} in flight",
        counts.ok, counts.refused, counts.failed, progress.in_flight
    ));
}

#[cfg(test)]
mod tests;

//! Time and memory of each model, measured in turns.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};

use super::process::{self, Told};
use crate::app::ModelSet;
use crate::cli::models::cost::room_for_bulk_work;
use crate::cli::session::interrupted;
use crate::cli::{Failure, read_sample};
use crate::config::{CompareArgs, Config, SharedArgs};
use crate::evaluation::cost::{
    Cost, CostError, Latency, Memory, StartTime, Throughput, latencies, one_after_another,
    throughputs,
};

/// Samples in memory at once while models are timed, bytes.
const SAMPLES_BYTES_MAX: usize = 256 << 20;

/// What the models cost, in their order. Processes of their own come first, while this one holds
/// no models. `stop` is looked at after each process, sample and turn.
pub fn measure(
    args: &CompareArgs,
    shared: &SharedArgs,
    configs: &[Config],
    paths: &[PathBuf],
    stop: &AtomicBool,
) -> Result<Vec<Cost>, Failure> {
    let chosen = spread_evenly(paths, args.cost_samples);
    let told = starts(args, shared, configs, &chosen, stop)?;
    let samples = read_samples(&chosen)?;
    let latencies = one_lane(args, configs, &samples, stop)?;
    let throughputs = all_lanes(args, configs, &samples, stop)?;
    let costs = told.into_iter().zip(latencies).zip(throughputs);
    Ok(costs
        .map(|((told, latency), throughput)| cost(told, latency, throughput))
        .collect())
}

/// How often each model is timed on one lane at most: samples without a face are left out.
pub fn times_max(args: &CompareArgs, paths: &[PathBuf]) -> usize {
    let samples = spread_evenly(paths, args.cost_samples).len();
    samples.saturating_mul(rounds(args))
}

/// Whether somebody wants no more.
fn go_on(stop: &AtomicBool) -> Result<(), CostError> {
    if stop.load(Ordering::Relaxed) {
        return Err(CostError::Interrupted);
    }
    Ok(())
}

fn cost(
    (start, memory): (StartTime, Option<Memory>),
    latency: Latency,
    throughput: Throughput,
) -> Cost {
    Cost {
        latency: latency.whole,
        embed: latency.embed,
        left_out: latency.left_out,
        throughput,
        start,
        memory,
    }
}

/// At most so many of the paths, from all over the list, the same ones each time.
fn spread_evenly(paths: &[PathBuf], most: u32) -> Vec<PathBuf> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let every = paths.len().div_ceil(most.max(1)).max(1);
    paths.iter().step_by(every).cloned().collect()
}

/// As many of the samples, from the first on, as may be in memory.
fn read_samples(paths: &[PathBuf]) -> Result<Vec<Bytes>, Failure> {
    let mut samples = Vec::new();
    let mut bytes = 0_usize;
    for path in paths.iter().map(PathBuf::as_path) {
        let sample = read_sample(path)?;
        bytes = bytes.saturating_add(sample.len());
        if bytes > SAMPLES_BYTES_MAX && !samples.is_empty() {
            break;
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Processes of each model, one at a time, in turns.
fn starts(
    args: &CompareArgs,
    shared: &SharedArgs,
    configs: &[Config],
    samples: &[PathBuf],
    stop: &AtomicBool,
) -> Result<Vec<(StartTime, Option<Memory>)>, Failure> {
    // Paths in a process's arguments are short of what systems take; a few tell what models hold.
    let samples = samples.get(..samples.len().min(200)).unwrap_or_default();
    let bar = bar("starts", configs.len() as u64 * u64::from(args.cost_rounds));
    let mut told: Vec<Vec<Told>> = configs.iter().map(|_| Vec::new()).collect();
    let mut ids: Vec<&str> = configs
        .iter()
        .map(|config| config.embedder.as_str())
        .collect();
    for begin in (0..).take(rounds(args)) {
        let round = one_after_another(&mut ids, begin, |id| {
            let told = process::start(shared, id, samples);
            bar.inc(1);
            // Ctrl-C ends such a process, too, which is no failure of it.
            go_on(stop).map_err(|error| failure(args, error)).and(told)
        })?;
        for (told, one) in told.iter_mut().zip(round) {
            told.push(one);
        }
    }
    bar.finish_and_clear();
    Ok(told.into_iter().map(summarised).collect())
}

/// Medians over the processes of one model.
fn summarised(told: Vec<Told>) -> (StartTime, Option<Memory>) {
    let starts: Vec<Duration> = told.iter().map(|one| one.start).collect();
    let mut sorted = starts.clone();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let mut memory: Vec<Memory> = told.into_iter().filter_map(|one| one.memory).collect();
    memory.sort_unstable_by_key(|memory| memory.worked_bytes);
    let memory = memory.get(memory.len() / 2).copied();
    (StartTime { median, starts }, memory)
}

fn one_lane(
    args: &CompareArgs,
    configs: &[Config],
    samples: &[Bytes],
    stop: &AtomicBool,
) -> Result<Vec<Latency>, Failure> {
    let pipelines = configs.iter().map(|config| {
        let settings = Arc::new(config.pipeline.clone());
        ModelSet::select(config)?
            .pipeline(&settings)
            .map_err(Failure::Technical)
    });
    let mut pipelines = pipelines.collect::<Result<Vec<_>, Failure>>()?;
    let rounds = args.cost_rounds;
    let bar = bar("latency", samples.len() as u64 * u64::from(rounds));
    let found = latencies(&mut pipelines, samples, rounds, &|| {
        bar.inc(1);
        go_on(stop)
    });
    bar.finish_and_clear();
    found.map_err(|error| failure(args, error))
}

fn all_lanes(
    args: &CompareArgs,
    configs: &[Config],
    samples: &[Bytes],
    stop: &AtomicBool,
) -> Result<Vec<Throughput>, Failure> {
    let engines = configs.iter().map(|config| {
        let mut config = config.clone();
        config.engine.queue_length_max = room_for_bulk_work(config.engine.lanes);
        Ok(Arc::new(ModelSet::select(&config)?).start_engine(&config)?)
    });
    let mut engines = engines.collect::<Result<Vec<_>, Failure>>()?;
    let bar = bar(
        "throughput",
        configs.len() as u64 * u64::from(args.cost_rounds),
    );
    let turn = Duration::from_secs(u64::from(args.cost_turn));
    let found = throughputs(&mut engines, samples, args.cost_rounds, turn, &|| {
        bar.inc(1);
        go_on(stop)
    });
    bar.finish_and_clear();
    found.map_err(|error| failure(args, error))
}

fn rounds(args: &CompareArgs) -> usize {
    usize::try_from(args.cost_rounds).unwrap_or(usize::MAX)
}

fn failure(args: &CompareArgs, error: CostError) -> Failure {
    match error {
        CostError::Interrupted => interrupted(&args.dataset, "while models were timed"),
        CostError::Pipeline(cause) => Failure::Technical(cause),
        error @ CostError::NoFaces => Failure::Usage(error.to_string()),
    }
}

fn bar(what: &'static str, length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = "{msg:10} {bar:40} {pos}/{len}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn samples_are_taken_from_all_over_the_list() {
        let paths: Vec<PathBuf> = (0..1000).map(|n| PathBuf::from(n.to_string())).collect();
        let chosen = spread_evenly(&paths, 200);
        assert_eq!(chosen.len(), 200);
        assert_eq!(
            (chosen[0].as_path(), chosen[199].as_path()),
            (Path::new("0"), Path::new("995"))
        );
        assert_eq!(spread_evenly(&paths[..3], 200), paths[..3]);
        assert!(spread_evenly(&paths, 300).len() <= 300);
        assert!(spread_evenly(&[], 10).is_empty());
    }

    #[test]
    fn starts_are_told_by_their_median_and_each() {
        let told = [30, 10, 20].map(|ms| Told {
            start: Duration::from_millis(ms),
            memory: Some(Memory {
                ready_bytes: ms,
                worked_bytes: ms * 2,
                samples: 5,
                lanes: 1,
            }),
        });
        let (start, memory) = summarised(told.into());
        assert_eq!(start.median, Duration::from_millis(20));
        assert_eq!(start.starts[0], Duration::from_millis(30));
        assert_eq!(memory.map(|memory| memory.worked_bytes), Some(40));
    }
}

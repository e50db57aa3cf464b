//! `padan models measure`: what each batch size costs on the configured provider, and how far its
//! golden faces are from the manifest's.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{Failure, Outcome};
use crate::app::ModelSet;
use crate::cli::print;
use crate::config::Config;
use crate::engine::BatchWorker;
use crate::model::DeviceSession;
use crate::report::table::new_table;

/// Median time of one batch.
struct Measured {
    bucket: usize,
    median: Duration,
}

impl Measured {
    fn ms(&self) -> f64 {
        self.median.as_secs_f64() * 1e3
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch size is small")]
    fn ms_per_face(&self) -> f64 {
        self.ms() / self.bucket as f64
    }
}

pub fn run(config: &Config, rounds: u32, as_json: bool) -> Outcome {
    let models = ModelSet::select(config)?;
    let technical = |cause: String| Failure::Technical(cause);
    let session = models.device_session();
    let mut session = session.map_err(|error| technical(error.to_string()))?;
    let measured = measure(&mut session, config, rounds).map_err(technical)?;
    // Before the golden faces make a session of their own.
    drop(session);
    let settings = Arc::new(config.pipeline.clone());
    let (found, expected) = models.golden_similarities(&settings).map_err(technical)?;
    let (provider, version) = (&config.provider, models.runtime_version());
    if as_json {
        let batches = measured.iter().map(|one| {
            json!({
                "batch_size": one.bucket,
                "latency_ms": one.ms(),
                "faces_per_s": 1e3 / one.ms_per_face(),
            })
        });
        let answer = json!({
            "provider": provider.kind.name(),
            "device": provider.device_name(),
            "runtime_version": version,
            "embedder": config.embedder,
            "rounds": rounds,
            "batches": batches.collect::<Vec<_>>(),
            "golden_similarity": { "found": found, "manifest": expected },
        });
        print(&format_args!("{answer:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    print(&format_args!(
        "{} on {} (device {}, {} threads), ONNX Runtime {version}, medians of {rounds} rounds",
        config.embedder,
        provider.kind,
        provider.device_name(),
        provider.session_threads(),
    ));
    let mut table = new_table(&["batch size", "ms a batch", "ms a face", "faces a second"]);
    for one in &measured {
        table.add_row([
            one.bucket.to_string(),
            format!("{:.1}", one.ms()),
            format!("{:.2}", one.ms_per_face()),
            format!("{:.1}", 1e3 / one.ms_per_face()),
        ]);
    }
    print(&format_args!("{table}"));
    match expected {
        Some(expected) => print(&format_args!(
            "golden faces: {found:.6}, manifest {expected:.4}, difference {:+.6}",
            found - expected
        )),
        None => print(&format_args!(
            "golden faces: {found:.6}; the manifest has no value"
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Each size in turn, round after round: what slows the machine for a while slows all of them.
fn measure(
    session: &mut DeviceSession,
    config: &Config,
    rounds: u32,
) -> Result<Vec<Measured>, String> {
    let buckets: Vec<usize> = config.provider.buckets.sizes().collect();
    let mut times = vec![Vec::new(); buckets.len()];
    for _ in 0..rounds {
        for (bucket, times) in buckets.iter().zip(&mut times) {
            let items = session.made_up_items(*bucket);
            let started = Instant::now();
            session.run(items, *bucket)?;
            times.push(started.elapsed());
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let measured = buckets.into_iter().zip(times);
    Ok(measured
        .map(|(bucket, times)| Measured {
            bucket,
            median: median(times),
        })
        .collect())
}

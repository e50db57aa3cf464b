//! What a stored reference costs: the same probes against a template in memory and against the
//! reference of a subject, with consent, attempts, a signed result and a durable entry. The two
//! take turns, many callers from time to time and a single one call by call, so that what the
//! machine's neighbours do hits both.

use std::time::Duration;

use serde_json::json;

use super::support::drive::{closed, in_turns};
use super::support::models::Models;
use super::support::report::{Report, number, table};
use super::support::server::{BenchServer, Caller, Kind};
use super::support::statistics::median;

/// Callers for each lane at saturation.
const CALLERS_PER_LANE: usize = 4;

/// Turns; an odd number, so that the median is one of them.
const ROUNDS: usize = 7;

/// What was measured of one kind, a value for each round.
#[derive(Default)]
struct Figures {
    /// Decisions a second with many callers.
    saturation: Vec<f64>,
    /// Milliseconds of one caller, median.
    latency: Vec<f64>,
}

/// Measures both and adds them to the report.
pub fn report(models: &Models, seconds: u64, report: &mut Report) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let time = Duration::from_secs(seconds);
    let [memory, stored] = runtime.block_on(measure(models, time));
    let ratios = |of: &dyn Fn(&Figures) -> &Vec<f64>| {
        let pairs = of(&stored).iter().zip(of(&memory));
        pairs
            .map(|(stored, memory)| stored / memory)
            .collect::<Vec<f64>>()
    };
    let throughput = median(&ratios(&|it| &it.saturation));
    let latency = median(&ratios(&|it| &it.latency));
    let mut rows = table(["", Kind::Template.name(), Kind::Subject.name(), "ratio"]);
    rows.add_row(vec![
        "saturation, decisions/s".into(),
        number(median(&memory.saturation), 1),
        number(median(&stored.saturation), 1),
        number(throughput, 3),
    ]);
    rows.add_row(vec![
        "one caller, p50 ms".into(),
        number(median(&memory.latency), 2),
        number(median(&stored.latency), 2),
        number(latency, 3),
    ]);
    let figures = json!({
        "memory_per_s": memory.saturation, "stored_per_s": stored.saturation,
        "memory_ms": memory.latency, "stored_ms": stored.latency,
        "throughput_ratio": throughput, "latency_ratio": latency,
    });
    report.add("records", rows, figures);
}

async fn measure(models: &Models, time: Duration) -> [Figures; 2] {
    let memory = BenchServer::start(models, Kind::Template).await;
    let stored = BenchServer::start(models, Kind::Subject).await;
    stored.enrol().await;
    let number = CALLERS_PER_LANE * models.config.engine.lanes.get();
    let callers = [memory.callers(number).await, stored.callers(number).await];
    let mut figures = [Figures::default(), Figures::default()];
    for callers in &callers {
        // The first calls of a connection are slower: windows open, buffers grow.
        closed(callers.clone(), Duration::from_secs(1))
            .await
            .assert_sound();
    }
    for _ in 0..ROUNDS {
        for (figures, callers) in figures.iter_mut().zip(&callers) {
            let saturation = closed(callers.clone(), time).await.assert_sound();
            figures.saturation.push(saturation.throughput());
        }
        let first = |callers: &Vec<Caller>| callers.first().expect("a caller").clone();
        let unloaded = in_turns(callers.each_ref().map(first), 2 * time).await;
        for (figures, unloaded) in figures.iter_mut().zip(unloaded) {
            figures.latency.push(unloaded.assert_sound().latency(0.5));
        }
    }
    figures
}

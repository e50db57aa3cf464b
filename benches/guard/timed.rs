//! The timed part: padan and its yardsticks in turn (A B A B), medians, ratios.

mod opencv;

use std::time::{Duration, Instant};

use super::Row;
use crate::request::{self, Measured};
use crate::support::drive::Call as _;
use crate::support::models::Models;
use crate::support::pictures::selfie;
use crate::support::process::{ServerProcess, padan};
use crate::support::server::Caller;
use crate::support::stage::{
    Stage, Stages, YARDSTICK, YARDSTICK_EMBED, yardstick_detect, yardstick_embed,
};
use crate::support::statistics::median;

/// Turns of all stages.
const TURNS: usize = 3;

/// Runs of each stage in a turn, the stages in turn.
const RUNS: usize = 20;

/// Seconds of each measure of whole requests.
const SECONDS: u64 = 4;

/// Floors are of an idle machine; a shared one is allowed this share of them.
const FLOOR_TOLERANCE: f64 = 0.05;

/// A stage of its own, and too short for a clock.
const COMPARE: &str = "compare and decide";

const FULL_DECODE: &str = "yardstick: the image crate's decoder";

/// Ratios for the baseline, and rows with bounds of their own.
pub struct Timed {
    /// Name and ratio to a bare yardstick.
    pub ratios: Vec<(String, f64)>,
    /// What must be reached, whatever the baseline says.
    pub floors: Vec<Row>,
    /// What is wanted but not reached yet.
    pub targets: Vec<Row>,
}

/// Measures everything that takes time.
pub fn measure(models: &Models) -> Timed {
    let stages = Stages::new(models);
    let mut all = stages.each(models);
    all.extend(stages.whole(models));
    all.extend([
        yardstick_detect(models),
        yardstick_embed(models),
        full_decode(),
    ]);
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    for turn in 0..TURNS {
        println!("turn {} of {TURNS} of all stages", turn + 1);
        time(&mut all, &mut taken);
    }
    let medians = named_medians(&all, &taken);
    let mut floors = opencv::floors(&mut all, models);
    let (ratios, mut targets) = (ratios(&medians), Vec::new());
    for measured in request::measure(models, SECONDS) {
        floors.extend(request_floors(&measured));
        targets.push(ceiling_row(tail_name(&measured), Ok(measured.tail()), 4.0));
    }
    floors.extend(process_floors());
    Timed {
        ratios,
        floors,
        targets,
    }
}

fn named_medians(stages: &[Stage], taken: &[Vec<f64>]) -> Vec<(String, f64)> {
    let medians = stages.iter().zip(taken);
    medians
        .map(|(stage, times)| (stage.name.clone(), median(times)))
        .collect()
}

fn full_decode() -> Stage {
    let selfie = selfie();
    Stage {
        name: FULL_DECODE.to_owned(),
        is_network: false,
        run: Box::new(move || {
            let decoded = image::load_from_memory(&selfie).expect("decodes");
            std::hint::black_box(decoded.into_rgb8());
        }),
    }
}

/// Every stage once, and again: noise hits all of them. The first run of a turn warms up.
fn time(stages: &mut [Stage], taken: &mut [Vec<f64>]) {
    for run in 0..=RUNS {
        for (stage, times) in stages.iter_mut().zip(&mut *taken) {
            let started = Instant::now();
            (stage.run)();
            if run > 0 {
                times.push(milliseconds(started.elapsed()));
            }
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn of(medians: &[(String, f64)], name: &str) -> f64 {
    let found = medians.iter().find(|(stage, _)| stage == name);
    found.expect("is measured").1
}

/// Each stage to the yardstick that is most like it.
fn ratios(medians: &[(String, f64)]) -> Vec<(String, f64)> {
    let yardstick = |name: &str| {
        if name.starts_with("decode") {
            FULL_DECODE
        } else if name.starts_with("embed") || name.starts_with("whole") {
            YARDSTICK_EMBED
        } else {
            YARDSTICK
        }
    };
    medians
        .iter()
        // A comparison of 0.1 µs is below what a clock says; its instructions are counted.
        .filter(|(name, _)| !name.starts_with("yardstick") && name != COMPARE)
        .map(|(name, time)| (name.clone(), time / of(medians, yardstick(name))))
        .collect()
}

fn floor_row(name: String, value: Result<f64, String>, floor: f64) -> Row {
    let allowed = floor * (1.0 - FLOOR_TOLERANCE);
    Row {
        name,
        note: match &value {
            Ok(_) => format!("must reach {floor}, −{:.0} %", FLOOR_TOLERANCE * 100.0),
            Err(cause) => cause.clone(),
        },
        value: value.ok(),
        least: Some(allowed),
        most: None,
    }
}

fn ceiling_row(name: String, value: Result<f64, String>, ceiling: f64) -> Row {
    Row {
        name,
        note: match &value {
            Ok(_) => format!("at most {ceiling}, +{:.0} %", FLOOR_TOLERANCE * 100.0),
            Err(cause) => cause.clone(),
        },
        value: value.ok(),
        least: None,
        most: Some(ceiling * (1.0 + FLOOR_TOLERANCE)),
    }
}

/// How the slow calls of an open loop at 80 % of saturation compare with the usual one of an idle
/// server. Random arrivals at constant service alone make 6 of it (`benches/queueing.py`), and a
/// busy neighbour of the machine makes 30: no baseline can guard it.
fn tail_name(measured: &Measured) -> String {
    format!("{}: p99 at 80 % / unloaded p50", measured.kind.name())
}

fn request_floors(measured: &Measured) -> Vec<Row> {
    let name = |what: &str| format!("{}: {what}", measured.kind.name());
    // That nothing is refused at twice the saturation means a queue without an end.
    let refusal = Ok(measured.refusal_ms().unwrap_or(f64::INFINITY));
    vec![
        floor_row(name("served / bare"), Ok(measured.served_to_bare()), 0.93),
        floor_row(
            name("goodput at twice saturation"),
            Ok(measured.goodput()),
            0.95,
        ),
        ceiling_row(name("refusal p99, ms"), refusal, 50.0),
    ]
}

/// Calls before a server's memory is looked at.
const CALLS: usize = 100;

/// A process of its own: start and memory.
fn process_floors() -> Vec<Row> {
    let command = padan();
    let started = Instant::now();
    let server = ServerProcess::start(command);
    let ready = started.elapsed().as_secs_f64();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut caller = Caller::of_pairs(server.client().await);
        for _ in 0..CALLS {
            caller.call().await.expect("is answered");
        }
    });
    vec![
        ceiling_row("start to ready, s".to_owned(), Ok(ready), 2.0),
        Row {
            name: format!("RSS of `padan serve` after {CALLS} pairs, MB"),
            value: Some(server.resident_bytes() as f64 / 1e6),
            least: None,
            // Memory does not depend on how busy the machine is.
            most: Some(250.0),
            note: "at most 250".to_owned(),
        },
    ]
}

//! Time of each stage, by criterion; its full statistics are in `target/criterion`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::Criterion;
use serde_json::{Value, json};

use super::support::models::Models;
use super::support::pictures::repository;
use super::support::report::{Report, number, table};
use super::support::stage::{Stage, Stages, yardstick_detect, yardstick_embed};

const WARM_UP: Duration = Duration::from_millis(500);
const MEASUREMENT: Duration = Duration::from_secs(3);

/// Runs of a stage: criterion needs ten; the median of 30 is steady.
const RUNS: usize = 30;

/// Measures every stage, the whole of a sample and the yardsticks.
pub fn measure(models: &Models, report: &mut Report) {
    let folder = repository().join("target/criterion");
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(&folder)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .sample_size(RUNS);
    let stages = Stages::new(models);
    let all: Vec<Stage> = [
        stages.each(models),
        stages.kernels(models),
        stages.whole(models),
        vec![yardstick_detect(models), yardstick_embed(models)],
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut rows = table(["stage, 1 thread", "median ms", "95 % from", "to"]);
    let mut figures = Vec::new();
    for mut stage in all {
        criterion.bench_function(&file_name(&stage.name), |bencher| {
            bencher.iter(&mut stage.run);
        });
        let [median, low, high] = median_ms(&folder.join(file_name(&stage.name)));
        rows.add_row([
            (&stage.name).into(),
            number(median, 4),
            number(low, 4),
            number(high, 4),
        ]);
        figures.push(json!({
            "stage": stage.name, "median_ms": median, "low_ms": low, "high_ms": high,
            "samples": RUNS,
        }));
    }
    report.add("stages", rows, Value::from(figures));
}

/// Criterion makes a folder of each name, and other characters of its own choice.
fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.chars().map(plain).collect()
}

/// Median and its 95 % interval, as criterion left them.
fn median_ms(folder: &Path) -> [f64; 3] {
    let path: PathBuf = folder.join("new/estimates.json");
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let estimates: Value = serde_json::from_str(&text).expect("JSON");
    let median = &estimates["median"];
    let interval = &median["confidence_interval"];
    [
        &median["point_estimate"],
        &interval["lower_bound"],
        &interval["upper_bound"],
    ]
    .map(|nanoseconds| nanoseconds.as_f64().expect("a number") / 1e6)
}

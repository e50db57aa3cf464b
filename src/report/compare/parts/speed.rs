//! What the models cost, and how that was measured.

use std::time::Duration;

use super::{NONE, Part, mebibytes, row, with_models};
use crate::evaluation::comparison::ModelComparison;
use crate::evaluation::cost::Cost;

/// A measure of cost: its name, its unit, and the number where it was measured.
type Measure = (&'static str, &'static str, fn(&Cost) -> Option<f64>);

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const MEASURES: [Measure; 9] = [
    ("latency, median", "ms", |cost| {
        Some(ms(cost.latency.median))
    }),
    ("latency, 90 %", "ms", |cost| Some(ms(cost.latency.p90))),
    ("latency, 99 %", "ms", |cost| Some(ms(cost.latency.p99))),
    ("embedding alone, median", "ms", |cost| {
        Some(ms(cost.embed.median))
    }),
    ("embedding alone, 99 %", "ms", |cost| {
        Some(ms(cost.embed.p99))
    }),
    ("throughput", "samples/s", |cost| {
        Some(cost.throughput.samples_per_s)
    }),
    ("start to ready, median", "ms", |cost| {
        Some(ms(cost.start.median))
    }),
    ("memory when ready", "MiB", |cost| {
        cost.memory.map(|memory| mebibytes(memory.ready_bytes))
    }),
    ("memory after samples", "MiB", |cost| {
        cost.memory.map(|memory| mebibytes(memory.worked_bytes))
    }),
];

/// Empty where nothing was timed.
pub fn speed(comparison: &ModelComparison) -> Part {
    let Some(baseline) = &comparison.baseline.cost else {
        return Part {
            title: "Speed and cost",
            how: String::new(),
            header: Vec::new(),
            rows: Vec::new(),
        };
    };
    let rows = MEASURES.map(|(name, unit, measure)| {
        let of_baseline = measure(baseline);
        row(comparison, format!("{name}, {unit}"), |model| {
            let found = model.cost.as_ref().and_then(measure);
            let (Some(found), Some(of_baseline)) = (found, of_baseline) else {
                return NONE.to_owned();
            };
            if std::ptr::eq(model, &raw const comparison.baseline) {
                return format!("{found:.1}");
            }
            format!("{found:.1} (× {:.3})", found / of_baseline)
        })
    });
    Part {
        title: "Speed and cost",
        how: how_measured(baseline),
        header: with_models(comparison, "measure"),
        rows: rows.to_vec(),
    }
}

fn how_measured(cost: &Cost) -> String {
    let throughput = &cost.throughput;
    let memory = cost.memory.map_or_else(
        || "This system does not tell how much memory a process holds.".to_owned(),
        |memory| {
            format!(
                "Memory: resident set of such a process with {}, when ready and after {}, median.",
                counted(memory.lanes as u64, "lane"),
                counted(memory.samples, "sample")
            )
        },
    );
    let left_out = cost.left_out as u64;
    format!(
        "In parentheses: the ratio to the baseline. Latency: one sample from its bytes to its \
         embedding, on one lane, {} for each model; the models took turns on each sample in \
         one process, and another began each time ({} without a face {} left out). \
         Throughput: {} busy for {} of {} s each, in turns, median. Start: a process \
         of its own from being started to being ready, {} in turns, median; files were in \
         memory already. {memory}",
        counted(cost.latency.count as u64, "time"),
        counted(left_out, "sample"),
        if left_out == 1 { "was" } else { "were" },
        counted(throughput.lanes as u64, "lane"),
        counted(throughput.turns.len() as u64, "turn"),
        throughput.turn.as_secs_f64(),
        counted(cost.start.starts.len() as u64, "time"),
    )
}

/// So many of something.
fn counted(count: u64, one: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {one}{plural}")
}

//! The guard: what was measured against what `baseline.toml` says and against the floors that must
//! hold on any machine. Ratios only, each to a yardstick of the same run.

mod baseline;
mod timed;

use std::process::ExitCode;

use comfy_table::Table;

use super::instructions;
use super::support::models::Models;
use super::support::report::{load_average, right, table};

use baseline::{Baseline, Entry};

/// Instruction counts differ by less than this between runs of one build; a change that costs
/// more is a change of the code.
const INSTRUCTIONS_TOLERANCE: f64 = 0.03;

/// Times of one run, in turn with their yardstick, still differ by so much between runs.
const TIMED_TOLERANCE: f64 = 0.25;

/// One measure, and between what it must lie.
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The figure; absent when it could not be measured.
    pub value: Option<f64>,
    /// Least that passes.
    pub least: Option<f64>,
    /// Most that passes.
    pub most: Option<f64>,
    /// Where the bounds come from, or why there is no figure.
    pub note: String,
}

/// How a row came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Holds,
    Broken,
    /// So much better that the baseline guards nothing any more.
    Better,
    NotMeasured,
    /// A target that is not reached yet.
    Missed,
}

impl Row {
    /// A ratio that must not grow beyond the baseline's.
    fn against(entry: &Entry, value: Option<f64>) -> Self {
        let percent = entry.tolerance * 100.0;
        let note = match value {
            Some(_) => format!("baseline {}, +{percent:.0} %", shown(entry.ratio)),
            None => "is in the baseline, but was not measured".to_owned(),
        };
        Self {
            name: entry.name.clone(),
            value,
            least: None,
            most: Some(entry.ratio * (1.0 + entry.tolerance)),
            note,
        }
    }

    fn outcome(&self) -> Outcome {
        let Some(value) = self.value else {
            return Outcome::NotMeasured;
        };
        let is_above = self.least.is_none_or(|least| value >= least);
        let is_below = self.most.is_none_or(|most| value <= most);
        if is_above && is_below {
            Outcome::Holds
        } else {
            Outcome::Broken
        }
    }
}

/// Measures, compares, prints; fails when a row is broken.
pub fn run(deterministic: bool) -> ExitCode {
    let models = Models::load();
    let baseline = Baseline::read();
    let mut is_whole = instruction_rows(&baseline).show("instructions / yardstick");
    if !deterministic {
        println!("load average before the timed part: {:.2}", load_average());
        is_whole &= timed_rows(&models, &baseline).show("timed");
    }
    if is_whole {
        println!("the guard holds");
        return ExitCode::SUCCESS;
    }
    for (what, then, now) in baseline.differences(&instructions::made_with(&models)) {
        println!(
            "the baseline was made with {what} {then}, this is {now}: counts may differ by it"
        );
    }
    println!(
        "THE GUARD IS BROKEN: the rows marked ✗ say where. A change that is meant to cost this is \
         entered with `make bench-baseline`, and explained in its commit."
    );
    ExitCode::FAILURE
}

/// Rows of one part of the guard.
struct Rows(Vec<(Row, Outcome)>);

impl Rows {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn add(&mut self, row: Row) {
        let outcome = row.outcome();
        self.0.push((row, outcome));
    }

    /// A row of a baseline: one that lost its measure is broken, and much better is worth a word.
    fn add_against(&mut self, entry: &Entry, value: Option<f64>) {
        let row = Row::against(entry, value);
        let least = entry.ratio * (1.0 - entry.tolerance);
        let outcome = match (row.outcome(), value) {
            (Outcome::NotMeasured, _) => Outcome::Broken,
            (Outcome::Holds, Some(value)) if value < least => Outcome::Better,
            (outcome, _) => outcome,
        };
        self.0.push((row, outcome));
    }

    /// Prints the rows; whether none is broken.
    fn show(&self, title: &str) -> bool {
        let mut rows: Table = table(["", title, "measured", "at least", "at most", ""]);
        for (row, outcome) in &self.0 {
            let (sign, word) = match outcome {
                Outcome::Holds => ("✓", ""),
                Outcome::Broken => ("✗", "BROKEN: "),
                Outcome::Better => ("✓", "better, enter it with `make bench-baseline`: "),
                Outcome::NotMeasured => ("–", "NOT MEASURED: "),
                Outcome::Missed => ("–", "TARGET MISSED (docs/performance.md says why): "),
            };
            let bound = |bound: Option<f64>| right(bound.map_or_else(String::new, shown));
            rows.add_row([
                sign.into(),
                row.name.as_str().into(),
                bound(row.value),
                bound(row.least),
                bound(row.most),
                format!("{word}{}", row.note).into(),
            ]);
        }
        println!("{rows}");
        let missing = |(_, outcome): &&(Row, Outcome)| *outcome == Outcome::NotMeasured;
        match self.0.iter().filter(missing).count() {
            0 => {}
            rows => println!("{rows} rows were NOT MEASURED: nothing is said about them"),
        }
        self.0
            .iter()
            .all(|(_, outcome)| *outcome != Outcome::Broken)
    }
}

/// Four decimals, and of small ratios two digits.
fn shown(ratio: f64) -> String {
    if ratio.abs() < 0.01 {
        format!("{ratio:.1e}")
    } else {
        format!("{ratio:.4}")
    }
}

fn instruction_rows(baseline: &Baseline) -> Rows {
    let counts = instructions::count();
    let mut rows = Rows::new();
    for entry in &baseline.instructions {
        let count = counts.iter().find(|count| count.name == entry.name);
        rows.add_against(entry, count.map(|count| count.ratio));
        if let (Some(count), Some((row, _))) = (count, rows.0.last_mut()) {
            let millions = count.instructions as f64 / 1e6;
            row.note = format!("{}; {millions:.3} million", row.note);
        }
    }
    for count in counts {
        let is_yardstick = count.name.starts_with("yardstick");
        if !is_yardstick
            && !baseline
                .instructions
                .iter()
                .any(|entry| entry.name == count.name)
        {
            rows.0
                .push((unknown(count.name, count.ratio), Outcome::Broken));
        }
    }
    rows
}

fn unknown(name: String, value: f64) -> Row {
    Row {
        name,
        value: Some(value),
        least: None,
        most: None,
        note: "not in the baseline: run `make bench-baseline`".to_owned(),
    }
}

fn timed_rows(models: &Models, baseline: &Baseline) -> Rows {
    let measured = timed::measure(models);
    let mut rows = Rows::new();
    for entry in &baseline.timed {
        let is_in_8_bits = entry.name.contains("int8") || entry.name.starts_with("whole");
        if is_in_8_bits && !has_fast_products() {
            let mut row = Row::against(entry, None);
            "the baseline is of a processor with 8-bit products (VNNI)".clone_into(&mut row.note);
            rows.0.push((row, Outcome::NotMeasured));
            continue;
        }
        let ratio = measured.ratios.iter().find(|(name, _)| *name == entry.name);
        rows.add_against(entry, ratio.map(|(_, ratio)| *ratio));
    }
    for (name, ratio) in &measured.ratios {
        if !baseline.timed.iter().any(|entry| entry.name == *name) {
            rows.0
                .push((unknown(name.clone(), *ratio), Outcome::Broken));
        }
    }
    measured.floors.into_iter().for_each(|row| rows.add(row));
    for row in measured.targets {
        let outcome = match row.outcome() {
            Outcome::Broken => Outcome::Missed,
            outcome => outcome,
        };
        rows.0.push((row, outcome));
    }
    rows
}

/// Whether this processor multiplies bytes in one instruction; others compute the same, slower.
fn has_fast_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::is_x86_feature_detected!("avx512vnni") || std::is_x86_feature_detected!("avxvnni");
    #[cfg(not(target_arch = "x86_64"))]
    true
}

/// Measures and writes `baseline.toml`.
pub fn rewrite_baseline(deterministic: bool) {
    let models = Models::load();
    let mut baseline = Baseline::read_if_there();
    let entry = |tolerance| {
        move |(name, ratio)| Entry {
            name,
            ratio,
            tolerance,
        }
    };
    let counts = instructions::count().into_iter();
    // The yardstick to itself says nothing.
    let counts = counts.filter(|count| !count.name.starts_with("yardstick"));
    let counts = counts.map(|count| (count.name, count.ratio));
    baseline.instructions = counts.map(entry(INSTRUCTIONS_TOLERANCE)).collect();
    if !deterministic {
        let ratios = timed::measure(&models).ratios.into_iter();
        baseline.timed = ratios.map(entry(TIMED_TOLERANCE)).collect();
    }
    baseline.write(&instructions::made_with(&models));
}

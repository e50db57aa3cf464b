//! One table for people, one JSON file for programs; both say what was measured on what.

use std::path::Path;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value, json};

use super::models::Models;
use super::pictures::repository;

/// The measures of one run.
pub struct Report {
    conditions: Value,
    sections: Vec<(&'static str, Table)>,
    figures: Map<String, Value>,
}

impl Report {
    /// An empty report of a run on these models.
    pub fn new(models: &Models) -> Self {
        Self {
            conditions: conditions(models),
            sections: Vec::new(),
            figures: Map::new(),
        }
    }

    /// Adds a table and the same figures for programs.
    pub fn add(&mut self, key: &'static str, table: Table, figures: Value) {
        self.sections.push((key, table));
        self.figures.insert(key.to_owned(), figures);
    }

    /// Prints everything, and writes the figures to a file if one is named.
    pub fn finish(mut self, file: Option<&Path>) {
        println!("\n{}", conditions_table(&self.conditions));
        for (_, table) in &self.sections {
            println!("{table}");
        }
        let Some(file) = file else { return };
        self.figures
            .insert("conditions".to_owned(), self.conditions);
        let text = serde_json::to_string_pretty(&self.figures).expect("numbers and texts");
        let written = std::fs::write(file, text + "\n");
        written.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

/// A table with this head.
pub fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head);
    table
}

/// A number, aligned with the others of its column.
pub fn number(value: f64, decimals: usize) -> Cell {
    right(format!("{value:.decimals$}"))
}

/// A text that ends where the others of its column do.
pub fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// What a benchmark states: machine, versions, digests, threads, input.
fn conditions(models: &Models) -> Value {
    let served = [&models.config.detector, &models.config.embedder];
    let entries = models.manifest.models().iter();
    let digests: Map<String, Value> = entries
        .map(|entry| (entry.id.clone(), Value::from(entry.sha256.as_str())))
        .collect();
    json!({
        "machine": machine(),
        "load_average_1_min": load_average(),
        "onnx_runtime": models.runtime.version(),
        "padan": env!("CARGO_PKG_VERSION"),
        "commit": commit(),
        "served": served,
        "model_sha256": digests,
        "lanes": models.config.engine.lanes,
        "threads_of_a_session": 1,
        "input": "selfie 1280x960, reference 240x320",
    })
}

fn conditions_table(conditions: &Value) -> Table {
    let mut table = table(["conditions", ""]);
    for (key, value) in conditions.as_object().into_iter().flatten() {
        match value {
            Value::Object(several) => {
                for (name, value) in several {
                    table.add_row([format!("{key}: {name}"), text(value)]);
                }
            }
            value => drop(table.add_row([key.clone(), text(value)])),
        }
    }
    table
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

/// The commit that is measured, and whether something was changed since.
fn commit() -> String {
    let git = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(repository())
        .output();
    let told = git.map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned());
    told.unwrap_or_else(|_| "unknown".to_owned())
}

/// Processor and cores.
pub fn machine() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{model}, {cores} cores")
}

/// How busy the machine was before the run: above 1, times are noise.
pub fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first
        .and_then(|first| first.parse().ok())
        .unwrap_or_default()
}

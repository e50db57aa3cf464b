//! The store filled with many subjects: what a row takes, and what reading and writing cost then.
//!
//! `make bench-scale ROWS=10000000` fills SQLite and a PostgreSQL of its own in turn, in a folder
//! that is removed afterwards; docs/scale.md has what a row takes. The rows are filled in by SQL,
//! not by the store: random keys and random sealed bytes of a template's length, as many as real
//! ones.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a bench fails by panicking, and its counts fit in a float"
)]

#[path = "../tests/integration/support/postgres.rs"]
#[allow(dead_code, reason = "the tests stop and restart it")]
mod postgres;
mod scale {
    pub mod fill;
    pub mod measure;
}

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use padan::audit::WriterId;
use padan::store::{Location, Settings, SqlStore, Store as _};

use scale::fill::Database;
use scale::measure::{Measures, measure};

/// Fills the store and measures it.
#[derive(Parser)]
struct Arguments {
    /// Subjects, each with a reference
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Only this database
    #[arg(long, value_parser = ["sqlite", "postgres"])]
    only: Option<String>,
    /// Where the databases are made [default: the system's folder of temporary files]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Write the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A quarter of a small machine's memory; the rest as PostgreSQL comes, so what is committed
/// survives a power cut.
const SETTINGS: [&str; 3] = [
    "listen_addresses=",
    "shared_buffers=2GB",
    "max_wal_size=8GB",
];

/// A database at one size.
struct Row {
    database: &'static str,
    rows: u64,
    bytes: u64,
    fill_s: f64,
    measures: Measures,
}

#[tokio::main]
async fn main() {
    let arguments = Arguments::parse();
    let mut rows = Vec::new();
    for name in ["sqlite", "postgres"] {
        if arguments.only.as_deref().is_none_or(|only| only == name) {
            rows.extend(run(name, &arguments).await);
        }
    }
    println!("{}", table(&rows));
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&json(&rows)).expect("JSON");
        std::fs::write(path, text).expect("writable");
    }
}

/// Measures a database with few subjects, then with all.
async fn run(name: &'static str, arguments: &Arguments) -> Vec<Row> {
    let parent = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(parent).expect("a new folder");
    let server =
        (name == "postgres").then(|| postgres::Postgres::start_with(folder.path(), &SETTINGS));
    let location = match &server {
        Some(server) => Location::Postgres(server.address("postgres")),
        None => Location::Sqlite(folder.path().join("padan.db")),
    };
    let writer = WriterId::new("bench").expect("a name");
    let store = SqlStore::open(&Settings::new(location.clone(), writer)).await;
    let store = store.expect("the database opens");
    let mut database = Database::connect(&location).await;
    let (mut rows, mut there) = (Vec::new(), 0);
    for size in [arguments.rows / 1000, arguments.rows] {
        let started = Instant::now();
        fill(&mut database, name, there, size).await;
        let fill_s = started.elapsed().as_secs_f64();
        let bytes = match &server {
            Some(_) => database.bytes().await,
            None => bytes_below(folder.path()),
        };
        there = size;
        rows.push(Row {
            database: name,
            rows: size,
            bytes,
            fill_s,
            measures: measure(&store, &database.sample_subjects().await).await,
        });
    }
    store.close().await;
    rows
}

async fn fill(database: &mut Database, name: &str, from: u64, to: u64) {
    const STEP: u64 = 100_000;
    let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(to - from);
    bar.set_style(style.expect("a template"));
    bar.set_message(format!("filling {name}"));
    let mut at = from;
    while at < to {
        let step = STEP.min(to - at);
        database.add(step).await;
        at += step;
        bar.inc(step);
    }
    database.settle().await;
    bar.finish_and_clear();
}

fn bytes_below(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("a folder");
    let sizes = files.map(|file| file.and_then(|it| it.metadata()).map_or(0, |it| it.len()));
    sizes.sum()
}

fn table(rows: &[Row]) -> String {
    let header = [
        "database",
        "subjects",
        "bytes a subject",
        "filled in s",
        "found/s (8 callers)",
        "found p50 / p99 µs",
        "not found p50 µs",
        "enrolled/s (64)",
        "decided/s (64)",
        "decided p50 / p99 ms (1)",
    ];
    let mut table = padan::report::table::new_table(&header);
    for row in rows {
        let it = &row.measures;
        table.add_row([
            row.database.to_owned(),
            row.rows.to_string(),
            format!("{:.0}", row.bytes as f64 / row.rows as f64),
            format!("{:.0}", row.fill_s),
            format!("{:.0}", it.found_per_s),
            format!("{:.0} / {:.0}", it.found_us[0], it.found_us[1]),
            format!("{:.0}", it.absent_us[0]),
            format!("{:.0}", it.enrolled_per_s),
            format!("{:.0}", it.decided_per_s),
            format!(
                "{:.2} / {:.2}",
                it.decided_us[0] / 1e3,
                it.decided_us[1] / 1e3
            ),
        ]);
    }
    table.to_string()
}

fn json(rows: &[Row]) -> serde_json::Value {
    let row = |row: &Row| {
        serde_json::json!({
            "database": row.database,
            "subjects": row.rows,
            "bytes": row.bytes,
            "fill_s": row.fill_s,
            "found_per_s": row.measures.found_per_s,
            "found_us_p50_p99": row.measures.found_us,
            "absent_us_p50_p99": row.measures.absent_us,
            "enrolled_per_s": row.measures.enrolled_per_s,
            "decided_per_s": row.measures.decided_per_s,
            "decided_us_p50_p99": row.measures.decided_us,
        })
    };
    serde_json::Value::Array(rows.iter().map(row).collect())
}

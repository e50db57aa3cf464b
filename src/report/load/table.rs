//! A load as tables for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table};

use super::LoadReport;
use crate::load::{Arrivals, Counts, Outcome, P99Limit, Spread};
use crate::report::table::new_table;

/// As tables for a terminal.
#[must_use]
pub fn table(report: &LoadReport) -> String {
    let Some(shown) = report.shown() else {
        return "stopped before anything was measured".to_owned();
    };
    let mut text = format!("{}\n", server_line(shown));
    // Writing to a string does not fail.
    if report.series.runs.len() > 1 {
        let _ = write!(text, "\n{}\n", runs_table(&report.series.runs));
    }
    if let Some((limit, highest)) = report.limit {
        let _ = write!(text, "\n{}\n", limit_line(limit, highest));
    }
    let _ = write!(
        text,
        "\n{}\n\n{}\n\nTime, ms:\n{}",
        headline(shown),
        counts_table(shown),
        times_table(shown)
    );
    let problem = report.series.problem.iter();
    let problem = problem.map(|problem| format!("There are no more runs: {problem}"));
    for note in notes(shown).into_iter().chain(problem) {
        let _ = write!(text, "\n\n{note}");
    }
    text
}

fn server_line(run: &Outcome) -> String {
    let server = &run.server;
    if server.version.is_empty() {
        return "server: it did not say what it is".to_owned();
    }
    let models: Vec<&str> = server.models.iter().map(|(id, _)| id.as_str()).collect();
    format!(
        "server: padan {}, ONNX Runtime {} on {}, {} lanes, {}",
        server.version,
        server.runtime_version,
        server.execution_provider,
        server.lanes,
        models.join(" and ")
    )
}

fn headline(run: &Outcome) -> String {
    let how = match run.arrivals {
        Arrivals::Closed { callers } => format!("closed loop, {callers} callers"),
        Arrivals::Open {
            rate,
            seed,
            in_flight_max,
        } => format!(
            "open loop, {rate} calls a second (Poisson, seed {seed}), at most {in_flight_max} in \
             flight"
        ),
    };
    format!(
        "{how}; HTTP/2 connections: {}; {:.1} s measured after {:.1} s",
        run.connections, run.duration_s, run.warmup_s
    )
}

fn limit_line(limit: P99Limit, highest: Option<f64>) -> String {
    let p99 = limit.p99.as_secs_f64() * 1e3;
    let lost = limit.lost_max * 100.0;
    let what = format!("a 99th percentile of at most {p99} ms and at most {lost} % lost");
    highest.map_or_else(
        || format!("No rate keeps {what}."),
        |rate| format!("The highest rate with {what}: {rate:.1} calls a second."),
    )
}

fn runs_table(runs: &[Outcome]) -> Table {
    let mut table = new_table(&[
        "rate",
        "offered/s",
        "throughput/s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "max ms",
        "ok",
        "refused",
        "failed",
        "stable",
    ]);
    for run in runs {
        let [p50, p90, p99, max] = quantiles(run.latency);
        let Counts {
            ok,
            refused,
            failed,
        } = run.counts;
        table.add_row([
            format!("{:.1}", run.rate()),
            format!("{:.1}", run.offered_per_s),
            format!("{:.1}", run.throughput_per_s),
            p50,
            p90,
            p99,
            max,
            ok.to_string(),
            refused.to_string(),
            failed.to_string(),
            yes_or_no(run.is_stable).to_owned(),
        ]);
    }
    to_the_right(&mut table, 0);
    table
}

fn counts_table(run: &Outcome) -> Table {
    let mut table = new_table(&["", "value"]);
    let windows: Vec<String> = run
        .windows
        .iter()
        .map(|window| format!("{:.1}", window.throughput_per_s))
        .collect();
    let tolerance = run.tolerance * 100.0;
    let decisions: Vec<String> = run
        .decisions
        .iter()
        .map(|(decision, count)| format!("{count} {decision}"))
        .collect();
    table.add_row(["offered/s", &format!("{:.1}", run.offered_per_s)]);
    table.add_row(["throughput/s", &format!("{:.1}", run.throughput_per_s)]);
    table.add_row(["  in each window", &windows.join(", ")]);
    table.add_row([
        "stable",
        &format!("{} (within {tolerance} %)", yes_or_no(run.is_stable)),
    ]);
    table.add_row(["ok", &run.counts.ok.to_string()]);
    table.add_row(["  decisions", &decisions.join(", ")]);
    table.add_row(["refused", &run.counts.refused.to_string()]);
    table.add_row(["failed", &run.counts.failed.to_string()]);
    for (code, failures) in &run.failed {
        let name = format!("  {code}");
        let what = format!("{}, first: {}", failures.count, failures.first);
        table.add_row([name, what]);
    }
    if run.abandoned > 0 {
        table.add_row(["abandoned", &run.abandoned.to_string()]);
    }
    table
}

fn times_table(run: &Outcome) -> Table {
    let mut table = new_table(&["", "mean", "p50", "p90", "p99", "max"]);
    let mut row = |name: &str, spread: Option<Spread>| {
        let mean = spread.map_or_else(nothing, |spread| number(spread.mean));
        let [p50, p90, p99, max] = quantiles(spread);
        table.add_row([name.to_owned(), mean, p50, p90, p99, max]);
    };
    row("latency", run.latency);
    for (part, spread) in run.parts {
        let name = match part {
            "client" => "  outside the server",
            "queue" => "  queue (the longer wait)",
            stage => &format!("  {stage} (both samples)"),
        };
        row(name, spread);
    }
    if run.counts.refused > 0 {
        row("until a refusal", run.refused_latency);
    }
    row("sent late by", run.delay);
    to_the_right(&mut table, 1);
    table
}

/// What a reader of the figures must know.
fn notes(run: &Outcome) -> Vec<String> {
    let mut notes = Vec::new();
    if run.ended_early {
        notes.push("Stopped early: what was in flight is abandoned.".to_owned());
    }
    if run.windows_before > 0 {
        let Counts {
            ok,
            refused,
            failed,
        } = run.counts_before;
        notes.push(format!(
            "{} windows came before and are not in the figures: {ok} ok, {refused} refused, \
             {failed} failed.",
            run.windows_before
        ));
    }
    if (1..100).contains(&run.counts.ok) {
        notes.push(format!(
            "Of {} answered calls the 99th percentile is close to the longest: measure for longer.",
            run.counts.ok
        ));
    }
    notes
}

fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn quantiles(spread: Option<Spread>) -> [String; 4] {
    let of =
        |figure: fn(&Spread) -> f64| spread.map_or_else(nothing, |spread| number(figure(&spread)));
    [of(|s| s.p50), of(|s| s.p90), of(|s| s.p99), of(|s| s.max)]
}

fn nothing() -> String {
    "–".to_owned()
}

/// Milliseconds to the digits that mean something.
fn number(milliseconds: f64) -> String {
    if milliseconds < 10.0 {
        format!("{milliseconds:.2}")
    } else {
        format!("{milliseconds:.1}")
    }
}

/// Numbers stand below each other.
fn to_the_right(table: &mut Table, first: usize) {
    for column in table.column_iter_mut().skip(first) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

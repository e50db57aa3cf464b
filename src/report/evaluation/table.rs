//! An evaluation as tables for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table};

use super::sheet::{Holds, Sheet};
use super::sheets;
use super::words::{clean, count, percent, percents, similarities, similarity, target};
use crate::evaluation::result::{Evaluation, Measures};
use crate::report::table::new_table;

/// Counts, accuracy and rates with both intervals, then slices and degraded samples where there
/// are any.
#[must_use]
pub fn table(evaluation: &Evaluation) -> String {
    let mut facts = header(&evaluation.measures);
    add_facts(&mut facts, evaluation);
    add_rates(&mut facts, &evaluation.measures);
    let mut text = facts.to_string();
    let degraded = sheets::degradations(evaluation, &std::collections::BTreeMap::new());
    for mut sheet in sheets::columns(evaluation).into_iter().chain(degraded) {
        drop_empty_columns(&mut sheet);
        // Writing to a string does not fail.
        let _ = write!(text, "\n\n{}\n{}", sheet.title, drawn(&sheet));
        for note in &sheet.notes {
            let _ = write!(text, "\n{note}");
        }
    }
    text
}

/// The measures alone.
#[must_use]
pub fn measures_table(measures: &Measures) -> String {
    let mut table = header(measures);
    add_rates(&mut table, measures);
    table.to_string()
}

fn header(measures: &Measures) -> Table {
    let over = format!("95 % {}", sheets::units(measures));
    new_table(&["measure", "value", "95 % Wilson", &over])
}

fn add_facts(table: &mut Table, evaluation: &Evaluation) {
    let mut fact = |name: &str, value: String| {
        table.add_row([name, &clean(&value), "", ""]);
    };
    fact("model", evaluation.model.clone());
    fact("model contract", evaluation.contract_id.to_string());
    fact("data", evaluation.data.clone());
    fact("samples", count(evaluation.images));
    fact("failures to acquire", count(evaluation.failure_to_acquire));
    if let Some(accuracy) = &evaluation.accuracy {
        let accuracy = format!("{:.4} ± {:.4}", accuracy.mean, accuracy.std);
        fact("k-fold accuracy ± standard deviation", accuracy);
    }
    if let Some(cascade) = &evaluation.cascade {
        let (from, to) = (similarity(cascade.band.from), similarity(cascade.band.to));
        let shares = format!(
            "{} of genuine, {} of impostor comparisons",
            percent(cascade.genuine),
            percent(cascade.impostor)
        );
        let name = format!("second network asked, from {from} up to {to}");
        fact(&name, shares);
    }
}

fn add_rates(table: &mut Table, measures: &Measures) {
    for (name, value) in [
        ("genuine comparisons", measures.genuine),
        ("of them lost", measures.genuine_lost),
        ("impostor comparisons", measures.impostor),
    ] {
        table.add_row([name, &count(value), "", ""]);
    }
    let eer = percent(measures.eer.rate);
    table.add_row(["EER", &eer, "", &percents(measures.eer.bootstrap)]);
    for at in &measures.targets {
        let name = |what: &str| format!("FMR {}: {what}", target(at.target));
        let interval = similarities(at.threshold_interval);
        table.add_row([
            name("threshold"),
            similarity(at.threshold),
            String::new(),
            interval,
        ]);
        for (what, estimate) in [("FMR", &at.fmr), ("FNMR", &at.fnmr)] {
            table.add_row([
                name(what),
                percent(estimate.rate),
                percents(estimate.wilson),
                percents(estimate.bootstrap),
            ]);
        }
        table.add_row([
            name("FNMR, threshold anew"),
            String::new(),
            String::new(),
            percents(at.fnmr_at_target),
        ]);
    }
}

/// Takes out the columns that say nothing: a terminal is narrow.
fn drop_empty_columns(sheet: &mut Sheet) {
    let says = |index: usize| {
        let mut cells = sheet.rows.iter().filter_map(|row| row.get(index));
        cells.any(|cell| !cell.is_empty())
    };
    let kept: Vec<bool> = (0..sheet.header.len()).map(says).collect();
    retain(&mut sheet.header, &kept);
    for row in &mut sheet.rows {
        retain(row, &kept);
    }
}

fn retain<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().copied().unwrap_or(false));
}

fn drawn(sheet: &Sheet) -> Table {
    let header: Vec<&str> = sheet.header.iter().map(|(name, _)| name.as_str()).collect();
    let mut table = new_table(&header);
    for row in &sheet.rows {
        table.add_row(row);
    }
    for (column, (_, holds)) in table.column_iter_mut().zip(&sheet.header) {
        if *holds == Holds::Figures {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

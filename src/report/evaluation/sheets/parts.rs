//! Sheets of parts of the comparisons: slices, and degraded samples.

use std::collections::BTreeMap;

use crate::evaluation::result::{ColumnRates, Evaluation, SliceRate};
use crate::report::evaluation::sheet::Sheet;
use crate::report::evaluation::words::{count, percent, percents, points, short};

/// More slices of a column are left to the JSON.
const SLICES_MAX: usize = 200;

/// One sheet for each column.
pub(in crate::report::evaluation) fn columns(evaluation: &Evaluation) -> Vec<Sheet> {
    let targets = &evaluation.measures.targets;
    let of_column = |column: &ColumnRates| {
        let mut sheet = Sheet::new(format!("Slices by {}", column.column))
            .words(column.column.as_str())
            .figures("genuine")
            .figures("impostor");
        // Before the rates that it is about, so that nobody reads them without it.
        let warned = column.slices.iter().any(|slice| slice.warning.is_some());
        if warned {
            sheet = sheet.words("warning");
        }
        for at in targets {
            sheet = sheet.figures(format!("FNMR at {}", short(at.target)));
        }
        for at in targets {
            sheet = sheet.figures(format!("FMR at {}", short(at.target)));
        }
        for slice in column.slices.iter().take(SLICES_MAX) {
            let mut row = vec![
                slice.value.clone(),
                count(slice.genuine),
                count(slice.impostor),
            ];
            row.extend(warned.then(|| slice.warning.clone().unwrap_or_default()));
            for rates in [&slice.fnmr, &slice.fmr] {
                let known = rates.iter().copied().chain(std::iter::repeat(None));
                row.extend(known.take(targets.len()).map(with_interval));
            }
            sheet.push(row);
        }
        if column.slices.len() > SLICES_MAX {
            let left = column.slices.len() - SLICES_MAX;
            sheet.note(format!("{left} more slices are in the JSON only."));
        }
        sheet.note(
            "Listed comparisons at the thresholds of the whole; 95 % Wilson intervals in brackets.",
        );
        sheet
    };
    evaluation.columns.iter().map(of_column).collect()
}

/// What the rates become when samples are degraded, each with what it does in words; `None` when
/// none were.
pub(in crate::report::evaluation) fn degradations(
    evaluation: &Evaluation,
    words: &BTreeMap<String, String>,
) -> Option<Sheet> {
    let targets = &evaluation.measures.targets;
    if evaluation.degradations.is_empty() {
        return None;
    }
    let mut sheet = Sheet::new("Degraded samples")
        .words("degradation")
        .words("what it does")
        .figures("failures to acquire")
        .figures("genuine");
    for at in targets {
        sheet = sheet
            .figures(format!("FNMR at {}", short(at.target)))
            .figures("change, points");
    }
    for at in targets {
        sheet = sheet.figures(format!("FMR at {}", short(at.target)));
    }
    sheet.push(clean(evaluation));
    for degraded in &evaluation.degradations {
        let what = words.get(&degraded.name).cloned().unwrap_or_default();
        let mut row = vec![
            degraded.name.clone(),
            what,
            count(degraded.failure_to_acquire),
            count(degraded.genuine),
        ];
        let fnmr = degraded.fnmr.iter().copied().map(Some);
        for (at, rate) in targets.iter().zip(fnmr.chain(std::iter::repeat(None))) {
            row.push(with_interval(rate));
            row.push(rate.map_or_else(String::new, |rate| points(at.fnmr.rate, rate.rate)));
        }
        let fmr = degraded.fmr.iter().take(targets.len());
        row.extend(fmr.map(|rate| percent(rate.rate)));
        sheet.push(row);
    }
    sheet.note("At the thresholds of the samples as they are; 95 % Wilson intervals in brackets.");
    let whole = evaluation.measures.genuine;
    if evaluation.degradations.iter().any(|d| d.genuine != whole) {
        sheet.note(
            "Some were measured on fewer or other comparisons than the samples as they are: a \
             change is then only roughly the degradation's own.",
        );
    }
    Some(sheet)
}

/// The row of the samples as they are, which the others are compared with.
fn clean(evaluation: &Evaluation) -> Vec<String> {
    let targets = &evaluation.measures.targets;
    let mut row = vec![
        "none".to_owned(),
        "samples as they are".to_owned(),
        count(evaluation.failure_to_acquire),
        count(evaluation.measures.genuine),
    ];
    row.extend(targets.iter().flat_map(|at| {
        let rate = percent(at.fnmr.rate);
        let interval = percents(at.fnmr.wilson);
        [format!("{rate} ({interval})"), String::new()]
    }));
    row.extend(targets.iter().map(|at| percent(at.fmr.rate)));
    row
}

fn with_interval(rate: Option<SliceRate>) -> String {
    rate.map_or_else(
        || "–".to_owned(),
        |rate| format!("{} ({})", percent(rate.rate), percents(rate.wilson)),
    )
}

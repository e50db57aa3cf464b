//! A report as Markdown, for a pull request or a page of documentation.

use std::fmt::Write as _;

use super::sheet::{Holds, Sheet};
use super::words::clean;
use super::{ReportInput, sheets};
use crate::report::look::escape_markdown as escape;

// Writing to a string does not fail, so the results of `write!` are dropped below.

/// The report without its drawings and without faces. Tables are those of GitHub's Markdown.
#[must_use]
pub fn markdown(input: &ReportInput) -> String {
    let mut text = format!("# {}\n", escape(&clean(&input.title)));
    let several = input.models.len() > 1;
    if several {
        sheet(&mut text, &sheets::overview(input));
    }
    for (name, model) in input.named() {
        let evaluation = &model.evaluation;
        let _ = write!(text, "\n## {}\n\n", escape(&name));
        for sentence in sheets::summary(evaluation) {
            let _ = writeln!(text, "- {}", escape(&clean(&sentence)));
        }
        sheet(&mut text, &sheets::targets(&evaluation.measures));
        let _ = writeln!(text);
        let intervals = sheets::intervals(&evaluation.measures).join(" ");
        let _ = writeln!(text, "{}", escape(&intervals));
        for column in sheets::columns(evaluation) {
            sheet(&mut text, &column);
        }
        if let Some(degraded) = sheets::degradations(evaluation, &input.degradations) {
            sheet(&mut text, &degraded);
        }
        let mut from = sheets::provenance(&name, model);
        "Model and data".clone_into(&mut from.title);
        sheet(&mut text, &from);
    }
    let _ = write!(text, "\n## Measured on\n");
    sheet(&mut text, &sheets::speed(input));
    sheet(&mut text, &sheets::environment(&input.environment));
    text
}

fn sheet(text: &mut String, sheet: &Sheet) {
    let _ = write!(text, "\n### {}\n", escape(&sheet.title));
    if !sheet.rows.is_empty() {
        table(text, sheet);
    }
    for note in &sheet.notes {
        let _ = write!(text, "\n{}\n", escape(note));
    }
}

fn table(text: &mut String, sheet: &Sheet) {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = sheet.header.iter().map(|(name, _)| escape(name));
    let rules = sheet.header.iter().map(|(_, holds)| match holds {
        Holds::Words => "---".to_owned(),
        Holds::Figures => "---:".to_owned(),
    });
    text.push('\n');
    text.push_str(&line(names.collect()));
    text.push_str(&line(rules.collect()));
    for row in &sheet.rows {
        text.push_str(&line(row.iter().map(|cell| escape(cell)).collect()));
    }
}

//! A comparison of models as tables for a terminal, Markdown, a page and JSON. All but the JSON
//! show the same parts, in the same words.

mod json;
mod parts;

use std::fmt::Write as _;

use super::evaluation::{Curve, drawings};
use super::look::{self, FIGURES_STYLE, escape_markdown, harmless};
use super::table::new_table;
use crate::evaluation::comparison::ModelComparison;
pub use json::json;
use parts::{Part, parts};

/// As tables for a terminal.
#[must_use]
pub fn table(comparison: &ModelComparison) -> String {
    let mut text = format!("{}\n", harmless(&headline(comparison)));
    for part in parts(comparison) {
        let header: Vec<String> = part.header.iter().map(|cell| harmless(cell)).collect();
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let mut table = new_table(&header);
        for row in &part.rows {
            table.add_row(row.iter().map(|cell| harmless(cell)));
        }
        // Writing to a string does not fail.
        let _ = write!(text, "\n{}\n{}\n{table}\n", part.title, harmless(&part.how));
    }
    let _ = write!(text, "\n{}", verdict(comparison));
    text
}

/// As Markdown, for a pull request.
#[must_use]
pub fn markdown(comparison: &ModelComparison) -> String {
    let mut text = format!(
        "# padan: comparison of models\n\n{}\n\n**{}**\n",
        in_markdown(&headline(comparison)),
        verdict(comparison)
    );
    for part in parts(comparison) {
        let Part {
            title,
            how,
            header,
            rows,
        } = part;
        let _ = write!(text, "\n## {title}\n\n{}\n\n", in_markdown(&how));
        row_in_markdown(&mut text, &header);
        let _ = writeln!(text, "|{}", "---|".repeat(header.len()));
        for row in &rows {
            row_in_markdown(&mut text, row);
        }
    }
    text
}

fn row_in_markdown(text: &mut String, cells: &[String]) {
    for cell in cells {
        let _ = write!(text, "| {} ", in_markdown(cell));
    }
    text.push_str("|\n");
}

/// A page of its own, with the curves of all models. It shows no face.
///
/// # Errors
/// When a drawing fails, in words.
pub fn page(comparison: &ModelComparison) -> Result<String, String> {
    let class = match (comparison.passed(), has_verdict(comparison)) {
        (_, false) => "decision",
        (true, true) => "decision MATCH",
        (false, true) => "decision NO_MATCH",
    };
    let mut html = look::head("padan: comparison of models", FIGURES_STYLE);
    let _ = write!(
        html,
        "<body><header><h1>Comparison of models</h1></header><main><section class=\"summary\">\
         <p class=\"{class}\">{}</p><p class=\"facts\">{}</p></section>",
        escape(&verdict(comparison)),
        escape(&headline(comparison))
    );
    let curves = comparison.models().map(|model| Curve {
        name: &model.facts.model,
        measures: &model.evaluation.measures,
    });
    drawings(&mut html, &curves.collect::<Vec<_>>())?;
    for part in parts(comparison) {
        part_in_html(&mut html, &part);
    }
    html.push_str("</main></body></html>\n");
    Ok(html)
}

fn part_in_html(html: &mut String, part: &Part) {
    let _ = write!(
        html,
        "<section><h2>{}</h2><p class=\"facts\">{}</p><div class=\"wide\"><table class=\"named\"><thead>",
        escape(part.title),
        escape(&part.how)
    );
    row_in_html(html, "th", &part.header);
    html.push_str("</thead><tbody>");
    for row in &part.rows {
        row_in_html(html, "td", row);
    }
    html.push_str("</tbody></table></div></section>");
}

fn row_in_html(html: &mut String, element: &str, cells: &[String]) {
    html.push_str("<tr>");
    for cell in cells {
        let _ = write!(html, "<{element}>{}</{element}>", escape(cell));
    }
    html.push_str("</tr>");
}

fn headline(comparison: &ModelComparison) -> String {
    let evaluation = &comparison.baseline.evaluation;
    let digest: String = evaluation.data_sha256.chars().take(12).collect();
    let environment: Vec<String> = comparison
        .environment
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    format!(
        "Data: {} (SHA-256 {digest}…). Measured with {}.",
        evaluation.data,
        environment.join("; ")
    )
}

fn has_verdict(comparison: &ModelComparison) -> bool {
    comparison
        .candidates
        .iter()
        .any(|candidate| candidate.verdict.is_some())
}

/// The whole verdict in one line.
fn verdict(comparison: &ModelComparison) -> String {
    if !has_verdict(comparison) {
        return "No gate was given: nothing was demanded.".to_owned();
    }
    let lines = comparison
        .candidates
        .iter()
        .filter_map(|candidate| candidate.verdict.as_ref())
        .flat_map(|verdict| &verdict.lines);
    let (demands, broken) = lines.fold((0_u32, 0_u32), |(demands, broken), line| {
        (demands + 1, broken + u32::from(!line.passed))
    });
    match (comparison.passed(), demands, broken) {
        (true, 1, _) => "PASSED: the gate's one demand is met.".to_owned(),
        (true, ..) => format!("PASSED: all {demands} demands of the gate are met."),
        (false, 1, _) => "FAILED: the gate's one demand is not met.".to_owned(),
        (false, _, 1) => format!("FAILED: 1 of {demands} demands of the gate is not met."),
        (false, ..) => format!("FAILED: {broken} of {demands} demands of the gate are not met."),
    }
}

/// Text that Markdown shows as it is, in one line.
fn in_markdown(text: &str) -> String {
    escape_markdown(&harmless(text))
}

/// Text as it may stand in HTML, between tags and in quoted attributes.
fn escape(text: &str) -> String {
    look::escape(&harmless(text))
}

#[cfg(test)]
mod tests;

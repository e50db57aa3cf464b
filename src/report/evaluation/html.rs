//! One page of HTML that holds everything it shows: no script, and nothing is fetched.

mod faces;

use std::fmt::Write as _;

use super::plots::{self, Curve};
use super::sheet::{Holds, Sheet};
use super::words::clean;
use super::{ReportInput, sheets};
use crate::report::look::{self, FIGURES_STYLE, escape, figure};

// Writing to a string does not fail, so the results of `write!` are dropped below.

/// The page: what it came to in words, tables, curves, and where it all comes from.
///
/// # Errors
/// When a drawing fails, or a face is no JPEG, in words.
pub fn html(input: &ReportInput) -> Result<String, String> {
    let names = input.names();
    let mut page = head(input);
    summary(&mut page, input);
    for (name, model) in input.named() {
        let title = headed("Rates at the targets", &name, names.len());
        let mut sheet = sheets::targets(&model.evaluation.measures);
        sheet.title = title;
        section(&mut page, &sheet);
    }
    let measures = input.models.iter().map(|model| &model.evaluation.measures);
    let curves = names
        .iter()
        .zip(measures)
        .map(|(name, measures)| Curve { name, measures });
    drawings(&mut page, &curves.collect::<Vec<_>>())?;
    parts(&mut page, input);
    origin(&mut page, input);
    faces::faces(&mut page, input)?;
    page.push_str("</main></body></html>\n");
    Ok(page)
}

/// The sections of what is drawn: both curves of all models, and the similarities of each.
///
/// # Errors
/// When a drawing fails, in words.
pub(in crate::report) fn drawings(page: &mut String, curves: &[Curve<'_>]) -> Result<(), String> {
    page.push_str("<section><h2>Trade-off</h2><div class=\"plots\">");
    figure(page, "detection error trade-off", &plots::det(curves)?);
    figure(
        page,
        "receiver operating characteristic",
        &plots::roc(curves)?,
    );
    page.push_str(
        "</div><p class=\"facts\">A dot marks each target's threshold, its whisker the 95 % \
         interval of the FNMR at the target. The curves end at the left where the data do: no \
         impostor comparison is left above the threshold.</p></section>\
         <section><h2>Similarities</h2><div class=\"plots\">",
    );
    for curve in curves {
        let label = format!("similarities of {}", clean(curve.name));
        figure(page, &label, &plots::similarities(curve)?);
    }
    page.push_str(
        "</div><p class=\"facts\">Comparisons that could not be made have no similarity and are \
         not drawn. Matches lie at a threshold and to its right.</p></section>",
    );
    Ok(())
}

/// Up to the first section.
fn head(input: &ReportInput) -> String {
    let title = clean(&input.title);
    let environment = &input.environment;
    let shows_faces = input.models.iter().any(|model| model.faces.is_some());
    let notice = if shows_faces {
        "<p class=\"notice\">This file shows faces: it holds biometric data. Keep it as you keep \
         the samples themselves, and delete it with them.</p>"
    } else {
        ""
    };
    format!(
        "{}<body><header><h1>{}</h1><p>Evaluation by padan {}, {}</p></header>{notice}<main>",
        look::head(&title, FIGURES_STYLE),
        escape(&title),
        escape(&clean(&environment.padan)),
        escape(&clean(&environment.date)),
    )
}

fn summary(page: &mut String, input: &ReportInput) {
    page.push_str("<section class=\"summary\"><h2>Summary</h2>");
    for (name, model) in input.named() {
        let evaluation = &model.evaluation;
        let _ = write!(
            page,
            "<h3>{}</h3><p class=\"facts\">{}</p><ul>",
            escape(&name),
            escape(&clean(&evaluation.data))
        );
        for sentence in sheets::summary(evaluation) {
            let _ = write!(page, "<li>{}</li>", escape(&clean(&sentence)));
        }
        page.push_str("</ul>");
        if !model.facts.commercial_use {
            let _ = write!(
                page,
                "<p class=\"notice\">The licence of this model, {}, does not allow commercial \
                 use.</p>",
                escape(&clean(&model.facts.licence))
            );
        }
    }
    table(page, &sheets::overview(input));
    page.push_str("</section>");
}

/// Slices and degraded samples.
fn parts(page: &mut String, input: &ReportInput) {
    for (name, model) in input.named() {
        let evaluation = &model.evaluation;
        let degraded = sheets::degradations(evaluation, &input.degradations);
        for mut sheet in sheets::columns(evaluation).into_iter().chain(degraded) {
            sheet.title = headed(&sheet.title, &name, input.models.len());
            section(page, &sheet);
        }
    }
}

/// How, where, on what and of what it was measured.
fn origin(page: &mut String, input: &ReportInput) {
    section(page, &sheets::speed(input));
    section(page, &sheets::environment(&input.environment));
    page.push_str("<section><h2>Models and data</h2>");
    for (name, model) in input.named() {
        let sheet = sheets::provenance(&name, model);
        let _ = write!(page, "<h3>{}</h3>", escape(&sheet.title));
        table(page, &sheet);
    }
    page.push_str("</section><section><h2>How the intervals were made</h2>");
    for (name, model) in input.named() {
        let sentences = sheets::intervals(&model.evaluation.measures).join(" ");
        if input.models.len() > 1 {
            let _ = write!(page, "<h3>{}</h3>", escape(&name));
        }
        let _ = write!(page, "<p>{}</p>", escape(&sentences));
    }
    page.push_str(
        "<p>FMR is the share of impostor comparisons at or above the threshold, FNMR the share of \
         genuine comparisons below it; a genuine comparison that could not be made counts as below \
         (ISO/IEC 19795-1).</p></section>",
    );
}

/// A heading that names the model where there are several.
fn headed(title: &str, name: &str, models: usize) -> String {
    if models > 1 {
        format!("{title}: {name}")
    } else {
        title.to_owned()
    }
}

fn section(page: &mut String, sheet: &Sheet) {
    let _ = write!(page, "<section><h2>{}</h2>", escape(&sheet.title));
    table(page, sheet);
    page.push_str("</section>");
}

/// A table and its notes. Wide ones are moved sideways on narrow screens.
fn table(page: &mut String, sheet: &Sheet) {
    if !sheet.rows.is_empty() {
        filled_table(page, sheet);
    }
    for note in &sheet.notes {
        let _ = write!(page, "<p class=\"facts\">{}</p>", escape(note));
    }
}

fn filled_table(page: &mut String, sheet: &Sheet) {
    page.push_str("<div class=\"wide\"><table>");
    if sheet.header.iter().any(|(name, _)| !name.is_empty()) {
        row(page, "th", sheet, sheet.header.iter().map(|(name, _)| name));
    }
    for cells in &sheet.rows {
        row(page, "td", sheet, cells.iter());
    }
    page.push_str("</table></div>");
}

fn row<'a>(page: &mut String, tag: &str, sheet: &Sheet, cells: impl Iterator<Item = &'a String>) {
    page.push_str("<tr>");
    for (cell, (_, holds)) in cells.zip(&sheet.header) {
        let cell = escape(cell);
        let (class, cell) = match holds {
            Holds::Words => ("", cell),
            // The interval stands below its rate: a column of both in a line is too wide.
            Holds::Figures => (" class=\"figure\"", cell.replacen(" (", "<br>(", 1)),
        };
        let _ = write!(page, "<{tag}{class}>{cell}</{tag}>");
    }
    page.push_str("</tr>");
}

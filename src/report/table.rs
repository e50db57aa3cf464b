//! Results as tables for a terminal.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use super::{
    Comparison, component_name, decision_name, milliseconds, reason_name, stages, verdict_name,
};
use crate::grpc::proto;

/// Lines above, below the header and below: one under each row would double the length.
const STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('═').junction('═'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// An empty table in padan's look.
#[must_use]
pub fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    table
}

/// A verification: the decision, why, by which policy, and what was seen in both samples.
#[must_use]
pub fn verify(response: &proto::VerifyResponse) -> String {
    let mut text = format!("{}\n", decision_name(response.decision()));
    // Writing to a string does not fail.
    reasons(&mut text, &response.reasons);
    let mut table = new_table(&["", "value"]);
    table.add_row(["similarity", &similarity(response)]);
    table.add_row(["threshold", &threshold(response)]);
    table.add_row(["review from", &format!("{:.4}", response.review_from)]);
    table.add_row(["policy", &response.policy_version]);
    table.add_row(["model contract", &response.model_contract_id]);
    let _ = write!(text, "\n{table}\n");
    let reports = [
        ("probe", &response.probe),
        ("reference", &response.reference),
    ];
    for (side, report) in reports {
        if let Some(report) = report {
            let _ = write!(text, "\n{side}: {}\n{}\n", seen(report), quality(report));
        }
    }
    let _ = write!(text, "\n{}", times(&[("", response)]));
    text
}

/// An assessment: what to do, and what was seen.
#[must_use]
pub fn assess(response: &proto::AssessCaptureResponse) -> String {
    let mut text = String::from(if response.acceptable {
        "acceptable\n"
    } else {
        "not acceptable\n"
    });
    reasons(&mut text, &response.reasons);
    if let Some(report) = &response.sample {
        let _ = write!(text, "\nsample: {}\n{}", seen(report), quality(report));
    }
    text
}

/// The demonstration's pairs side by side.
#[must_use]
pub fn demo(comparisons: &[Comparison]) -> String {
    let header = [
        "pair",
        "decision",
        "similarity",
        "threshold",
        "policy",
        "reasons",
    ];
    let mut table = new_table(&header);
    for Comparison {
        title, response, ..
    } in comparisons
    {
        let reasons: Vec<&str> = response
            .reasons
            .iter()
            .map(|r| reason_name(r.code))
            .collect();
        table.add_row([
            title.clone(),
            decision_name(response.decision()).to_owned(),
            similarity(response),
            threshold(response),
            response.policy_version.clone(),
            reasons.join(", "),
        ]);
    }
    let named: Vec<(&str, &proto::VerifyResponse)> = comparisons
        .iter()
        .map(|c| (c.title.as_str(), &c.response))
        .collect();
    format!(
        "{table}\n\nTime by stage, ms (the two samples run in parallel):\n{}",
        times(&named)
    )
}

fn similarity(response: &proto::VerifyResponse) -> String {
    response.similarity.map_or_else(
        || "not compared".to_owned(),
        |similarity| format!("{similarity:.4}"),
    )
}

fn threshold(response: &proto::VerifyResponse) -> String {
    format!("{:.4} (FMR {:e})", response.threshold, response.fmr)
}

fn reasons(text: &mut String, reasons: &[proto::Reason]) {
    for reason in reasons {
        let _ = writeln!(text, "  {}: {}", reason_name(reason.code), reason.text_en);
        let _ = writeln!(text, "    {}", reason.text_id);
    }
}

fn seen(report: &proto::SampleReport) -> String {
    let faces = report.faces.len();
    let turned = match report.quarter_turns {
        0 => String::new(),
        turns => format!(", lies on its side: turned by {}°", turns * 90),
    };
    let faults: Vec<&str> = report
        .faults
        .iter()
        .map(|code| reason_name(*code))
        .collect();
    let faults = if faults.is_empty() {
        String::new()
    } else {
        format!(", {}", faults.join(", "))
    };
    let plural = if faces == 1 { "" } else { "s" };
    format!(
        "{}×{} px, {faces} face{plural}{turned}{faults}",
        report.width, report.height
    )
}

fn quality(report: &proto::SampleReport) -> Table {
    let mut table = new_table(&["quality", "value 0–100", "limit", "verdict", "measured"]);
    for measure in &report.quality {
        table.add_row([
            component_name(measure),
            measure.value.to_string(),
            measure.limit.to_string(),
            verdict_name(measure),
            format!("{:.3}", measure.native),
        ]);
    }
    table
}

fn times(responses: &[(&str, &proto::VerifyResponse)]) -> Table {
    let none = proto::SampleTimes::default();
    let mut header = vec!["pair", "sample"];
    header.extend(stages(&none).map(|(stage, _)| stage));
    header.push("request");
    let mut table = new_table(&header);
    for (title, response) in responses {
        let all = response.times.unwrap_or_default();
        for (side, times) in [("probe", all.probe), ("reference", all.reference)] {
            let mut row = vec![(*title).to_owned(), side.to_owned()];
            let stages = stages(&times.unwrap_or_default());
            row.extend(stages.map(|(_, took)| format!("{:.2}", milliseconds(took))));
            row.push(if side == "probe" {
                format!("{:.2}", milliseconds(all.total_us))
            } else {
                String::new()
            });
            table.add_row(row);
        }
    }
    table
}

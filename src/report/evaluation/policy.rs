//! What a policy would have decided, as text and as JSON.

use serde_json::{Value, json};

use super::words::{percent, percents, similarity};
use crate::evaluation::PolicyRates;
use crate::evaluation::result::SliceRate;
use crate::report::table::new_table;

/// For a terminal.
#[must_use]
pub fn policy_table(rates: &PolicyRates) -> String {
    let title = format!(
        "policy {}: match from {}, review from {}",
        rates.version,
        similarity(rates.threshold),
        similarity(rates.review_from)
    );
    let mut table = new_table(&["what it decides", "share", "95 % Wilson"]);
    for (what, rate) in [
        ("impostors that match (FMR)", rates.false_matches),
        ("genuine that do not match (FNMR)", rates.false_non_matches),
        ("genuine that a human sees", rates.genuine_reviewed),
        ("impostors that a human sees", rates.impostor_reviewed),
    ] {
        table.add_row([what, &percent(rate.rate), &percents(rate.wilson)]);
    }
    format!("\n{title}\n{table}")
}

/// For programs.
#[must_use]
pub fn policy_json(rates: &PolicyRates) -> Value {
    let rate = |rate: SliceRate| json!({ "errors": rate.errors, "rate": rate.rate, "wilson": rate.wilson });
    json!({
        "policy_version": rates.version,
        "threshold": rates.threshold,
        "review_from": rates.review_from,
        "fmr": rate(rates.false_matches),
        "fnmr": rate(rates.false_non_matches),
        "genuine_reviewed": rate(rates.genuine_reviewed),
        "impostor_reviewed": rate(rates.impostor_reviewed),
    })
}

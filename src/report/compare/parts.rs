//! The parts of a comparison: each a table of texts, with a sentence on how it was measured.

mod speed;

use crate::evaluation::comparison::{Candidate, ModelComparison, ModelResult};
use crate::evaluation::disagreement::Agreement;
use crate::evaluation::result::TargetRates;

/// A table, and how its numbers came about.
pub struct Part {
    pub title: &'static str,
    /// Whole sentences.
    pub how: String,
    pub header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

const NONE: &str = "–";

/// What there is to show: parts without rows are left out.
pub fn parts(comparison: &ModelComparison) -> impl Iterator<Item = Part> {
    let parts = [
        verdict(comparison),
        accuracy(comparison),
        paired(comparison),
        degradations(comparison),
        disagreements(comparison),
        speed::speed(comparison),
        facts(comparison),
    ];
    parts.into_iter().filter(|part| !part.rows.is_empty())
}

/// A header of `first` and the names of the models.
fn with_models(comparison: &ModelComparison, first: &str) -> Vec<String> {
    let mut header = vec![first.to_owned()];
    header.extend(comparison.models().map(|model| model.facts.model.clone()));
    header
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

/// A row of `name` and what each model has.
fn row(
    comparison: &ModelComparison,
    name: impl Into<String>,
    value: impl Fn(&ModelResult) -> String,
) -> Vec<String> {
    let mut row = vec![name.into()];
    row.extend(comparison.models().map(value));
    row
}

fn percent(rate: f64) -> String {
    if rate.is_finite() {
        format!("{:.3} %", rate * 100.0)
    } else {
        NONE.to_owned()
    }
}

fn verdict(comparison: &ModelComparison) -> Part {
    let mut rows = Vec::new();
    for candidate in &comparison.candidates {
        for line in candidate.verdict.iter().flat_map(|verdict| &verdict.lines) {
            rows.push(vec![
                candidate.result.facts.model.clone(),
                if line.passed { "passed" } else { "FAILED" }.to_owned(),
                line.demanded.clone(),
                line.measured.clone(),
                line.key.to_owned(),
            ]);
        }
    }
    Part {
        title: "Gate",
        how: format!(
            "Each candidate against the baseline {}. What equals a limit passes.",
            comparison.baseline.facts.model
        ),
        header: texts(["candidate", "", "demanded", "measured", "key"]),
        rows,
    }
}

fn accuracy(comparison: &ModelComparison) -> Part {
    let mut rows = vec![
        row(comparison, "samples", |model| {
            model.evaluation.images.to_string()
        }),
        row(comparison, "failures to acquire", |model| {
            let rate = model.evaluation.failure_to_acquire_rate();
            let count = model.evaluation.failure_to_acquire;
            format!("{count} ({})", percent(rate))
        }),
        row(comparison, "genuine comparisons", |model| {
            model.evaluation.measures.genuine.to_string()
        }),
        row(comparison, "impostor comparisons", |model| {
            model.evaluation.measures.impostor.to_string()
        }),
    ];
    let has_folds = |model: &ModelResult| model.evaluation.accuracy.is_some();
    if comparison.models().any(has_folds) {
        rows.push(row(comparison, "accuracy over folds, mean", |model| {
            let accuracy = model.evaluation.accuracy;
            accuracy.map_or_else(|| NONE.to_owned(), |accuracy| percent(accuracy.mean))
        }));
    }
    rows.push(row(comparison, "equal error rate", |model| {
        percent(model.evaluation.measures.eer.rate)
    }));
    for at in &comparison.baseline.evaluation.measures.targets {
        let name = format!("FNMR at FMR {:e}", at.target);
        rows.push(row(comparison, name, |model| {
            let measures = &model.evaluation.measures;
            let found = measures.target_position(at.target);
            let found = found.and_then(|position| measures.targets.get(position));
            found.map_or_else(|| NONE.to_owned(), fnmr)
        }));
    }
    Part {
        title: "Accuracy",
        how: "Each model at its own threshold for the target. Comparisons whose samples could not \
              be acquired count as non-matches. In parentheses: 95 % intervals."
            .to_owned(),
        header: with_models(comparison, "measure"),
        rows,
    }
}

fn fnmr(at: &TargetRates) -> String {
    let (low, high) = at.fnmr_at_target;
    format!(
        "{} ({} to {}), threshold {:.4}",
        percent(at.fnmr.rate),
        percent(low),
        percent(high),
        at.threshold
    )
}

fn paired(comparison: &ModelComparison) -> Part {
    let mut rows = Vec::new();
    for candidate in &comparison.candidates {
        for paired in &candidate.paired {
            let (low, high) = paired.interval;
            rows.push(vec![
                candidate.result.facts.model.clone(),
                format!("{:e}", paired.target),
                percent(paired.baseline_fnmr),
                percent(paired.candidate_fnmr),
                format!("{:+.3}", paired.difference * 100.0),
                format!("{:+.3} to {:+.3}", low * 100.0, high * 100.0),
                format!("{:.1} %", paired.share_worse * 100.0),
                paired.in_words().to_owned(),
            ]);
        }
    }
    Part {
        title: "Difference in FNMR",
        how: "Candidate less baseline, percentage points: above zero, the candidate is worse. The \
              95 % interval is over resamples of people, the same ones for both models. It says \
              worse or better where the interval leaves out zero."
            .to_owned(),
        header: texts([
            "candidate",
            "FMR",
            "baseline",
            "candidate's",
            "difference",
            "95 % interval",
            "resamples worse",
            "in words",
        ]),
        rows,
    }
}

fn degradations(comparison: &ModelComparison) -> Part {
    let mut rows = Vec::new();
    let degradations = &comparison.baseline.evaluation.degradations;
    let targets = &comparison.baseline.evaluation.measures.targets;
    for (position, at) in targets.iter().enumerate() {
        let clean = format!("FMR {:e}, clean", at.target);
        rows.push(row(comparison, clean, |model| {
            let found = model.evaluation.measures.targets.get(position);
            found.map_or_else(|| NONE.to_owned(), |found| percent(found.fnmr.rate))
        }));
        for degradation in degradations {
            let name = format!("FMR {:e}, {}", at.target, degradation.name);
            rows.push(row(comparison, name, |model| {
                let mut all = model.evaluation.degradations.iter();
                let found = all.find(|found| found.name == degradation.name);
                let rate = found.and_then(|found| found.fnmr.get(position));
                rate.map_or_else(|| NONE.to_owned(), |found| percent(found.rate))
            }));
        }
    }
    if degradations.is_empty() {
        rows.clear();
    }
    Part {
        title: "Degradations",
        how: "FNMR with degraded samples, at the thresholds of the clean ones.".to_owned(),
        header: with_models(comparison, "degradation"),
        rows,
    }
}

fn disagreements(comparison: &ModelComparison) -> Part {
    let mut rows = Vec::new();
    for Candidate {
        result,
        disagreements,
        ..
    } in &comparison.candidates
    {
        for found in disagreements {
            let kinds = [
                ("genuine", &found.agreements.genuine),
                ("impostor", &found.agreements.impostor),
            ];
            let present = kinds
                .into_iter()
                .filter(|(_, agreement)| agreement.compared() > 0);
            rows.extend(present.map(|(kind, agreement)| {
                let mut row = vec![
                    result.facts.model.clone(),
                    format!("{:e}", found.target),
                    format!("{}, {kind}", found.comparisons),
                ];
                row.extend(counts(agreement));
                row
            }));
        }
    }
    Part {
        title: "Disagreements",
        how: "How many comparisons are a match for both models, for one alone, for neither, each \
              at its own threshold. Among genuine ones a match is right, among impostor ones it is \
              wrong. The JSON names those of one alone on which the two are farthest apart."
            .to_owned(),
        header: texts([
            "candidate",
            "FMR",
            "comparisons",
            "both",
            "baseline alone",
            "candidate alone",
            "neither",
        ]),
        rows,
    }
}

fn counts(agreement: &Agreement) -> [String; 4] {
    let Agreement {
        both,
        neither,
        only_baseline,
        only_candidate,
        ..
    } = agreement;
    [both, only_baseline, only_candidate, neither].map(u64::to_string)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn facts(comparison: &ModelComparison) -> Part {
    let rows = vec![
        row(comparison, "contract id", |model| {
            model.facts.contract_id.clone()
        }),
        row(comparison, "licence", |model| model.facts.licence.clone()),
        row(comparison, "commercial use", |model| {
            if model.facts.commercial_use {
                "yes"
            } else {
                "no"
            }
            .to_owned()
        }),
        row(comparison, "file, MiB", |model| {
            format!("{:.2}", mebibytes(model.facts.file_bytes))
        }),
        row(comparison, "dimension", |model| {
            model.facts.dimension.to_string()
        }),
        row(comparison, "template, bytes", |model| {
            model.facts.template_bytes.to_string()
        }),
    ];
    Part {
        title: "Models",
        how: "From the manifest and the files; templates before they are sealed.".to_owned(),
        header: with_models(comparison, "fact"),
        rows,
    }
}

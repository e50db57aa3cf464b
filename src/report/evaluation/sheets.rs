//! The figures of an evaluation as sheets, and what they say in sentences.

mod parts;

use super::sheet::Sheet;
use super::words::{
    count, one_in, percent, percents, rate_key, short, similarities, similarity, target,
};
use super::{Environment, ModelReport, ReportInput};
use crate::evaluation::result::{Evaluation, KfoldAccuracy, Measures};

pub(super) use parts::{columns, degradations};

/// What an evaluation came to, in sentences: first the rates, then what weakens them.
pub(super) fn summary(evaluation: &Evaluation) -> Vec<String> {
    let measures = &evaluation.measures;
    let mut sentences: Vec<String> = measures
        .targets
        .iter()
        .map(|at| {
            let lost = one_in(at.fnmr.rate)
                .map(|often| format!(": {often} genuine comparisons is not a match"))
                .unwrap_or_default();
            format!(
                "At FMR {} the threshold is {} and FNMR {} (95 %: {}){lost}.",
                target(at.target),
                similarity(at.threshold),
                percent(at.fnmr.rate),
                percents(at.fnmr_at_target),
            )
        })
        .collect();
    sentences.push(format!(
        "FMR and FNMR are the same, {} (95 %: {}), at similarity {}.",
        percent(measures.eer.rate),
        percents(measures.eer.bootstrap),
        similarity(measures.eer.threshold),
    ));
    sentences.push(acquired(evaluation));
    if let Some(accuracy) = &evaluation.accuracy {
        sentences.push(format!("Accuracy over the folds: {}.", folds(accuracy)));
    }
    if evaluation.gated {
        sentences.push(
            "The quality limits were applied: a sample below them is a failure to acquire."
                .to_owned(),
        );
    }
    sentences
}

fn acquired(evaluation: &Evaluation) -> String {
    let (failed, samples) = (evaluation.failure_to_acquire, evaluation.images);
    if failed == 0 {
        return format!(
            "A usable face was found in each of {} samples.",
            count(samples)
        );
    }
    format!(
        "{} of {} samples had no usable face: {} of {} genuine comparisons could not be made and \
         count as non-matches.",
        count(failed),
        count(samples),
        count(evaluation.measures.genuine_lost),
        count(evaluation.measures.genuine),
    )
}

fn folds(accuracy: &KfoldAccuracy) -> String {
    let (mean, std) = (accuracy.mean * 100.0, accuracy.std * 100.0);
    format!("{mean:.2} % ± {std:.2} points")
}

/// How the intervals were made, in sentences.
pub(super) fn intervals(measures: &Measures) -> Vec<String> {
    let drawn = &measures.resampling;
    let (units, times, seed) = (
        count(drawn.units),
        count(u64::from(drawn.resamples)),
        drawn.seed,
    );
    let mut sentences = vec![
        "All intervals hold 95 %. Wilson's is over comparisons, as if they were independent of \
         each other."
            .to_owned(),
    ];
    sentences.push(if drawn.of_people {
        format!(
            "Comparisons of one person hang together, so that the truth varies more: the bootstrap \
             draws {units} people anew, {times} times, with seed {seed}."
        )
    } else {
        format!(
            "Nobody said whose the samples are, so the bootstrap draws the {units} listed \
             comparisons anew, {times} times, with seed {seed}. If people occur more than once, \
             the truth varies more than it says."
        )
    });
    sentences.push(
        "The last interval lets each resample find its own threshold for the target: it is what \
         another evaluation of this size would have seen."
            .to_owned(),
    );
    sentences
}

/// What the units of the bootstrap are.
pub(super) fn units(measures: &Measures) -> &'static str {
    if measures.resampling.of_people {
        "over people"
    } else {
        "over listed comparisons"
    }
}

/// All models side by side.
pub(super) fn overview(input: &ReportInput) -> Sheet {
    let mut sheet = Sheet::new("At a glance")
        .words("model")
        .figures("samples")
        .figures("failures to acquire")
        .figures("genuine comparisons")
        .figures("of them lost")
        .figures("impostor comparisons")
        .figures("EER")
        .figures("95 %")
        .figures("accuracy over folds");
    for (name, ModelReport { evaluation, .. }) in input.named() {
        let measures = &evaluation.measures;
        let accuracy = evaluation.accuracy.as_ref();
        sheet.push([
            name,
            count(evaluation.images),
            count(evaluation.failure_to_acquire),
            count(measures.genuine),
            count(measures.genuine_lost),
            count(measures.impostor),
            percent(measures.eer.rate),
            percents(measures.eer.bootstrap),
            accuracy.map_or_else(|| "–".to_owned(), folds),
        ]);
    }
    sheet
}

/// Rates at the targets.
pub(super) fn targets(measures: &Measures) -> Sheet {
    let units = units(measures);
    let mut sheet = Sheet::new("Rates at the targets")
        .figures("target FMR")
        .figures("threshold")
        .figures(format!("95 % {units}"))
        .figures("false matches")
        .figures("FMR")
        .figures("95 % Wilson")
        .figures(format!("95 % {units}"))
        .figures("false non-matches")
        .figures("FNMR")
        .figures("95 % Wilson")
        .figures(format!("95 % {units}"))
        .figures("95 % at the target");
    for at in &measures.targets {
        sheet.push([
            short(at.target),
            similarity(at.threshold),
            similarities(at.threshold_interval),
            count(at.false_matches),
            percent(at.fmr.rate),
            percents(at.fmr.wilson),
            percents(at.fmr.bootstrap),
            count(at.false_non_matches),
            percent(at.fnmr.rate),
            percents(at.fnmr.wilson),
            percents(at.fnmr.bootstrap),
            percents(at.fnmr_at_target),
        ]);
    }
    if measures.targets.is_empty() {
        sheet.note("No rate was named, and the impostor comparisons support none of the usual.");
    }
    sheet
}

/// How fast each model was.
pub(super) fn speed(input: &ReportInput) -> Sheet {
    let mut sheet = Sheet::new("Speed")
        .words("model")
        .figures("samples computed")
        .figures("remembered")
        .figures("seconds")
        .figures("samples a second")
        .figures("lanes");
    for (name, ModelReport { evaluation, .. }) in input.named() {
        let speed = &evaluation.speed;
        let rate = samples_per_s(evaluation);
        sheet.push([
            name,
            count(speed.computed),
            count(speed.remembered),
            format!("{:.1}", speed.took.as_secs_f64()),
            rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}")),
            speed.lanes.to_string(),
        ]);
    }
    sheet.note(
        "From the encoded sample to the embedding, those computed only; remembered embeddings \
         took no time.",
    );
    sheet
}

/// Samples that went through the pipeline in a second, if any did.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(super) fn samples_per_s(evaluation: &Evaluation) -> Option<f64> {
    let speed = &evaluation.speed;
    let seconds = speed.took.as_secs_f64();
    (speed.computed > 0 && seconds > 0.0).then(|| speed.computed as f64 / seconds)
}

/// Where a model and its data come from.
pub(super) fn provenance(name: &str, model: &ModelReport) -> Sheet {
    let ModelReport {
        evaluation, facts, ..
    } = model;
    let mut sheet = Sheet::new(name).words("").words("");
    sheet.fact("licence", facts.licence.as_str());
    sheet.fact(
        "commercial use",
        if facts.commercial_use {
            "allowed"
        } else {
            "not allowed: for measuring only"
        },
    );
    sheet.fact("source", facts.source.as_str());
    sheet.fact("dimension", facts.dimension.to_string());
    sheet.fact("model file, bytes", count(facts.file_bytes));
    sheet.fact("model file, SHA-256", facts.sha256.as_str());
    sheet.fact("model contract", evaluation.contract_id.as_str());
    sheet.fact("data", evaluation.data.as_str());
    sheet.fact("data, SHA-256", evaluation.data_sha256.as_str());
    sheet.fact(
        "quality limits",
        if evaluation.gated {
            "applied"
        } else {
            "not applied"
        },
    );
    let targets = evaluation.measures.targets.iter();
    let targets: Vec<String> = targets.map(|at| rate_key(at.target)).collect();
    sheet.fact("target FMR", targets.join(", "));
    sheet
}

/// Where it was measured.
pub(super) fn environment(environment: &Environment) -> Sheet {
    let mut sheet = Sheet::new("Environment").words("").words("");
    sheet.fact("padan", environment.padan.as_str());
    sheet.fact("ONNX Runtime", environment.onnx_runtime.as_str());
    sheet.fact("provider", environment.provider.as_str());
    sheet.fact("machine", environment.machine.as_str());
    sheet.fact("cores", environment.cores.to_string());
    sheet.fact("date", environment.date.as_str());
    sheet
}

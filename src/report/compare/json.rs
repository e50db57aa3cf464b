//! A comparison for programs.

use serde_json::{Value, json};

use crate::evaluation::Evaluation;
use crate::evaluation::comparison::{Candidate, ModelComparison, ModelResult};
use crate::evaluation::cost::{Cost, Spread};
use crate::evaluation::disagreement::{Agreement, Disagreements, PairNames};
use crate::evaluation::gate::Verdict;
use crate::evaluation::result::PairedRates;

/// As JSON. Rates are between 0 and 1, times in milliseconds; what is no number is `null`. It holds
/// file names of samples, and neither faces nor similarities.
#[must_use]
pub fn json(comparison: &ModelComparison) -> Value {
    let environment = comparison.environment.iter();
    let environment = environment.map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    json!({
        "data": comparison.baseline.evaluation.data,
        "data_sha256": comparison.baseline.evaluation.data_sha256,
        "environment": Value::Object(environment.collect()),
        "baseline": model(&comparison.baseline),
        "candidates": comparison.candidates.iter().map(candidate).collect::<Vec<_>>(),
        "passed": comparison.passed(),
    })
}

fn model(result: &ModelResult) -> Value {
    let facts = &result.facts;
    json!({
        "model": facts.model,
        "model_contract_id": facts.contract_id,
        "licence": facts.licence,
        "commercial_use": facts.commercial_use,
        "file_bytes": facts.file_bytes,
        "dimension": facts.dimension,
        "template_bytes": facts.template_bytes,
        "accuracy": accuracy(&result.evaluation),
        "cost": result.cost.as_ref().map(cost),
    })
}

fn accuracy(evaluation: &Evaluation) -> Value {
    let measures = &evaluation.measures;
    let targets = measures.targets.iter().map(|at| {
        json!({
            "fmr": at.target,
            "threshold": at.threshold,
            "fnmr": at.fnmr.rate,
            "fnmr_interval": [at.fnmr_at_target.0, at.fnmr_at_target.1],
        })
    });
    let degradations = evaluation.degradations.iter().map(|degradation| {
        let fnmr = degradation.fnmr.iter().map(|fnmr| fnmr.rate);
        json!({ "name": degradation.name, "fnmr": fnmr.collect::<Vec<_>>() })
    });
    json!({
        "images": evaluation.images,
        "failure_to_acquire": evaluation.failure_to_acquire,
        "genuine": measures.genuine,
        "impostor": measures.impostor,
        "eer": measures.eer.rate,
        "accuracy": evaluation.accuracy.map(|accuracy| accuracy.mean),
        "targets": targets.collect::<Vec<_>>(),
        "degradations": degradations.collect::<Vec<_>>(),
    })
}

fn spread(spread: &Spread) -> Value {
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    json!({
        "count": spread.count,
        "median_ms": ms(spread.median),
        "p90_ms": ms(spread.p90),
        "p99_ms": ms(spread.p99),
        "max_ms": ms(spread.longest),
    })
}

fn cost(cost: &Cost) -> Value {
    let starts = cost
        .start
        .starts
        .iter()
        .map(|start| start.as_secs_f64() * 1e3);
    json!({
        "latency": spread(&cost.latency),
        "embed": spread(&cost.embed),
        "samples_left_out": cost.left_out,
        "throughput": {
            "samples_per_s": cost.throughput.samples_per_s,
            "turns": cost.throughput.turns,
            "turn_s": cost.throughput.turn.as_secs_f64(),
            "lanes": cost.throughput.lanes,
        },
        "start": {
            "median_ms": cost.start.median.as_secs_f64() * 1e3,
            "starts_ms": starts.collect::<Vec<_>>(),
        },
        "memory": cost.memory.map(|memory| json!({
            "ready_bytes": memory.ready_bytes,
            "worked_bytes": memory.worked_bytes,
            "samples": memory.samples,
            "lanes": memory.lanes,
        })),
    })
}

fn candidate(candidate: &Candidate) -> Value {
    let mut value = model(&candidate.result);
    let against = [
        ("paired", candidate.paired.iter().map(paired).collect()),
        (
            "disagreements",
            candidate.disagreements.iter().map(disagreements).collect(),
        ),
        (
            "verdict",
            candidate.verdict.as_ref().map_or(Value::Null, verdict),
        ),
    ];
    if let Value::Object(fields) = &mut value {
        fields.extend(against.map(|(key, value)| (key.to_owned(), value)));
    }
    value
}

fn paired(paired: &PairedRates) -> Value {
    json!({
        "fmr": paired.target,
        "baseline_fnmr": paired.baseline_fnmr,
        "candidate_fnmr": paired.candidate_fnmr,
        "difference": paired.difference,
        "difference_interval": [paired.interval.0, paired.interval.1],
        "share_of_resamples_worse": paired.share_worse,
        "in_words": paired.in_words(),
    })
}

fn disagreements(found: &Disagreements) -> Value {
    json!({
        "fmr": found.target,
        "comparisons": found.comparisons,
        "genuine": agreement(&found.agreements.genuine, &found.genuine_names),
        "impostor": agreement(&found.agreements.impostor, &found.impostor_names),
    })
}

fn agreement(agreement: &Agreement, names: &[Vec<PairNames>; 2]) -> Value {
    let [baseline, candidate] = names.each_ref().map(|names| {
        let pair =
            |(probe, reference): &PairNames| json!({ "probe": probe, "reference": reference });
        names.iter().map(pair).collect::<Vec<_>>()
    });
    json!({
        "compared": agreement.compared(),
        "both": agreement.both,
        "neither": agreement.neither,
        "only_baseline": agreement.only_baseline,
        "only_candidate": agreement.only_candidate,
        "only_baseline_examples": baseline,
        "only_candidate_examples": candidate,
    })
}

fn verdict(verdict: &Verdict) -> Value {
    let lines = verdict.lines.iter().map(|line| {
        json!({
            "key": line.key,
            "demanded": line.demanded,
            "measured": line.measured,
            "passed": line.passed,
        })
    });
    json!({ "passed": verdict.passed(), "lines": lines.collect::<Vec<_>>() })
}

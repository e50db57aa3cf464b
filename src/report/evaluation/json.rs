//! An evaluation as JSON. Rates that belong to a target stand under its key of [`rate_key`].

use serde_json::{Map, Value, json};

use super::rate_key;
use super::sheets::samples_per_s;
use crate::evaluation::result::{
    ColumnRates, DegradationRates, Evaluation, Histogram, Measures, SliceRate, SliceRates,
    TargetRates,
};

/// Everything that was measured. Intervals are `[low, high]`; what is not known is `null`, as is
/// the accuracy where the comparisons have no folds.
#[must_use]
pub fn json(evaluation: &Evaluation) -> Value {
    let measures = &evaluation.measures;
    let columns = evaluation.columns.iter();
    let columns: Vec<Value> = columns.map(|of| column(of, measures)).collect();
    let degradations = evaluation.degradations.iter();
    let degradations: Vec<Value> = degradations.map(|of| degradation(of, measures)).collect();
    let speed = &evaluation.speed;
    let mut all = json!({
        "model": evaluation.model,
        "model_contract_id": evaluation.contract_id.as_str(),
        "data": evaluation.data,
        "data_sha256": evaluation.data_sha256,
        "gated": evaluation.gated,
        "images": evaluation.images,
        "failure_to_acquire": evaluation.failure_to_acquire,
        "accuracy": evaluation.accuracy.map(|accuracy| accuracy.mean),
        "accuracy_std": evaluation.accuracy.map(|accuracy| accuracy.std),
        "cascade": evaluation.cascade.map(|cascade| json!({
            "from": cascade.band.from,
            "to": cascade.band.to,
            "genuine": cascade.genuine,
            "impostor": cascade.impostor,
        })),
        "columns": columns,
        "degradations": degradations,
        "speed": {
            "computed": speed.computed,
            "remembered": speed.remembered,
            "seconds": speed.took.as_secs_f64(),
            "per_s": samples_per_s(evaluation),
            "lanes": speed.lanes,
        },
    });
    if let (Value::Object(all), Value::Object(measured)) = (&mut all, measures_json(measures)) {
        all.extend(measured);
    }
    all
}

/// The measures alone.
#[must_use]
pub fn measures_json(measures: &Measures) -> Value {
    json!({
        "genuine": measures.genuine,
        "genuine_lost": measures.genuine_lost,
        "impostor": measures.impostor,
        "eer": {
            "rate": measures.eer.rate,
            "threshold": measures.eer.threshold,
            "bootstrap": measures.eer.bootstrap,
        },
        "at_fmr": at_fmr(measures, |_, at| rates(at)),
        "curve": measures.curve.iter().map(|point| json!({
            "threshold": point.threshold,
            "fmr": point.fmr,
            "fnmr": point.fnmr,
        })).collect::<Vec<_>>(),
        "histogram": histogram(&measures.histogram),
        "resampling": {
            "resamples": measures.resampling.resamples,
            "units": measures.resampling.units,
            "of_people": measures.resampling.of_people,
            "seed": measures.resampling.seed,
        },
    })
}

/// An object with one value for each target.
fn at_fmr(measures: &Measures, value: impl Fn(usize, &TargetRates) -> Value) -> Value {
    let targets = measures.targets.iter().enumerate();
    let object: Map<String, Value> = targets
        .map(|(index, at)| (rate_key(at.target), value(index, at)))
        .collect();
    Value::Object(object)
}

fn rates(at: &TargetRates) -> Value {
    json!({
        "threshold": at.threshold,
        "threshold_interval": at.threshold_interval,
        "false_matches": at.false_matches,
        "false_non_matches": at.false_non_matches,
        "fmr": at.fmr.rate,
        "fmr_wilson": at.fmr.wilson,
        "fmr_bootstrap": at.fmr.bootstrap,
        "fnmr": at.fnmr.rate,
        "fnmr_wilson": at.fnmr.wilson,
        "fnmr_bootstrap": at.fnmr.bootstrap,
        "fnmr_at_target": at.fnmr_at_target,
    })
}

/// Counts by bin; the first bin begins at −1.
fn histogram(histogram: &Histogram) -> Value {
    let bins = u32::try_from(histogram.genuine.len()).unwrap_or(u32::MAX);
    json!({
        "bin_width": 2.0 / f64::from(bins.max(1)),
        "genuine": histogram.genuine,
        "impostor": histogram.impostor,
    })
}

fn column(rates: &ColumnRates, measures: &Measures) -> Value {
    let of_slice = |slice: &SliceRates| {
        let rate = |rates: &[Option<SliceRate>], index: usize| {
            rates.get(index).copied().flatten().map(slice_rate)
        };
        json!({
            "value": slice.value,
            "genuine": slice.genuine,
            "impostor": slice.impostor,
            "at_fmr": at_fmr(measures, |index, _| json!({
                "fnmr": rate(&slice.fnmr, index),
                "fmr": rate(&slice.fmr, index),
            })),
            "warning": slice.warning,
        })
    };
    json!({
        "column": rates.column,
        "slices": rates.slices.iter().map(of_slice).collect::<Vec<_>>(),
    })
}

fn degradation(rates: &DegradationRates, measures: &Measures) -> Value {
    let rate = |rates: &[SliceRate], index: usize| rates.get(index).copied().map(slice_rate);
    json!({
        "name": rates.name,
        "failure_to_acquire": rates.failure_to_acquire,
        "genuine": rates.genuine,
        "impostor": rates.impostor,
        "at_fmr": at_fmr(measures, |index, _| json!({
            "fnmr": rate(&rates.fnmr, index),
            "fmr": rate(&rates.fmr, index),
        })),
    })
}

fn slice_rate(rate: SliceRate) -> Value {
    json!({ "errors": rate.errors, "rate": rate.rate, "wilson": rate.wilson })
}

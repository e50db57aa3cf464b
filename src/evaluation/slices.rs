//! Rates by the values of a list's columns.

use super::dataset::{Comparison, Dataset, SliceColumn};
use super::measures::{is_match, share, to_float, wilson_interval};
use super::result::{ColumnRates, SliceRate, SliceRates, TargetRates};
use crate::decision::impostors_needed;

/// Fewer genuine comparisons than this say nothing, whatever the rate.
const GENUINE_MIN: u64 = 30;

/// Rates of the listed comparisons by each value of each column, at the thresholds that `whole` has
/// for its targets.
///
/// `similarities` has one number for each of [`Dataset::listed`], in its order; `NEG_INFINITY` when
/// the comparison could not be made, which is a false non-match of a genuine one and no comparison
/// of an impostor one.
#[must_use]
pub fn slice_rates(
    dataset: &Dataset,
    similarities: &[f32],
    whole: &[TargetRates],
) -> Vec<ColumnRates> {
    let columns = dataset.columns.iter().enumerate();
    columns
        .map(|(place, column)| {
            let counts = count(dataset, similarities, (place, column), whole);
            let slices = column.values.iter().zip(&counts);
            ColumnRates {
                column: column.name.clone(),
                slices: slices
                    .map(|(value, counts)| counts.rates(value, whole))
                    .collect(),
            }
        })
        .collect()
}

/// Comparisons of one value, and errors at each target.
#[derive(Debug, Clone)]
struct Counts {
    genuine: u64,
    impostor: u64,
    false_non_matches: Vec<u64>,
    false_matches: Vec<u64>,
}

/// Counts for each value of a column.
fn count(
    dataset: &Dataset,
    similarities: &[f32],
    (place, column): (usize, &SliceColumn),
    whole: &[TargetRates],
) -> Vec<Counts> {
    let none = Counts {
        genuine: 0,
        impostor: 0,
        false_non_matches: vec![0; whole.len()],
        false_matches: vec![0; whole.len()],
    };
    let mut counts = vec![none; column.values.len()];
    for (comparison, similarity) in dataset.listed.iter().zip(similarities) {
        let value = comparison.slices.get(place);
        if let Some(counts) = value.and_then(|value| counts.get_mut(*value as usize)) {
            counts.add(comparison, *similarity, whole);
        }
    }
    counts
}

impl Counts {
    fn add(&mut self, comparison: &Comparison, similarity: f32, whole: &[TargetRates]) {
        if !comparison.genuine && !similarity.is_finite() {
            return;
        }
        let (total, errors) = if comparison.genuine {
            (&mut self.genuine, &mut self.false_non_matches)
        } else {
            (&mut self.impostor, &mut self.false_matches)
        };
        *total += 1;
        for (errors, rates) in errors.iter_mut().zip(whole) {
            let is_error = is_match(similarity, rates.threshold) != comparison.genuine;
            *errors += u64::from(is_error);
        }
    }

    fn rates(&self, value: &str, whole: &[TargetRates]) -> SliceRates {
        SliceRates {
            value: value.to_owned(),
            genuine: self.genuine,
            impostor: self.impostor,
            fnmr: each_rate(&self.false_non_matches, self.genuine),
            fmr: each_rate(&self.false_matches, self.impostor),
            warning: self.warning(whole),
        }
    }

    /// Why there are too few comparisons, by the rule of three: no error in n comparisons leaves a
    /// rate of 3/n possible. None at all need no warning: they have no rate.
    fn warning(&self, whole: &[TargetRates]) -> Option<String> {
        let genuine = genuine_warning(self.genuine, whole).filter(|_| self.genuine > 0);
        let impostor = impostor_warning(self.impostor, whole).filter(|_| self.impostor > 0);
        let warnings: Vec<String> = genuine.into_iter().chain(impostor).collect();
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }
}

/// Against the lowest rate of the whole, which takes the most comparisons.
fn genuine_warning(genuine: u64, whole: &[TargetRates]) -> Option<String> {
    let rates = whole.iter().map(|rates| (rates.fnmr.rate, rates.target));
    let lowest = rates
        .filter(|(fnmr, _)| *fnmr > 0.0)
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let for_rate = lowest.map_or(0, |(fnmr, _)| impostors_needed(fnmr));
    let needed = for_rate.max(GENUINE_MIN);
    if genuine >= needed {
        return None;
    }
    let few = format!(
        "{genuine} genuine {}: with no error among them the FNMR may still be {}",
        comparisons(genuine),
        percent((3.0 / to_float(genuine.max(1))).min(1.0)),
    );
    Some(match lowest {
        Some((fnmr, target)) if for_rate >= GENUINE_MIN => format!(
            "{few}; it takes {needed} to compare with the {} of the whole at FMR {target:e}",
            percent(fnmr)
        ),
        _ => format!("{few}; it takes {needed} to say anything"),
    })
}

/// Against the lowest target.
fn impostor_warning(impostor: u64, whole: &[TargetRates]) -> Option<String> {
    let target = whole
        .iter()
        .map(|rates| rates.target)
        .min_by(f64::total_cmp)?;
    let needed = impostors_needed(target);
    let text = || {
        format!(
            "{impostor} impostor {}: it takes {needed} to support an FMR of {target:e}",
            comparisons(impostor)
        )
    };
    (impostor < needed).then(text)
}

fn each_rate(errors: &[u64], total: u64) -> Vec<Option<SliceRate>> {
    let rate = |errors: &u64| SliceRate {
        errors: *errors,
        rate: share(*errors, total),
        wilson: wilson_interval(*errors, total),
    };
    let rates = errors
        .iter()
        .map(|errors| (total > 0).then(|| rate(errors)));
    rates.collect()
}

fn comparisons(count: u64) -> &'static str {
    if count == 1 {
        "comparison"
    } else {
        "comparisons"
    }
}

fn percent(rate: f64) -> String {
    format!("{:.2} %", rate * 100.0)
}

#[cfg(test)]
mod tests;

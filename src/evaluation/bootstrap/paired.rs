//! Two models on the same comparisons.

use super::draw::each_resample;
use super::resample::Resample;
use super::units::{Units, people_of};
use super::{ResamplingSettings, interval};
use crate::evaluation::measures::{
    MeasureError, check_order, check_targets, counts, rates, share, threshold_at,
};
use crate::evaluation::result::PairedRates;
use crate::evaluation::scores::Scores;

/// How the false non-match rates of two models differ at each target, each model at its own
/// threshold. Both are measured on the same resamples of people, so that what is hard for both
/// cancels out.
///
/// # Errors
/// Like [`crate::evaluation::measure`]; and when the genuine comparisons are not of the same
/// people.
pub fn paired(
    baseline: &Scores,
    candidate: &Scores,
    targets: &[f64],
    settings: ResamplingSettings,
) -> Result<Vec<PairedRates>, MeasureError> {
    for scores in [baseline, candidate] {
        let (_, impostor) = counts(scores)?;
        check_targets(targets, impostor)?;
        check_order(scores)?;
    }
    if genuine_people(baseline) != genuine_people(candidate) {
        return Err(MeasureError::OtherData);
    }
    let people = people_of(&[baseline, candidate]);
    let (units, other_units) = (
        Units::new(baseline, &people)?,
        Units::new(candidate, &people)?,
    );
    let outcomes = each_resample(
        settings,
        people.len(),
        || (Resample::new(&units), Resample::new(&other_units)),
        |(baseline, candidate), weights| {
            baseline.weigh(weights)?;
            candidate.weigh(weights)?;
            let fnmr = |model: &Resample<'_>, target| model.rates(model.threshold_at(target)).1;
            let difference = |target: &f64| fnmr(candidate, *target) - fnmr(baseline, *target);
            Some(targets.iter().map(difference).collect::<Vec<f64>>())
        },
    )?;
    let fnmr = |scores: &Scores, target| {
        rates(scores, threshold_at(&scores.impostor.similarities, target)).1
    };
    let of_target = |(place, target): (usize, &f64)| {
        let differences = || outcomes.iter().filter_map(|all| all.get(place).copied());
        let worse = differences().filter(|difference| *difference > 0.0);
        let (baseline_fnmr, candidate_fnmr) = (fnmr(baseline, *target), fnmr(candidate, *target));
        PairedRates {
            target: *target,
            baseline_fnmr,
            candidate_fnmr,
            difference: candidate_fnmr - baseline_fnmr,
            interval: interval(differences()),
            share_worse: share(worse.count() as u64, outcomes.len() as u64),
        }
    };
    Ok(targets.iter().enumerate().map(of_target).collect())
}

/// Whose the genuine comparisons are, whatever their order.
fn genuine_people(scores: &Scores) -> Vec<u32> {
    let mut people: Vec<u32> = scores.genuine.iter().map(|score| score.probe).collect();
    people.sort_unstable();
    people
}

#[cfg(test)]
mod tests;

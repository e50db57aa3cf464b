use std::collections::BTreeMap;

use super::super::tests::{MANY, all_draws, four_people, written_out};
use super::super::{ResamplingSettings, each_resample, people_of};
use super::*;
use crate::evaluation::measures::{equal_error, measure, rates, threshold_at};
use crate::evaluation::scores::Scores;

/// What a resample says, in units in which floats can be compared and counted.
type Outcome = [i64; 5];

fn outcome(eer: f64, threshold: f32, fmr: f64, fnmr: f64, fnmr_at_target: f64) -> Outcome {
    [eer, f64::from(threshold), fmr, fnmr, fnmr_at_target].map(|x| (x * 1e6).round() as i64)
}

/// Probabilities of all outcomes, by enumeration, counting every comparison of every draw.
fn exact(scores: &Scores, people: u32, target: f64) -> BTreeMap<Outcome, f64> {
    let of_whole = threshold_at(&scores.impostor.similarities, target);
    let resamples: Vec<Scores> = all_draws(people)
        .iter()
        .map(|draw| written_out(scores, draw))
        .filter(|s| !s.genuine.is_empty() && !s.impostor.similarities.is_empty())
        .collect();
    let mut outcomes = BTreeMap::new();
    for resample in &resamples {
        let own = threshold_at(&resample.impostor.similarities, target);
        let (eer, _) = equal_error(|threshold| rates(resample, threshold));
        let (fmr, fnmr) = rates(resample, of_whole);
        let outcome = outcome(eer, own, fmr, fnmr, rates(resample, own).1);
        *outcomes.entry(outcome).or_insert(0.0) += 1.0 / resamples.len() as f64;
    }
    outcomes
}

fn drawn(scores: &Scores, target: f64, settings: ResamplingSettings) -> Vec<Outcome> {
    let people = people_of(&[scores]);
    let units = Units::new(scores, &people).expect("consistent");
    let of_whole = threshold_at(&scores.impostor.similarities, target);
    let (matched, refused) = (
        matched(&scores.impostor.similarities, of_whole),
        refused(&scores.genuine, of_whole),
    );
    each_resample(
        settings,
        people.len(),
        || Resample::new(&units),
        |resample, weights| {
            resample.weigh(weights)?;
            let own = resample.threshold_at(target);
            let (eer, _) = equal_error(|threshold| resample.rates(threshold));
            let (fmr, fnmr) = (resample.fmr(matched), resample.fnmr(refused));
            Some(outcome(eer, own, fmr, fnmr, resample.rates(own).1))
        },
    )
    .expect("draws")
}

#[test]
fn resamples_have_the_distribution_that_enumeration_gives() {
    let scores = four_people();
    let expected = exact(&scores, 4, 0.3);
    assert!(expected.len() > 20, "{} outcomes", expected.len());
    let drawn = drawn(&scores, 0.3, MANY);
    let mut seen = BTreeMap::new();
    for outcome in &drawn {
        *seen.entry(*outcome).or_insert(0_u32) += 1;
    }
    let total = drawn.len() as f64;
    for (outcome, count) in &seen {
        assert!(expected.contains_key(outcome), "{outcome:?}, {count} times");
    }
    for (outcome, probability) in &expected {
        let share = f64::from(seen.get(outcome).copied().unwrap_or(0)) / total;
        let deviation = (probability * (1.0 - probability) / total).sqrt();
        assert!(
            (share - probability).abs() < 5.0 * deviation,
            "{outcome:?}: {share}, not {probability}"
        );
    }
}

#[test]
fn intervals_are_the_quantiles_that_enumeration_gives() {
    let scores = four_people();
    let exact = exact(&scores, 4, 0.3);
    let quantile = |place: usize, share: f64| {
        let mut values: Vec<(i64, f64)> = exact.iter().map(|(o, p)| (o[place], *p)).collect();
        values.sort_unstable_by_key(|(value, _)| *value);
        let mut below = 0.0;
        for (value, probability) in values {
            below += probability;
            // Three standard deviations of the share that lies below: no seed decides.
            if below > share + 0.0035 {
                return value as f64 / 1e6;
            }
            assert!(below < share - 0.0035, "this quantile is a matter of luck");
        }
        panic!("no quantile");
    };
    let measures = measure(&scores, &[0.3], MANY).expect("measures");
    let [target] = measures.targets.as_slice() else {
        panic!("one target");
    };
    let (low, high) = target.threshold_interval;
    for (place, (low, high)) in [
        (0, measures.eer.bootstrap),
        (1, (f64::from(low), f64::from(high))),
        (2, target.fmr.bootstrap),
        (3, target.fnmr.bootstrap),
        (4, target.fnmr_at_target),
    ] {
        let expected = (quantile(place, 0.025), quantile(place, 0.975));
        assert!(
            (low - expected.0).abs() < 2e-6 && (high - expected.1).abs() < 2e-6,
            "{place}: {low} {high}, not {expected:?}"
        );
    }
    assert_eq!(
        (measures.resampling.units, measures.resampling.of_people),
        (4, true)
    );
}

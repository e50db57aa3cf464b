//! Drawing people, on all cores.

use std::num::NonZeroUsize;
use std::thread;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{RESAMPLES_MAX, ResamplingSettings};
use crate::evaluation::measures::MeasureError;

/// What `outcome` says of each resample, in order; resamples of which it says nothing are left out.
/// It gets the state of its thread and how often each of `units` was drawn.
///
/// Each resample has a seed of its own, so that neither the number of threads nor their order
/// changes anything.
pub fn each_resample<State, Outcome: Send>(
    settings: ResamplingSettings,
    units: usize,
    state: impl Fn() -> State + Sync,
    outcome: impl Fn(&mut State, &[u32]) -> Option<Outcome> + Sync,
) -> Result<Vec<Outcome>, MeasureError> {
    let seeds = seeds(settings)?;
    let mut outcomes: Vec<Option<Outcome>> = seeds.iter().map(|_| None).collect();
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = seeds.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        for (outcomes, seeds) in outcomes.chunks_mut(share).zip(seeds.chunks(share)) {
            let (state, outcome) = (&state, &outcome);
            scope.spawn(move || {
                let (mut state, mut weights) = (state(), vec![0; units]);
                for (slot, seed) in outcomes.iter_mut().zip(seeds) {
                    draw(*seed, &mut weights);
                    *slot = outcome(&mut state, &weights);
                }
            });
        }
    });
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    if outcomes.is_empty() {
        return Err(MeasureError::TooFewPeople);
    }
    Ok(outcomes)
}

/// One seed for each resample.
fn seeds(settings: ResamplingSettings) -> Result<Vec<u64>, MeasureError> {
    if !(1..=RESAMPLES_MAX).contains(&settings.resamples) {
        return Err(MeasureError::Resamples {
            asked: settings.resamples,
            most: RESAMPLES_MAX,
        });
    }
    let mut random = Xoshiro256PlusPlus::seed_from_u64(settings.seed);
    Ok((0..settings.resamples).map(|_| random.random()).collect())
}

/// Draws as many units as there are, with replacement: `weights` becomes how often each was drawn.
///
/// The generator is a named one, and the way from its number to a unit is written out: a seed gives
/// the same draw in every release of `rand`.
fn draw(seed: u64, weights: &mut [u32]) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let units = weights.len() as u128;
    weights.fill(0);
    for _ in 0..weights.len() {
        // The high half of the product lies below the number of units; that some units are more
        // likely by 2^-64 is nothing.
        let unit = (u128::from(random.random::<u64>()) * units) >> u64::BITS;
        let unit = usize::try_from(unit).unwrap_or_default();
        if let Some(weight) = weights.get_mut(unit) {
            *weight += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: ResamplingSettings = ResamplingSettings {
        resamples: 1000,
        seed: 4,
    };

    #[test]
    fn threads_change_nothing() {
        let outcomes = each_resample(SETTINGS, 9, || (), |(), weights| Some(weights.to_vec()));
        let alone = seeds(SETTINGS).expect("seeds").into_iter().map(|seed| {
            let mut weights = vec![7; 9];
            draw(seed, &mut weights);
            weights
        });
        assert_eq!(outcomes.expect("outcomes"), alone.collect::<Vec<_>>());
    }

    #[test]
    fn as_many_units_are_drawn_as_there_are_and_each_as_often_as_any_other() {
        let mut drawn = [0_u32; 9];
        for seed in seeds(SETTINGS).expect("seeds") {
            let mut weights = [0; 9];
            draw(seed, &mut weights);
            assert_eq!(weights.iter().sum::<u32>(), 9);
            for (sum, weight) in drawn.iter_mut().zip(weights) {
                *sum += weight;
            }
        }
        // 9,000 draws with a chance of 1/9 each: 1,000 ± five standard deviations.
        assert!(
            drawn.iter().all(|sum| (851..=1149).contains(sum)),
            "{drawn:?}"
        );
    }
}

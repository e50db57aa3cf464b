//! Rates of one resample.

use super::units::Units;
use crate::evaluation::measures::{allowed, matched, refused, share};

/// The weights of one resample, summed up from the ends of the sorted similarities, so that any
/// rate is one look-up. It is used again for the next resample.
#[derive(Debug)]
pub struct Resample<'a> {
    units: &'a Units<'a>,
    /// Weight of the first genuine comparisons: of none, of one, …, of all.
    genuine_sums: Vec<u64>,
    /// The same of the highest impostor comparisons.
    impostor_sums: Vec<u64>,
    /// Weight of all genuine comparisons.
    genuine_total: u64,
    /// Weight of the highest impostor comparisons.
    highest_total: u64,
    /// Weight of all impostor comparisons.
    impostor_total: u64,
}

impl<'a> Resample<'a> {
    /// Before any draw.
    pub fn new(units: &'a Units<'a>) -> Self {
        Self {
            units,
            genuine_sums: Vec::new(),
            impostor_sums: Vec::new(),
            genuine_total: 0,
            highest_total: 0,
            impostor_total: 0,
        }
    }

    /// Takes how often each unit was drawn. `None` when no genuine or no impostor comparison is
    /// left.
    pub fn weigh(&mut self, weights: &[u32]) -> Option<()> {
        let units = self.units;
        self.genuine_total = sum_up(&mut self.genuine_sums, units.genuine_weights(weights));
        self.highest_total = sum_up(&mut self.impostor_sums, units.highest_weights(weights));
        self.impostor_total = units.impostor_total(weights, self.highest_total);
        (self.genuine_total > 0 && self.impostor_total > 0).then_some(())
    }

    /// The lowest threshold whose false match rate does not exceed `target`.
    pub fn threshold_at(&self, target: f64) -> f32 {
        let similarities = &self.units.scores.impostor.similarities;
        let allowed = allowed(target, self.impostor_total);
        let fitting = self.impostor_sums.partition_point(|sum| *sum <= allowed);
        let first_refused = if fitting < self.impostor_sums.len() {
            // The first sum is that of none, so that the one too many is a place before.
            fitting.saturating_sub(1)
        } else {
            self.highest_count() + self.deeper_than(allowed - self.highest_total)
        };
        let first_refused = similarities.get(first_refused);
        first_refused.map_or(-1.0, |similarity| similarity.next_up())
    }

    /// Both rates at a threshold, false matches first.
    pub fn rates(&self, threshold: f32) -> (f64, f64) {
        let scores = self.units.scores;
        let matched = matched(&scores.impostor.similarities, threshold);
        (
            self.fmr(matched),
            self.fnmr(refused(&scores.genuine, threshold)),
        )
    }

    /// The false match rate where so many of the whole's highest impostor comparisons match.
    pub fn fmr(&self, matched: usize) -> f64 {
        let of_highest = self.impostor_sums.get(matched);
        let weight = of_highest.copied().unwrap_or_else(|| {
            let deeper = matched.saturating_sub(self.highest_count()) as u128;
            let deeper = deeper * self.weight_below() / self.count_below().max(1);
            self.highest_total + u64::try_from(deeper).unwrap_or(u64::MAX)
        });
        share(weight, self.impostor_total)
    }

    /// The false non-match rate where so many of the whole's lowest genuine comparisons are
    /// refused.
    pub fn fnmr(&self, refused: usize) -> f64 {
        let weight = self.genuine_sums.get(refused).copied();
        share(weight.unwrap_or_default(), self.genuine_total)
    }

    /// Most of the whole's lowest genuine comparisons that can be refused at this rate.
    pub fn refusable(&self, fnmr_max: f64) -> usize {
        let fits = |sum: &u64| share(*sum, self.genuine_total) <= fnmr_max;
        // The first sum is that of none.
        self.genuine_sums.partition_point(fits).saturating_sub(1)
    }

    fn highest_count(&self) -> usize {
        self.impostor_sums.len().saturating_sub(1)
    }

    /// How many comparisons below the highest weigh so much. Nobody knows whose they are: each
    /// counts as the mean of them.
    fn deeper_than(&self, weight: u64) -> usize {
        let count = u128::from(weight) * self.count_below();
        let count = count.checked_div(self.weight_below());
        count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn weight_below(&self) -> u128 {
        u128::from(self.impostor_total.saturating_sub(self.highest_total))
    }

    fn count_below(&self) -> u128 {
        let all = self.units.scores.impostor.similarities.len();
        all.saturating_sub(self.highest_count()) as u128
    }
}

/// Makes `sums` the sums of the first weights, beginning with that of none; gives that of all.
fn sum_up(sums: &mut Vec<u64>, weights: impl Iterator<Item = u64>) -> u64 {
    let mut sum = 0;
    sums.clear();
    sums.push(sum);
    sums.extend(weights.map(|weight| {
        sum += weight;
        sum
    }));
    sum
}

#[cfg(test)]
mod tests;

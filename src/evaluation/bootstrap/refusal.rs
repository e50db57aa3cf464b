//! How many genuine comparisons may be refused, whoever the people are.

use super::draw::each_resample;
use super::resample::Resample;
use super::units::{Units, people_of};
use super::{ENDS, ResamplingSettings, interval};
use crate::evaluation::measures::{MeasureError, to_float};
use crate::evaluation::scores::Scores;

/// Most of the lowest genuine comparisons that can be refused so that the upper end of the 95 %
/// interval of the false non-match rate over people does not exceed `fnmr_max`.
///
/// # Errors
/// Like [`crate::evaluation::measure`].
pub fn refusable(
    scores: &Scores,
    fnmr_max: f64,
    settings: ResamplingSettings,
) -> Result<usize, MeasureError> {
    let mut counts = of_resamples(scores, settings, |resample| resample.refusable(fnmr_max))?;
    counts.sort_unstable();
    Ok(counts
        .get(low_end(counts.len()))
        .copied()
        .unwrap_or_default())
}

/// 95 % interval over people of the false non-match rate where so many of the lowest genuine
/// comparisons are refused.
///
/// # Errors
/// Like [`crate::evaluation::measure`].
pub fn fnmr_interval(
    scores: &Scores,
    refused: usize,
    settings: ResamplingSettings,
) -> Result<(f64, f64), MeasureError> {
    let rates = of_resamples(scores, settings, |resample| resample.fnmr(refused))?;
    Ok(interval(rates.into_iter()))
}

fn of_resamples<Outcome: Send>(
    scores: &Scores,
    settings: ResamplingSettings,
    outcome: impl Fn(&Resample<'_>) -> Outcome + Sync,
) -> Result<Vec<Outcome>, MeasureError> {
    let people = people_of(&[scores]);
    let units = Units::new(scores, &people)?;
    each_resample(
        settings,
        people.len(),
        || Resample::new(&units),
        |resample, weights| {
            resample.weigh(weights)?;
            Some(outcome(resample))
        },
    )
}

/// Place of the lower end among so many ascending values: of the two beside it the first, so that
/// what it allows is not between what two resamples do.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place between 0 and the number of values"
)]
fn low_end(values: usize) -> usize {
    (to_float(values.saturating_sub(1) as u64) * ENDS.0) as usize
}

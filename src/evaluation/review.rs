//! Where a review has to begin, so that the machine refuses few people for good.

use super::bootstrap::{ResamplingSettings, fnmr_interval, refusable};
use super::measures::{MeasureError, matched, refused as refused_below, share, wilson_interval};
use super::scores::Scores;
use crate::decision::ReviewThreshold;

/// The highest similarity below which even the upper end of the 95 % interval of the false
/// non-match rate stays at or below `fnmr_max`: whoever is below is refused by the machine, whoever
/// is above is seen by a human. Of the two intervals, Wilson's over comparisons and that over
/// people, the one that reaches higher counts.
///
/// `None` when failures to acquire and mistakes in the labels alone are more, or the comparisons
/// are too few to say so.
///
/// # Errors
/// Like [`super::measure`].
pub fn review_threshold(
    scores: &Scores,
    fnmr_max: f64,
    settings: ResamplingSettings,
) -> Result<Option<ReviewThreshold>, MeasureError> {
    let genuine = &scores.genuine;
    let total = genuine.len() as u64;
    let upper = |refused: usize| wilson_interval(refused as u64, total).1;
    // The upper end rises with the number of the refused.
    let refused: Vec<usize> = (0..=genuine.len()).collect();
    let fitting = refused.partition_point(|count| upper(*count) <= fnmr_max);
    let Some(by_comparisons) = fitting.checked_sub(1) else {
        return Ok(None);
    };
    let allowed = by_comparisons.min(refusable(scores, fnmr_max, settings)?);
    let threshold = genuine.get(allowed).map(|score| score.similarity);
    let Some(threshold) = threshold.filter(|found| found.is_finite()) else {
        return Ok(None);
    };
    // Of equal similarities all are above.
    let refused = refused_below(genuine, threshold);
    let (_, over_people) = fnmr_interval(scores, refused, settings)?;
    let impostors = &scores.impostor.similarities;
    let above = matched(impostors, threshold);
    let share = |count: usize, total: usize| share(count as u64, total as u64);
    Ok(Some(ReviewThreshold {
        threshold,
        fnmr: share(refused, genuine.len()),
        fnmr_high: upper(refused).max(over_people),
        fmr: share(above, impostors.len()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::scores::Score;

    fn scores(genuine: &[f32], impostor: &[f32]) -> Scores {
        let of = |similarities: &[f32]| -> Vec<Score> {
            let numbered = (0..).zip(similarities);
            let score = |(number, similarity): (u32, &f32)| Score {
                similarity: *similarity,
                probe: number,
                reference: number,
            };
            numbered.map(score).collect()
        };
        Scores::listed(of(genuine), of(impostor))
    }

    fn review(scores: &Scores, fnmr_max: f64) -> Option<ReviewThreshold> {
        let found = review_threshold(scores, fnmr_max, ResamplingSettings::default());
        found.expect("the scores are whole")
    }

    /// 0.00, 0.01, … 0.99.
    fn hundred() -> Vec<f32> {
        (0..100_u8).map(|n| f32::from(n) / 100.0).collect()
    }

    #[test]
    fn the_upper_end_of_the_interval_stays_below_what_is_allowed() {
        // By hand, Wilson at 95 % of 100: 2 refused have an upper end of 7.0 %, 3 of 8.5 %.
        let found = review(&scores(&hundred(), &[-0.5, 0.01, 0.02, 0.5]), 0.08);
        let found = found.expect("two may be refused");
        assert_eq!(found.threshold, 0.02);
        assert_eq!(found.fnmr, 0.02);
        assert!(
            (found.fnmr_high - 0.0700).abs() < 5e-4,
            "{}",
            found.fnmr_high
        );
        assert_eq!(found.fmr, 0.5);
    }

    #[test]
    fn of_equal_similarities_all_are_reviewed() {
        let mut genuine = hundred();
        genuine[1] = 0.02;
        let found = review(&scores(&genuine, &[0.0]), 0.08).expect("one is refused");
        assert_eq!((found.threshold, found.fnmr), (0.02, 0.01));
    }

    #[test]
    fn what_cannot_be_reached_is_not_said() {
        // None refused of 100 still has an upper end of 3.7 %.
        assert_eq!(review(&scores(&hundred(), &[0.0]), 0.03), None);
        let lost = vec![f32::NEG_INFINITY; 10];
        let genuine = [lost, hundred()].concat();
        assert_eq!(review(&scores(&genuine, &[0.0]), 0.08), None);
    }

    #[test]
    fn comparisons_of_one_person_weigh_as_one_person() {
        let mut scores = scores(&hundred(), &[0.0; 10]);
        for (place, score) in (0_u32..).zip(&mut scores.genuine) {
            (score.probe, score.reference) = (place / 10, place / 10);
        }
        // Wilson would allow 12 of 100. The ten lowest are those of one of ten people, who is drawn
        // three times or more often in 7.0 % of the resamples, four times in 1.3 %: of six of hers,
        // 18 % are refused then, of seven 21 %.
        let found = review(&scores, 0.2).expect("six may be refused");
        assert_eq!((found.threshold, found.fnmr), (0.06, 0.06));
        assert!((found.fnmr_high - 0.18).abs() < 1e-9, "{}", found.fnmr_high);
    }
}

//! Where a review has to begin, so that the machine refuses few people for good.

use super::measures::{matched, refused as refused_below, share, wilson_interval};
use super::scores::Scores;
use crate::decision::ReviewThreshold;

/// The highest similarity below which even the upper end of the 95 % interval (Wilson) of the false
/// non-match rate stays at or below `fnmr_max`: whoever is below is refused by the machine, whoever
/// is above is seen by a human.
///
/// `None` when failures to acquire and mistakes in the labels alone are more, or the comparisons
/// are too few to say so.
#[must_use]
pub fn review_threshold(scores: &Scores, fnmr_max: f64) -> Option<ReviewThreshold> {
    let genuine = &scores.genuine;
    let total = genuine.len() as u64;
    let upper = |refused: usize| wilson_interval(refused as u64, total).1;
    // The upper end rises with the number of the refused.
    let refused: Vec<usize> = (0..=genuine.len()).collect();
    let allowed = refused.partition_point(|count| upper(*count) <= fnmr_max);
    let refused = allowed.checked_sub(1)?;
    let threshold = genuine.get(refused)?.similarity;
    if threshold == f32::NEG_INFINITY {
        return None;
    }
    // Of equal similarities all are above.
    let refused = refused_below(genuine, threshold);
    let impostors = &scores.impostor.similarities;
    let above = matched(impostors, threshold);
    let share = |count: usize, total: usize| share(count as u64, total as u64);
    Some(ReviewThreshold {
        threshold,
        fnmr: share(refused, genuine.len()),
        fnmr_high: upper(refused),
        fmr: share(above, impostors.len()),
    })
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

    /// 0.00, 0.01, … 0.99.
    fn hundred() -> Vec<f32> {
        (0..100_u8).map(|n| f32::from(n) / 100.0).collect()
    }

    #[test]
    fn the_upper_end_of_the_interval_stays_below_what_is_allowed() {
        // By hand, Wilson at 95 % of 100: 2 refused have an upper end of 7.0 %, 3 of 8.5 %.
        let found = review_threshold(&scores(&hundred(), &[-0.5, 0.01, 0.02, 0.5]), 0.08);
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
        let found = review_threshold(&scores(&genuine, &[0.0]), 0.08).expect("one is refused");
        assert_eq!((found.threshold, found.fnmr), (0.02, 0.01));
    }

    #[test]
    fn what_cannot_be_reached_is_not_said() {
        // None refused of 100 still has an upper end of 3.7 %.
        assert_eq!(review_threshold(&scores(&hundred(), &[0.0]), 0.03), None);
        let lost = vec![f32::NEG_INFINITY; 10];
        let genuine = [lost, hundred()].concat();
        assert_eq!(review_threshold(&scores(&genuine, &[0.0]), 0.08), None);
    }
}

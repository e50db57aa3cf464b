use proptest::prelude::*;
use proptest::sample::SizeRange;

use super::*;

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-4
}

/// Listed comparisons whose people are unknown.
pub fn listed(genuine: &[f32], impostor: &[f32]) -> Scores {
    let mut units = 0..;
    let mut score = |similarity: &f32| {
        let unit = units.next().expect("without end");
        Score {
            similarity: *similarity,
            probe: unit,
            reference: unit,
        }
    };
    let genuine = genuine.iter().map(&mut score).collect();
    let impostor = impostor.iter().map(&mut score).collect();
    Scores::listed(genuine, impostor)
}

/// Few distinct similarities, so that there are ties; some were lost.
pub fn similarities(size: impl Into<SizeRange>) -> impl Strategy<Value = Vec<f32>> {
    let made = (-20_i8..=20).prop_map(|step| f32::from(step) / 20.0);
    let lost = Just(f32::NEG_INFINITY);
    proptest::collection::vec(prop_oneof![9 => made, 1 => lost], size)
}

/// Genuine comparisons of ten people, and impostor ones of each with the next.
pub fn of_people(genuine: &[f32], impostor: &[f32]) -> Scores {
    let score = |(place, similarity): (u32, &f32), next: u32| Score {
        similarity: *similarity,
        probe: place % 10,
        reference: (place + next) % 10,
    };
    let genuine = (0..).zip(genuine).map(|numbered| score(numbered, 0));
    let impostor = (0..).zip(impostor).map(|numbered| score(numbered, 1));
    Scores::listed(genuine.collect(), impostor.collect())
}

/// Twenty comparisons, of which one was lost and three are tied at 0.5:
///
/// | just above | matches of impostors | refused genuine            |
/// |------------|----------------------|----------------------------|
/// | 0.65       | 0                    | lost, 0.35, 0.5, 0.6: 4    |
/// | 0.5        | 0.65: 1              | lost, 0.35, 0.5: 3         |
/// | 0.4        | and 0.5 twice: 3     | lost, 0.35: 2              |
/// | 0.3        | and 0.4: 4           | lost: 1                    |
/// | 0.2 … −0.2 | 5 … 9                | 1                          |
/// | all        | 10                   | 1                          |
fn twenty() -> Scores {
    let lost = f32::NEG_INFINITY;
    listed(
        &[0.9, 0.6, 0.75, lost, 0.95, 0.35, 0.5, 0.85, 0.7, 0.8],
        &[0.5, -0.1, 0.65, 0.2, 0.0, 0.5, 0.4, 0.1, 0.3, -0.2],
    )
}

pub fn measured() -> Measures {
    let resampling = ResamplingSettings {
        resamples: 200,
        seed: 3,
    };
    measure(&twenty(), &[0.3, 0.45], resampling).expect("measures")
}

#[test]
fn rates_and_wilson_intervals_are_those_worked_out_by_hand() {
    let measures = measured();
    assert_eq!(
        (measures.genuine, measures.genuine_lost, measures.impostor),
        (10, 1, 10)
    );
    let [strict, loose] = measures.targets.as_slice() else {
        panic!("two targets");
    };
    // 3 of 10 may match: the threshold lies just above the fourth, 0.4.
    assert_eq!(strict.threshold, 0.4_f32.next_up());
    assert_eq!((strict.false_matches, strict.false_non_matches), (3, 2));
    assert!(close(strict.fmr.rate, 0.3) && close(strict.fnmr.rate, 0.2));
    // 4.5 of 10: the fifth, 0.3, must not match.
    assert_eq!(loose.threshold, 0.3_f32.next_up());
    assert_eq!((loose.false_matches, loose.false_non_matches), (4, 1));
    // With z² = 3.8415: centre (0.3 + z²/20) / (1 + z²/10) = 0.3555, half width
    // z · √(0.3 · 0.7 / 10 + z²/400) / (1 + z²/10) = 0.2477.
    let (low, high) = strict.fmr.wilson;
    assert!(close(low, 0.1078) && close(high, 0.6032), "{low} {high}");
    // Centre (0.2 + z²/20) / (1 + z²/10) = 0.2833, half width 0.2265.
    let (low, high) = strict.fnmr.wilson;
    assert!(close(low, 0.0567) && close(high, 0.5098), "{low} {high}");
}

#[test]
fn a_target_that_the_impostors_cannot_support_is_refused_with_the_number_needed() {
    assert_eq!(check_targets(&[1e-3, 1e-6], 3_000_000), Ok(()));
    let refused = check_targets(&[1e-3, 1e-6], 3_000).expect_err("too few");
    let expected = Unsupported::TooFew {
        target: 1e-6,
        needed: 3_000_000,
        impostors: 3_000,
    };
    assert_eq!(refused, expected);
    let text = refused.to_string();
    assert!(text.contains("3000000") && text.contains("1e-3"), "{text}");
    // 3/2,999 is above 1e-3: the advice must not be refused in turn.
    let text = check_targets(&[1e-3], 2_999)
        .expect_err("too few")
        .to_string();
    assert!(text.contains("an FMR of 2e-3 or more"), "{text}");
    // Three support no target at all.
    let refused = check_targets(&[0.5], 3).expect_err("too few");
    assert!(
        refused.to_string().ends_with("of other people"),
        "{refused}"
    );
    for target in [0.0, -0.1, 1.0, f64::NAN, f64::INFINITY] {
        let refused = check_targets(&[target], u64::MAX);
        assert!(matches!(refused, Err(Unsupported::NotARate { .. })));
    }
    let settings = ResamplingSettings::default();
    let refused = measure(&twenty(), &[0.1], settings).expect_err("takes 30");
    assert!(refused.to_string().contains("at least 30"), "{refused}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let settings = ResamplingSettings::default();
    for scores in [listed(&[], &[0.1]), listed(&[0.1], &[]), listed(&[], &[])] {
        let refused = measure(&scores, &[], settings);
        assert!(matches!(refused, Err(MeasureError::TooLittle { .. })));
    }
    let resamples = |resamples| ResamplingSettings {
        resamples,
        ..settings
    };
    for wrong in [0, 100_001] {
        let refused = measure(&twenty(), &[], resamples(wrong));
        assert!(matches!(refused, Err(MeasureError::Resamples { .. })));
    }
    let mut unsorted = twenty();
    unsorted.genuine.reverse();
    let mut shallow = twenty();
    shallow.impostor.highest.pop();
    let mut exposed = twenty();
    exposed.impostor.exposure = Exposure::EachWithEach(vec![1; 20]);
    for scores in [unsorted, shallow, exposed] {
        let refused = measure(&scores, &[], settings);
        assert!(matches!(refused, Err(MeasureError::Contradiction(_))));
    }
}

#[test]
fn ties_do_not_exceed_the_target() {
    assert_eq!(threshold_at(&[0.5; 10], 0.5), 0.5_f32.next_up());
    let tied = [0.8, 0.5, 0.5, 0.5, 0.1];
    assert_eq!(matched(&tied, threshold_at(&tied, 0.6)), 1);
    assert_eq!(matched(&tied, threshold_at(&tied, 0.8)), 4);
}

#[test]
fn the_most_that_may_match_is_not_lost_to_rounding() {
    // 0.29 · 100 is 28.999… as a floating-point number.
    assert_eq!(allowed(0.29, 100), 29);
    assert_eq!(allowed(0.3, 10), 3);
    assert_eq!(allowed(0.3 - 1e-12, 10), 2);
    assert_eq!(allowed(1e-4, 30_000), 3);
    assert_eq!(allowed(1e-9, 10), 0);
    assert_eq!(allowed(0.5, 0), 0);
}

proptest! {
    #[test]
    fn the_threshold_is_the_lowest_that_does_not_exceed_the_target(
        genuine in similarities(1..30),
        impostor in similarities(1..60),
        target in 0.001..0.999_f64,
    ) {
        let scores = of_people(&genuine, &impostor);
        let impostor = &scores.impostor.similarities;
        prop_assume!(!impostor.is_empty());
        let threshold = threshold_at(impostor, target);
        let fmr = |threshold| rates(&scores, threshold).0;
        prop_assert!(fmr(threshold) <= target);
        prop_assert!(fmr(threshold.next_down()) > target);
    }

    #[test]
    fn the_order_in_which_scores_arrive_changes_nothing(
        genuine in similarities(5..30),
        impostor in similarities(20..40),
        turn in 0..20_usize,
    ) {
        let scores = of_people(&genuine, &impostor);
        prop_assume!(scores.impostor.similarities.len() > 15);
        let mut other = scores.clone();
        let turn = turn % other.genuine.len();
        other.genuine.rotate_left(turn);
        other.impostor.highest.reverse();
        let other = Scores::listed(other.genuine, other.impostor.highest);
        let settings = ResamplingSettings { resamples: 20, seed: 5 };
        let measured = measure(&scores, &[0.25], settings);
        prop_assert!(measured.is_ok());
        prop_assert_eq!(measured, measure(&other, &[0.25], settings));
    }
}

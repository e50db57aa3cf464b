use proptest::prelude::*;

use super::super::rates;
use super::super::tests::{listed, measured, of_people, similarities};
use super::*;

#[test]
fn the_equal_error_rate_is_the_one_worked_out_by_hand() {
    // At 0.5 the rates are 3/10 and 2/10, just above it 1/10 and 3/10. On the line between these
    // points both are the same after a third of the way, at 3/10 − 2/10 · 1/3 = 7/30.
    let eer = measured().eer;
    assert!((eer.rate - 7.0 / 30.0).abs() < 1e-12, "{}", eer.rate);
    assert_eq!(eer.threshold, 0.5_f32.next_up());
}

#[test]
fn equal_error_rates_at_the_extremes() {
    let eer = |genuine: &[f32], impostor: &[f32]| {
        let scores = listed(genuine, impostor);
        equal_error(|threshold| rates(&scores, threshold))
    };
    // Nothing overlaps: no error just above the highest impostor.
    assert_eq!(eer(&[0.6, 0.7], &[0.1, 0.2]), (0.0, 0.2_f32.next_up()));
    // Everything is the wrong way round.
    assert_eq!(eer(&[0.1, 0.2], &[0.6, 0.7]).0, 1.0);
    // Nothing tells them apart: half way between no error of one kind and of the other.
    assert_eq!(eer(&[0.5; 4], &[0.5; 4]), (0.5, 0.5_f32.next_up()));
    // All were lost.
    assert_eq!(eer(&[f32::NEG_INFINITY], &[0.5]).0, 1.0);
    // Only impostors change where the rates cross: between 2/4 and 1/4 lies the genuine 1/3.
    let (rate, threshold) = eer(&[0.2, 0.8, 0.9], &[0.7, 0.5, 0.1, 0.0]);
    assert!((rate - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(threshold, 0.5_f32.next_up());
}

proptest! {
    #[test]
    fn the_equal_error_rate_lies_between_the_points_where_the_rates_cross(
        genuine in similarities(1..30),
        impostor in similarities(1..30),
    ) {
        let scores = of_people(&genuine, &impostor);
        prop_assume!(!scores.impostor.similarities.is_empty());
        let (rate, threshold) = equal_error(|threshold| rates(&scores, threshold));
        let (fmr, fnmr) = rates(&scores, threshold);
        let (fmr_below, fnmr_below) = rates(&scores, threshold.next_down());
        prop_assert!(fnmr >= fmr);
        prop_assert!(fmr <= rate + 1e-12 && rate <= fnmr + 1e-12);
        if genuine.iter().any(|similarity| similarity.is_finite()) {
            prop_assert!(fnmr_below < fmr_below);
            prop_assert!(fnmr_below <= rate + 1e-12 && rate <= fmr_below + 1e-12);
        }
    }
}

use proptest::prelude::*;

use super::super::share;
use super::super::tests::{listed, measured, of_people, similarities};
use super::*;

#[test]
fn the_curve_has_every_point_worked_out_by_hand() {
    let curve = measured().curve;
    // Above the highest impostor also the genuine ones have points.
    let with_matches = curve
        .iter()
        .skip_while(|point| point.threshold > 0.65_f32.next_up());
    let mut points: Vec<(f32, f64, f64)> = with_matches
        .map(|point| (point.threshold, point.fmr, point.fnmr))
        .collect();
    let last = points.pop().expect("points");
    assert_eq!(last, (-1.0, 1.0, 0.1));
    let expected = [
        (0.65, 0.0, 0.4),
        (0.5, 0.1, 0.3),
        (0.4, 0.3, 0.2),
        (0.3, 0.4, 0.1),
        (0.2, 0.5, 0.1),
        (0.1, 0.6, 0.1),
        (0.0, 0.7, 0.1),
        (-0.1, 0.8, 0.1),
        (-0.2, 0.9, 0.1),
    ];
    let expected = expected.map(|(below, fmr, fnmr): (f32, _, _)| (below.next_up(), fmr, fnmr));
    assert_eq!(points, expected);
    let first = curve.first().expect("a point");
    assert_eq!((first.threshold, first.fnmr), (0.95_f32.next_up(), 1.0));
}

#[test]
fn a_long_curve_is_dense_down_to_one_comparison_and_short() {
    let impostor: Vec<f32> = (0..200_000).map(|n| n as f32 / 200_000.0).collect();
    let genuine: Vec<f32> = (0..1000).map(|n| 0.5 + n as f32 / 2000.0).collect();
    let scores = listed(&genuine, &impostor);
    let points = curve(&scores, std::iter::once(0.75));
    assert!(points.len() <= 400, "{}", points.len());
    assert!(points.iter().any(|point| point.threshold == 0.75));
    let smallest = points
        .iter()
        .find(|point| point.fmr > 0.0)
        .expect("a point");
    assert!((smallest.fmr - 1.0 / 200_000.0).abs() < 1e-12);
    // Once there are ten comparisons, neighbours are not further apart than 10 %.
    let rates: Vec<f64> = points.iter().map(|point| point.fmr).collect();
    for pair in rates.windows(2).filter(|pair| pair[0] >= 1e-4) {
        assert!(pair[1] / pair[0] < 1.1, "{pair:?}");
    }
}

#[test]
fn the_histogram_holds_what_was_compared() {
    let seen = measured().histogram;
    let at = |bins: &[u64], place: usize| bins[place];
    assert_eq!((seen.genuine.len(), seen.impostor.len()), (100, 100));
    assert_eq!(seen.genuine.iter().sum::<u64>(), 9);
    assert_eq!(seen.impostor.iter().sum::<u64>(), 10);
    // 0.5 is the lower end of the bin from (0.5 + 1) / 0.02 = 75.
    assert_eq!(at(&seen.genuine, 75), 1);
    assert_eq!(at(&seen.impostor, 75), 2);
    let outermost = histogram(&listed(&[1.0, 1.0_f32.next_up()], &[-1.0, -1.0_f32]));
    assert_eq!((outermost.genuine[99], outermost.impostor[0]), (2, 2));
}

fn counted(scores: &Scores, threshold: f32) -> (u64, u64) {
    let impostor = scores.impostor.similarities.iter();
    let genuine = scores.genuine.iter();
    (
        impostor.filter(|s| **s >= threshold).count() as u64,
        genuine.filter(|s| s.similarity < threshold).count() as u64,
    )
}

proptest! {
    #[test]
    fn the_curve_never_turns_back_and_is_what_counting_gives(
        genuine in similarities(1..80),
        impostor in similarities(1..80),
        exact in -1.0..1.0_f32,
    ) {
        let scores = of_people(&genuine, &impostor);
        let points = curve(&scores, std::iter::once(exact));
        prop_assert!(points.iter().any(|point| point.threshold == exact));
        for pair in points.windows(2) {
            prop_assert!(pair[0].threshold > pair[1].threshold);
            prop_assert!(pair[0].fmr <= pair[1].fmr && pair[0].fnmr >= pair[1].fnmr);
        }
        for point in &points {
            let (false_matches, false_non_matches) = counted(&scores, point.threshold);
            let impostors = scores.impostor.similarities.len() as u64;
            prop_assert_eq!(point.fmr, share(false_matches, impostors));
            let genuine = scores.genuine.len() as u64;
            prop_assert_eq!(point.fnmr, share(false_non_matches, genuine));
        }
    }
}

use super::super::tests::{MANY, all_draws, crossed, few, four_people, written_out};
use super::*;
use crate::evaluation::measures::allowed;
use crate::evaluation::scores::Score;

#[test]
fn two_models_are_compared_on_the_same_people() {
    let first = four_people();
    // The second refuses what the first accepted of person 2, and is the same otherwise.
    let mut genuine = first.genuine.clone();
    for score in genuine.iter_mut().filter(|s| s.similarity == 0.8) {
        score.similarity = 0.05;
    }
    let second = Scores::listed(genuine, first.impostor.highest.clone());
    let pairs = paired(&first, &second, &[0.3], MANY).expect("compares");
    let [pair] = pairs.as_slice() else {
        panic!("one target");
    };
    assert_eq!(pair.difference, 1.0 / 8.0);
    assert_eq!(pair.candidate_fnmr - pair.baseline_fnmr, pair.difference);
    let mut differences = Vec::new();
    for draw in all_draws(4) {
        let [first, second] = [&first, &second].map(|scores| {
            let resample = written_out(scores, &draw);
            let similarities = &resample.impostor.similarities;
            let allowed = allowed(0.3, similarities.len() as u64) as usize;
            let refused = similarities.get(allowed)?;
            let below = resample.genuine.iter().filter(|s| s.similarity <= *refused);
            Some(share(below.count() as u64, resample.genuine.len() as u64))
        });
        differences.extend(first.zip(second).map(|(first, second)| second - first));
    }
    let worse = differences
        .iter()
        .filter(|difference| **difference > 0.0)
        .count();
    let worse = worse as f64 / differences.len() as f64;
    assert!(
        (pair.share_worse - worse).abs() < 0.015,
        "{} {worse}",
        pair.share_worse
    );
    differences.sort_unstable_by(f64::total_cmp);
    assert_eq!(pair.interval.0, 0.0);
    let high = differences[differences.len() * 975 / 1000];
    assert!(
        (pair.interval.1 - high).abs() < 1e-9,
        "{} {high}",
        pair.interval.1
    );
}

#[test]
fn a_model_does_not_differ_from_itself_nor_from_another_scale() {
    let first = crossed(40, 4, false);
    let mut second = first.clone();
    let half = |score: &mut Score| score.similarity /= 2.0;
    second.genuine.iter_mut().for_each(half);
    second.impostor.highest.iter_mut().for_each(half);
    second
        .impostor
        .similarities
        .iter_mut()
        .for_each(|s| *s /= 2.0);
    for other in [&first, &second] {
        let pairs = paired(&first, other, &[0.01, 0.1], few(100)).expect("compares");
        for pair in pairs {
            assert_eq!((pair.difference, pair.interval), (0.0, (0.0, 0.0)));
            assert_eq!(pair.share_worse, 0.0);
        }
    }
    let other = crossed(39, 4, false);
    let refused = paired(&first, &other, &[0.1], few(10));
    assert_eq!(refused, Err(MeasureError::OtherData));
}

use super::*;
use crate::evaluation::measures::measure;
use crate::evaluation::scores::{Exposure, Impostors, Score};

pub const MANY: ResamplingSettings = ResamplingSettings {
    resamples: 20_000,
    seed: 11,
};

fn score(similarity: f32, probe: u32, reference: u32) -> Score {
    Score {
        similarity,
        probe,
        reference,
    }
}

/// Four people: few enough that all 4⁴ resamples can be enumerated. Similarities are made up, with
/// ties and a lost comparison.
pub fn four_people() -> Scores {
    let lost = f32::NEG_INFINITY;
    let genuine = [
        (0.9, 0),
        (0.4, 0),
        (0.7, 1),
        (0.3, 2),
        (0.6, 2),
        (0.8, 2),
        (lost, 3),
        (0.5, 3),
    ];
    let impostor = [
        (0.55, 0, 1),
        (0.1, 0, 1),
        (0.45, 0, 2),
        (0.35, 2, 0),
        (0.2, 0, 3),
        (0.35, 1, 2),
        (0.05, 1, 2),
        (0.6, 3, 1),
        (0.0, 1, 3),
        (0.35, 2, 3),
        (0.25, 3, 2),
        (-0.1, 2, 3),
    ];
    Scores::listed(
        genuine.map(|(s, person)| score(s, person, person)).to_vec(),
        impostor
            .map(|(s, one, other)| score(s, one, other))
            .to_vec(),
    )
}

/// The scores of people who were drawn, each written down as often as it counts.
pub fn written_out(scores: &Scores, drawn: &[u32]) -> Scores {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (copy, person) in drawn.iter().enumerate() {
        let own = scores.genuine.iter().filter(|s| s.probe == *person);
        genuine.extend(own.copied());
        for other in drawn.iter().skip(copy + 1).filter(|other| *other != person) {
            let between = scores.impostor.highest.iter();
            let pair = [(*person, *other), (*other, *person)];
            impostor.extend(between.filter(|s| pair.contains(&(s.probe, s.reference))));
        }
    }
    Scores::listed(genuine, impostor)
}

/// Every draw of as many people as there are.
pub fn all_draws(people: u32) -> Vec<Vec<u32>> {
    let mut draws = vec![Vec::new()];
    for _ in 0..people {
        let longer = |draw: Vec<u32>| {
            (0..people).map(move |person| {
                let mut draw = draw.clone();
                draw.push(person);
                draw
            })
        };
        draws = draws.into_iter().flat_map(longer).collect();
    }
    draws
}

/// A set of its own for each seed: people with one to four samples, every sample with every later
/// one, or with `probes` the first sample of each as a reference and the others as probes.
pub fn crossed(people: u32, seed: u32, probes: bool) -> Scores {
    let samples: Vec<(u32, bool)> = (0..people)
        .flat_map(|person| (0..=(person * 7 + seed) % 4).map(move |n| (person, n == 0)))
        .collect();
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    let of_person: Vec<f32> = (0..people).map(|_| noise() * 0.3).collect();
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (place, (one, is_reference)) in samples.iter().enumerate() {
        for (other, other_is_reference) in samples.iter().skip(place + 1) {
            if probes && is_reference == other_is_reference {
                continue;
            }
            let shift = of_person[*one as usize] + of_person[*other as usize];
            let similarity = shift + noise() * 0.6;
            if one == other {
                genuine.push(score(similarity + 0.4, *one, *other));
            } else {
                impostor.push(score(similarity, *one, *other));
            }
        }
    }
    let count = |wanted: Option<bool>| -> Vec<u32> {
        let of = |person| {
            let own = samples.iter().filter(|(one, _)| *one == person);
            own.filter(|(_, is)| wanted.is_none_or(|wanted| wanted == *is))
                .count() as u32
        };
        (0..people).map(of).collect()
    };
    let mut scores = Scores::listed(genuine, impostor);
    scores.impostor.exposure = if probes {
        Exposure::ProbesWithReferences(count(Some(false)), count(Some(true)))
    } else {
        Exposure::EachWithEach(count(None))
    };
    scores
}

pub fn few(resamples: u32) -> ResamplingSettings {
    ResamplingSettings { resamples, seed: 2 }
}

#[test]
fn the_weight_of_all_is_known_without_looking_at_each() {
    for probes in [false, true] {
        let scores = crossed(40, 3, probes);
        let mut listed = scores.clone();
        listed.impostor.exposure = Exposure::Listed;
        let measured = measure(&scores, &[0.01], few(100)).expect("measures");
        assert_eq!(
            measured,
            measure(&listed, &[0.01], few(100)).expect("measures")
        );
    }
}

/// The same scores where only the highest impostor comparisons have people.
fn cut(scores: &Scores, depth: usize) -> Scores {
    let mut highest = scores.impostor.highest.clone();
    highest.truncate(depth);
    Scores {
        genuine: scores.genuine.clone(),
        impostor: Impostors {
            highest,
            ..scores.impostor.clone()
        },
    }
}

#[test]
fn as_deep_as_needed_is_as_good_as_all() {
    let scores = crossed(150, 5, false);
    let impostors = scores.impostor.similarities.len() as u64;
    let depth = highest_needed(impostors, 1e-3);
    assert!(
        depth < scores.impostor.highest.len() / 4,
        "{depth} of {impostors}"
    );
    let of = |scores: &Scores| measure(scores, &[1e-3], few(300)).expect("measures");
    let (whole, shallow) = (of(&scores), of(&cut(&scores, depth)));
    assert_eq!(whole.targets, shallow.targets);
    // The equal error rate of 20 % lies deeper, so that its interval is approximate.
    let width = |(low, high): (f64, f64)| high - low;
    let ratio = width(shallow.eer.bootstrap) / width(whole.eer.bootstrap);
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

#[test]
fn depths_that_are_too_small_break_nothing() {
    let scores = crossed(30, 1, false);
    for depth in [0, 1, 7, 100] {
        let measures = measure(&cut(&scores, depth), &[0.01, 0.3], few(50)).expect("measures");
        for target in &measures.targets {
            let (low, high) = target.threshold_interval;
            assert!(
                low <= target.threshold && target.threshold <= high,
                "{target:?}"
            );
            assert!(target.fnmr_at_target.1 <= 1.0 && target.fmr.bootstrap.1 <= 1.0);
        }
    }
    assert_eq!(highest_needed(100, 0.5), 100);
    assert_eq!(highest_needed(10_000_000, 1e-3), 500_000);
    assert_eq!(highest_needed(0, 0.1), 0);
}

#[test]
fn an_interval_over_people_is_wider_where_comparisons_hang_together() {
    // Of 50 people with 20 comparisons each 5 always fail: it is as if there were 50 comparisons.
    let of_person = |person: u32| {
        let similarity = if person < 5 { 0.0 } else { 0.9 };
        std::iter::repeat_n(score(similarity, person, person), 20)
    };
    let genuine = (0..50).flat_map(of_person).collect();
    let impostor = (0..50).map(|n| score(0.1, n, (n + 1) % 50)).collect();
    let measures = measure(&Scores::listed(genuine, impostor), &[0.5], few(2000));
    let fnmr = measures.expect("measures").targets[0].fnmr;
    let width = |(low, high): (f64, f64)| high - low;
    let expected = 2.0 * 1.96 * (0.1_f64 * 0.9 / 50.0).sqrt();
    assert!(
        (width(fnmr.bootstrap) / expected - 1.0).abs() < 0.1,
        "{fnmr:?}"
    );
    assert!(width(fnmr.bootstrap) > 4.0 * width(fnmr.wilson), "{fnmr:?}");
}

#[test]
fn without_people_the_bootstrap_agrees_with_wilson() {
    let unit = |n: u32, similarity: f32| score(similarity, n, n);
    let genuine = (0..1000).map(|n| unit(n, if n < 100 { 0.0 } else { 0.9 }));
    let impostor = (1000..3000).map(|n| unit(n, if n < 1200 { 0.5 } else { 0.1 }));
    let scores = Scores::listed(genuine.collect(), impostor.collect());
    // The tenth that is at 0.5 may match, and no more.
    let measures = measure(&scores, &[0.1], few(2000)).expect("measures");
    assert_eq!(
        (measures.resampling.units, measures.resampling.of_people),
        (3000, false)
    );
    let target = &measures.targets[0];
    assert_eq!(target.fmr.rate, 0.1);
    for estimate in [target.fnmr, target.fmr] {
        let ((low, high), (wilson_low, wilson_high)) = (estimate.bootstrap, estimate.wilson);
        let half = (wilson_high - wilson_low) / 2.0;
        assert!((low - wilson_low).abs() < half / 5.0, "{estimate:?}");
        assert!((high - wilson_high).abs() < half / 5.0, "{estimate:?}");
    }
}

#[test]
fn a_seed_gives_the_same_intervals_and_another_seed_others() {
    let scores = crossed(40, 9, false);
    let of = |seed| {
        let settings = ResamplingSettings {
            resamples: 50,
            seed,
        };
        measure(&scores, &[0.01], settings).expect("measures")
    };
    assert_eq!(of(7), of(7));
    assert_ne!(of(7).eer.bootstrap, of(8).eer.bootstrap);
    assert_eq!(of(7).curve, of(8).curve);
}

#[test]
fn a_draw_without_both_kinds_of_comparisons_gives_no_interval() {
    let genuine = vec![score(0.5, 0, 0)];
    let scores = Scores::listed(genuine, vec![score(0.1, 1, 1)]);
    let settings = ResamplingSettings {
        resamples: 1,
        seed: 1,
    };
    let refused = (0..64).filter(|seed| {
        let settings = ResamplingSettings {
            seed: *seed,
            ..settings
        };
        measure(&scores, &[], settings) == Err(MeasureError::TooFewPeople)
    });
    // Of two comparisons half of the draws lack one.
    let refused = refused.count();
    assert!((16..=48).contains(&refused), "{refused}");
}

#[test]
fn quantiles_lie_between_their_neighbours() {
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    assert_eq!(quantile(&values, 0.5), 4.0);
    assert_eq!(quantile(&values, 0.625), 6.0);
    assert_eq!(
        (quantile(&values, 0.0), quantile(&values, 1.0)),
        (1.0, 16.0)
    );
    assert_eq!(quantile(&[3.0], 0.975), 3.0);
    assert_eq!(interval([5.0, 1.0, 3.0].into_iter()), (1.1, 4.9));
}

use proptest::prelude::*;

use super::*;
use crate::evaluation::dataset::Sample;

/// What a sample is worth in these tests: a number instead of an embedding.
type Item = Option<f32>;

/// Not symmetric, so that it shows which sample was taken for the probe.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "as embeddings are passed"
)]
fn alike(probe: &f32, reference: &f32) -> f32 {
    probe - 10.0 * reference
}

fn dataset(person_of: &[u32], crossing: Crossing, listed: Vec<Comparison>) -> Dataset {
    let sample = |number: usize| Sample {
        name: format!("{number:04}"),
        path: format!("{number:04}").into(),
    };
    let people = person_of.iter().max().map_or(0, |last| last + 1);
    Dataset {
        samples: (0..person_of.len()).map(sample).collect(),
        people: (0..people).map(|n| n.to_string()).collect(),
        knows_people: true,
        person_of: person_of.to_vec(),
        listed,
        folds: None,
        columns: Vec::new(),
        crossing,
        note: None,
    }
}

/// A comparison of two numbered samples whose people are these.
fn listed(person_of: &[u32], probe: u32, reference: u32) -> Comparison {
    let person = |sample: u32| person_of[sample as usize];
    Comparison {
        probe,
        reference,
        probe_person: person(probe),
        reference_person: person(reference),
        genuine: person(probe) == person(reference),
        slices: Vec::new(),
    }
}

fn triple(similarity: f32, probe: u32, reference: u32) -> Score {
    Score {
        similarity,
        probe,
        reference,
    }
}

#[test]
fn each_sample_is_the_probe_of_every_later_one() {
    let dataset = dataset(&[0, 0, 1, 1], Crossing::EachWithEach, Vec::new());
    let probes: [Item; 4] = [Some(1.0), Some(2.0), Some(3.0), Some(4.0)];
    let references: [Item; 4] = [Some(1.0), Some(2.0), None, Some(4.0)];
    let found = score(&dataset, &probes, &references, &alike, 1);
    // Sample 2 was lost as a reference, not as a probe.
    assert_eq!(found.genuine, [triple(-37.0, 1, 1), triple(-19.0, 0, 0)]);
    assert_eq!(found.impostor.similarities, [-38.0, -39.0]);
    assert_eq!(found.impostor.highest, [triple(-38.0, 0, 1)]);
    assert_eq!(found.impostor.exposure, Exposure::EachWithEach(vec![2, 1]));
}

#[test]
fn a_sample_that_was_lost_loses_its_genuine_comparisons_only() {
    let dataset = dataset(&[0, 0, 1], Crossing::EachWithEach, Vec::new());
    let items: [Item; 3] = [Some(1.0), None, Some(3.0)];
    let found = score(&dataset, &items, &items, &alike, 9);
    assert_eq!(found.genuine, [triple(f32::NEG_INFINITY, 0, 0)]);
    assert!(!found.genuine[0].is_made());
    assert_eq!(found.impostor.similarities, [-29.0]);
    assert_eq!(found.impostor.exposure, Exposure::EachWithEach(vec![1, 1]));
}

#[test]
fn probes_meet_all_references_of_other_people() {
    let people = [0, 0, 1, 1, 2];
    let pairs = [(0, 1), (2, 3), (4, 1)];
    let listed = pairs.map(|(probe, reference)| listed(&people, probe, reference));
    let dataset = dataset(&people, Crossing::ProbesWithReferences, listed.to_vec());
    let items: [Item; 5] = [Some(1.0), Some(2.0), Some(3.0), Some(4.0), Some(5.0)];
    let found = score(&dataset, &items, &items, &alike, 2);
    assert_eq!(found.genuine, [triple(-37.0, 1, 1), triple(-19.0, 0, 0)]);
    // 0 with 3; 2 with 1; 4 with 1 and 3.
    assert_eq!(found.impostor.similarities, [-15.0, -17.0, -35.0, -39.0]);
    let highest = [triple(-15.0, 2, 0), triple(-17.0, 1, 0)];
    assert_eq!(found.impostor.highest, highest);
    let exposure = Exposure::ProbesWithReferences(vec![1, 1, 1], vec![1, 1, 0]);
    assert_eq!(found.impostor.exposure, exposure);
    let similarities = listed_similarities(&dataset, &items, &items, &alike);
    assert_eq!(similarities, [-19.0, -37.0, -15.0]);
}

#[test]
fn listed_comparisons_are_all_there_is_where_nobody_knows_the_people() {
    let pair = |probe, reference, genuine, unit| Comparison {
        probe,
        reference,
        probe_person: unit,
        reference_person: unit,
        genuine,
        slices: Vec::new(),
    };
    let listed = [
        (0, 1, true),
        (1, 2, false),
        (2, 0, false),
        (0, 3, false),
        (3, 0, true),
    ];
    let listed = (0..)
        .zip(listed)
        .map(|(unit, (a, b, genuine))| pair(a, b, genuine, unit));
    let mut dataset = dataset(&[0; 4], Crossing::Listed, listed.collect());
    (dataset.person_of, dataset.knows_people) = (Vec::new(), false);
    let items: [Item; 4] = [Some(1.0), Some(2.0), Some(3.0), None];
    let found = score(&dataset, &items, &items, &alike, 1);
    let genuine = [triple(f32::NEG_INFINITY, 4, 4), triple(-19.0, 0, 0)];
    assert_eq!(found.genuine, genuine);
    // All of them, whatever was asked for; the lost one does not count.
    assert_eq!(
        found.impostor.highest,
        [triple(-7.0, 2, 2), triple(-28.0, 1, 1)]
    );
    assert_eq!(found.impostor.similarities, [-7.0, -28.0]);
    assert_eq!(found.impostor.exposure, Exposure::Listed);
}

/// The same by two loops.
fn by_hand(people: &[u32], probes: &[Item], references: &[Item]) -> (Vec<Score>, Vec<Score>) {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for probe in 0..people.len() {
        for reference in probe + 1..people.len() {
            let made = probes[probe].zip(references[reference]);
            let value = made.map_or(f32::NEG_INFINITY, |(a, b)| alike(&a, &b));
            let score = triple(value, people[probe], people[reference]);
            if people[probe] == people[reference] {
                genuine.push(score);
            } else if made.is_some() {
                impostor.push(score);
            }
        }
    }
    genuine.sort_by(|a, b| highest::descending(b, a));
    impostor.sort_by(highest::descending);
    (genuine, impostor)
}

/// Samples of a few people, some lost on one side or both.
fn samples() -> impl Strategy<Value = Vec<(u32, Item, Item)>> {
    let item = || proptest::option::weighted(0.9, (-8_i8..8).prop_map(f32::from));
    proptest::collection::vec((0_u32..12, item(), item()), 2..300)
}

proptest! {
    /// On one thread or several, with ties and losses: what two loops find.
    #[test]
    fn threads_find_what_two_loops_find(samples in samples(), highest_max in 0_usize..3000) {
        let people: Vec<u32> = samples.iter().map(|it| it.0).collect();
        let probes: Vec<Item> = samples.iter().map(|it| it.1).collect();
        let references: Vec<Item> = samples.iter().map(|it| it.2).collect();
        let dataset = dataset(&people, Crossing::EachWithEach, Vec::new());
        let found = score(&dataset, &probes, &references, &alike, highest_max);
        let (genuine, mut impostor) = by_hand(&people, &probes, &references);
        prop_assert_eq!(found.genuine, genuine);
        let similarities: Vec<f32> = impostor.iter().map(|it| it.similarity).collect();
        prop_assert_eq!(found.impostor.similarities, similarities);
        impostor.truncate(highest_max);
        prop_assert_eq!(found.impostor.highest, impostor);
    }

    #[test]
    fn halves_are_sorted_as_the_whole(
        mut values in proptest::collection::vec(-9_i8..9, 0..200),
        threads in 1_usize..9,
    ) {
        let mut sorted: Vec<f32> = values.iter().copied().map(f32::from).collect();
        sort_descending(&mut sorted, threads);
        values.sort_unstable();
        values.reverse();
        let values: Vec<f32> = values.into_iter().map(f32::from).collect();
        prop_assert_eq!(sorted, values);
    }
}

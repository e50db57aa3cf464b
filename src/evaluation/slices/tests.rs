use super::*;
use crate::evaluation::dataset::{Crossing, Sample};
use crate::evaluation::result::Estimate;

/// Comparisons with their place in two columns.
fn dataset(listed: &[(bool, [u32; 2])]) -> Dataset {
    let column = |name: &str, values: &[&str]| SliceColumn {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    let comparison = |(genuine, slices): &(bool, [u32; 2])| Comparison {
        probe: 0,
        reference: 0,
        probe_person: 0,
        reference_person: u32::from(!genuine),
        genuine: *genuine,
        slices: slices.to_vec(),
    };
    Dataset {
        note: None,
        samples: Vec::<Sample>::new(),
        people: vec!["P".to_owned(), "Q".to_owned()],
        knows_people: true,
        person_of: Vec::new(),
        listed: listed.iter().map(comparison).collect(),
        folds: None,
        columns: vec![
            column("light", &["bright", "dark"]),
            column("office", &["north", "south"]),
        ],
        crossing: Crossing::Listed,
    }
}

fn whole(target: f64, threshold: f32, fnmr: f64) -> TargetRates {
    let estimate = |rate| Estimate {
        rate,
        wilson: (0.0, 1.0),
        bootstrap: (0.0, 1.0),
    };
    TargetRates {
        target,
        threshold,
        threshold_interval: (threshold, threshold),
        false_matches: 0,
        false_non_matches: 0,
        fmr: estimate(target),
        fnmr: estimate(fnmr),
        fnmr_at_target: (0.0, 1.0),
    }
}

#[test]
fn each_value_has_its_own_rates_at_the_threshold_of_the_whole() {
    let listed = [
        (true, [0, 0]),
        (true, [1, 0]),
        (true, [1, 0]),
        (false, [1, 0]),
        (false, [1, 0]),
        (false, [0, 0]),
    ];
    // At 0.5 the second is refused and the fourth matches; the third and the fifth were lost.
    let lost = f32::NEG_INFINITY;
    let similarities = [0.5, 0.4, lost, 0.6, lost, 0.1];
    let targets = [whole(0.1, 0.5, 0.2), whole(0.05, 0.55, 0.3)];
    let columns = slice_rates(&dataset(&listed), &similarities, &targets);
    let [light, office] = columns.as_slice() else {
        panic!("two columns");
    };
    assert_eq!(
        (light.column.as_str(), office.column.as_str()),
        ("light", "office")
    );
    let [bright, dark] = light.slices.as_slice() else {
        panic!("two values");
    };
    let errors = |rates: &[Option<SliceRate>]| -> Vec<Option<u64>> {
        rates
            .iter()
            .map(|rate| rate.map(|rate| rate.errors))
            .collect()
    };
    assert_eq!(
        (dark.value.as_str(), dark.genuine, dark.impostor),
        ("dark", 2, 1)
    );
    assert_eq!(errors(&dark.fnmr), [Some(2), Some(2)]);
    assert_eq!(errors(&dark.fmr), [Some(1), Some(1)]);
    let fnmr = dark.fnmr[0].expect("a rate");
    assert_eq!((fnmr.rate, fnmr.wilson), (1.0, wilson_interval(2, 2)));
    // A similarity at the threshold matches; at the second one it is below.
    assert_eq!((bright.genuine, bright.impostor), (1, 1));
    assert_eq!(errors(&bright.fnmr), [Some(0), Some(1)]);
    assert_eq!(errors(&bright.fmr), [Some(0), Some(0)]);
    // All are of the north.
    assert_eq!(
        (office.slices[0].genuine, office.slices[0].impostor),
        (3, 2)
    );
    let south = &office.slices[1];
    assert_eq!(
        (south.genuine, south.fnmr[0], south.fmr[0]),
        (0, None, None)
    );
    assert_eq!(south.warning, None);
}

/// The warning of a slice with so many comparisons.
fn warning(genuine: u64, impostor: u64, whole: &[TargetRates]) -> Option<String> {
    let counts = Counts {
        genuine,
        impostor,
        false_non_matches: vec![0; whole.len()],
        false_matches: vec![0; whole.len()],
    };
    counts.warning(whole)
}

#[test]
fn a_small_slice_says_how_many_comparisons_it_takes() {
    // Seeing the whole's 1 % takes 3 / 0.01 genuine comparisons, and 1e-3 takes 3,000 impostors.
    let targets = [whole(1e-2, 0.3, 0.01), whole(1e-3, 0.4, 0.05)];
    assert_eq!(warning(300, 3000, &targets), None);
    let text = warning(200, 3000, &targets).expect("too few genuine");
    assert_eq!(
        text,
        "200 genuine comparisons: with no error among them the FNMR may still be 1.50 %; it takes \
         300 to compare with the 1.00 % of the whole at FMR 1e-2"
    );
    let text = warning(300, 1, &targets).expect("too few impostors");
    assert_eq!(
        text,
        "1 impostor comparison: it takes 3000 to support an FMR of 1e-3"
    );
    let text = warning(1, 2, &targets).expect("too few of both");
    assert!(
        text.contains("may still be 100.00 %") && text.contains("; 2 impostor"),
        "{text}"
    );
}

#[test]
fn thirty_genuine_comparisons_are_the_least() {
    for fnmr in [0.0, 0.5] {
        let targets = [whole(0.5, 0.3, fnmr)];
        assert_eq!(warning(30, 6, &targets), None);
        let text = warning(29, 6, &targets).expect("too few");
        assert!(text.contains("takes 30 to say anything"), "{text}");
    }
}

use super::*;
use crate::evaluation::acquire::tests::{contract, engine, people, settings};
use crate::evaluation::dataset::{Comparison, Sample};

fn dataset(samples: u8, listed: Vec<Comparison>) -> Dataset {
    let sample = |number: u8| Sample {
        name: number.to_string(),
        path: number.to_string().into(),
    };
    Dataset {
        samples: (0..samples).map(sample).collect(),
        people: Vec::new(),
        knows_people: true,
        person_of: Vec::new(),
        listed,
        folds: Some(2),
        columns: Vec::new(),
        crossing: Crossing::ProbesWithReferences,
        note: None,
    }
}

#[test]
fn what_was_lost_matches_at_no_threshold_of_the_folds() {
    let comparison = |genuine: bool| Comparison {
        probe: 0,
        reference: 1,
        probe_person: 0,
        reference_person: u32::from(!genuine),
        genuine,
        slices: Vec::new(),
    };
    let labels = [true, true, false].repeat(2);
    let dataset = dataset(2, labels.into_iter().map(comparison).collect());
    let lost = f32::NEG_INFINITY;
    let found = accuracy(&dataset, &[lost, lost, 0.9].repeat(2)).expect("two folds");
    // Only the impostor of each three can be right, at a threshold above it. A lost one that stood
    // at −1 would match there: two of three.
    assert!((found.mean - 1.0 / 3.0).abs() < 1e-12, "{}", found.mean);
}

/// What came of each sample in one role: nothing where it was not asked for, otherwise whether it
/// was acquired.
fn acquired(outcomes: [Option<bool>; 5]) -> Acquired {
    let embedding = Embedding::from_output(&[3.0, 4.0]).expect("has a direction");
    let lost = outcomes.iter().filter(|outcome| **outcome == Some(false));
    Acquired {
        failures: lost.count() as u64,
        embeddings: outcomes
            .map(|outcome| (outcome == Some(true)).then(|| embedding.clone()))
            .to_vec(),
        digests: (0..)
            .zip(outcomes)
            .map(|(number, outcome)| outcome.map(|_| [number; 32]))
            .collect(),
        computed: 0,
        remembered: 0,
        took: Duration::ZERO,
    }
}

#[test]
fn a_sample_of_two_roles_fails_once_and_has_one_digest() {
    // Acquired as a probe; lost in both roles, as the reference, as the probe; a good reference.
    let probes = acquired([Some(true), Some(false), Some(true), Some(false), None]);
    let references = acquired([None, Some(false), Some(false), Some(true), Some(true)]);
    let dataset = dataset(5, Vec::new());
    let everybody: Vec<_> = (0..5).map(|number| Some([number; 32])).collect();
    let sides = Sides {
        probes,
        references: Some(references),
    };
    assert_eq!(failures(&sides), 3);
    assert_eq!(digest(&dataset, &sides), data_digest(&dataset, &everybody));
    // Without roles a sample that was lost is lost, and all were asked for.
    let sides = Sides {
        probes: acquired([Some(true), Some(false), Some(true), Some(true), Some(true)]),
        references: None,
    };
    assert_eq!(failures(&sides), 1);
    assert_eq!(digest(&dataset, &sides), data_digest(&dataset, &everybody));
}

#[test]
fn whoever_interrupts_waits_for_no_comparison() {
    let (_folder, dataset) = people(4);
    let (engine, _) = engine(1, 8);
    let subject = Subject {
        id: "colour".to_owned(),
        contract_id: contract(),
        scoring: Scoring::Cosine,
    };
    let (pipeline, stop) = (settings(), AtomicBool::new(false));
    let task = EvaluationTask {
        dataset: &dataset,
        data: "colours",
        subject: &subject,
        gated: false,
        targets: &[0.3],
        resampling: ResamplingSettings::default(),
        degradations: &[],
        pipeline: &pipeline,
        cache: None,
        stop: &stop,
    };
    assert!(evaluate(&engine, &task, &|_| {}).is_ok());
    let interrupt = |stage: Stage<'_>| {
        if stage == Stage::Measuring {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let ended = evaluate(&engine, &task, &interrupt);
    assert!(matches!(ended, Err(EvaluationError::Interrupted)));
}

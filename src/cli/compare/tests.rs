//! The way from evaluations to a verdict, with an evaluator whose results are made up.

use super::*;
use crate::evaluation::comparison::made_up;

/// Knows two listed comparisons, a genuine and an impostor one.
struct MadeUp {
    populations: Vec<Population>,
    stop: AtomicBool,
}

impl Evaluator for MadeUp {
    type Scores = f64;

    fn evaluate(&mut self, _: &Config) -> Result<Evaluated<f64>, Failure> {
        Err(Failure::Technical("nothing is evaluated here".to_owned()))
    }

    fn paired(&self, baseline: &f64, candidate: &f64) -> Result<Vec<PairedRates>, Failure> {
        Ok(vec![made_up::paired(*baseline, *candidate)])
    }

    fn targets(&self) -> &[f64] {
        &[]
    }

    fn populations(&self) -> &[Population] {
        &self.populations
    }

    fn pair_names(&self, population: usize, comparison: usize) -> PairNames {
        (format!("{population}"), format!("{comparison}"))
    }

    fn sample_paths(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn stop(&self) -> &AtomicBool {
        &self.stop
    }
}

fn evaluator() -> MadeUp {
    let listed = Population {
        name: "listed".to_owned(),
        genuine: vec![true, false],
    };
    MadeUp {
        populations: vec![listed],
        stop: AtomicBool::new(false),
    }
}

/// A model with this rate and these similarities of the listed comparisons; its threshold is 0.4.
fn model(name: &str, fnmr: f64, similarities: [f32; 2]) -> Model<f64> {
    Model {
        result: made_up::model(name, fnmr, 20),
        scores: fnmr,
        similarities: vec![similarities.to_vec()],
    }
}

fn gate(text: &str) -> Gate {
    Gate::parse(text).expect("a gate")
}

#[test]
fn each_candidate_is_held_against_the_first_model() {
    let models = vec![
        model("old", 0.02, [0.9, 0.1]),
        model("good", 0.02, [0.9, 0.1]),
        model("bad", 0.03, [0.1, 0.9]),
    ];
    let gate = gate("[accuracy]\nfmr = 1e-4\nfnmr_worse_points_max = 0.1");
    let found = compare(&evaluator(), Some(&gate), models, Vec::new()).expect("compared");
    assert_eq!(found.baseline.facts.model, "old");
    let passed = |at: usize| {
        found.candidates[at]
            .verdict
            .as_ref()
            .expect("judged")
            .passed()
    };
    assert!(passed(0) && !passed(1) && !found.passed());
    let [good, bad] = [0, 1].map(|at| &found.candidates[at].disagreements[0]);
    assert_eq!(
        (
            good.agreements.genuine.both,
            good.agreements.impostor.neither
        ),
        (1, 1)
    );
    assert_eq!(bad.genuine_names[0], [("0".to_owned(), "0".to_owned())]);
    assert_eq!(bad.impostor_names[1], [("0".to_owned(), "1".to_owned())]);
}

#[test]
fn a_gate_that_cannot_be_judged_is_a_mistake_of_the_caller() {
    let models = || {
        vec![
            model("old", 0.02, [0.9, 0.1]),
            model("new", 0.02, [0.9, 0.1]),
        ]
    };
    let gate = gate("[accuracy]\nfmr = 1e-5\nfnmr_worse_points_max = 0.1");
    let found = compare(&evaluator(), Some(&gate), models(), Vec::new());
    assert!(matches!(found, Err(Failure::Usage(text)) if text.contains("--fmr")));
    assert!(
        compare(&evaluator(), None, models(), Vec::new())
            .expect("compared")
            .passed()
    );
}

#[test]
fn whoever_interrupts_waits_for_no_further_candidate() {
    let evaluator = evaluator();
    evaluator.stop.store(true, Ordering::Relaxed);
    let models = vec![
        model("old", 0.02, [0.9, 0.1]),
        model("new", 0.02, [0.9, 0.1]),
    ];
    let found = compare(&evaluator, None, models, Vec::new());
    assert!(matches!(found, Err(Failure::Technical(text)) if text.contains("interrupted")));
}

#[test]
fn similarities_that_do_not_fit_the_comparisons_are_an_error() {
    let mut short = model("new", 0.02, [0.9, 0.1]);
    short.similarities[0].pop();
    let found = compare(
        &evaluator(),
        None,
        vec![model("old", 0.02, [0.9, 0.1]), short],
        Vec::new(),
    );
    assert!(matches!(found, Err(Failure::Technical(_))));
}

#[test]
fn a_gate_is_read_whole_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("gate.toml");
    let refused = |content: &[u8]| {
        std::fs::write(&path, content).expect("written");
        match read_gate(&path) {
            Err(Failure::Usage(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(b"").contains("gate.toml"));
    assert!(refused(&[0xff; 10]).contains("gate.toml"));
    let long = "# much\n".repeat(10_000);
    assert!(refused(long.as_bytes()).contains("at most"));
    std::fs::write(&path, "[licence]\ncommercial_use = true").expect("written");
    assert!(read_gate(&path).is_ok());
    assert!(read_gate(&folder.path().join("none")).is_err());
}

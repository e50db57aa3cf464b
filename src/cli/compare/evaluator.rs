//! The evaluations that a comparison is made of.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::{Evaluated, Evaluator, Population};
use crate::cli::Failure;
use crate::cli::session::{Measured, Session, degradations};
use crate::config::{CompareArgs, Config};
use crate::evaluation::disagreement::PairNames;
use crate::evaluation::result::PairedRates;
use crate::evaluation::{ResamplingSettings, Scores, paired};

/// Evaluates models one after another on one data set.
pub struct SessionEvaluator<'a> {
    session: Session<'a>,
    args: &'a CompareArgs,
    populations: Vec<Population>,
}

impl<'a> SessionEvaluator<'a> {
    /// Reads the data set.
    pub fn open(args: &'a CompareArgs) -> Result<Self, Failure> {
        let session = Session::open(&args.dataset)?;
        let listed = &session.dataset.listed;
        let populations = if listed.is_empty() {
            Vec::new()
        } else {
            vec![Population {
                name: "listed comparisons".to_owned(),
                genuine: listed.iter().map(|comparison| comparison.genuine).collect(),
            }]
        };
        Ok(Self {
            session,
            args,
            populations,
        })
    }

    fn name(&self, sample: u32) -> String {
        let sample = usize::try_from(sample).ok();
        let sample = sample.and_then(|at| self.session.dataset.samples.get(at));
        sample.map(|sample| sample.name.clone()).unwrap_or_default()
    }
}

impl Evaluator for SessionEvaluator<'_> {
    type Scores = Scores;

    fn evaluate(&mut self, config: &Config) -> Result<Evaluated<Scores>, Failure> {
        let degradations = degradations(&self.args.results);
        let Measured { evaluated, .. } = self.session.evaluate(config, degradations)?;
        let similarities = self.populations.iter().map(|_| evaluated.listed.clone());
        Ok(Evaluated {
            evaluation: evaluated.evaluation,
            similarities: similarities.collect(),
            scores: evaluated.scores,
        })
    }

    fn paired(&self, baseline: &Scores, candidate: &Scores) -> Result<Vec<PairedRates>, Failure> {
        let settings = ResamplingSettings {
            resamples: self.args.dataset.resamples.get(),
            seed: self.args.dataset.seed,
        };
        let rates = paired(baseline, candidate, &self.session.targets, settings);
        rates.map_err(|error| Failure::Usage(error.to_string()))
    }

    fn targets(&self) -> &[f64] {
        &self.session.targets
    }

    fn populations(&self) -> &[Population] {
        &self.populations
    }

    fn pair_names(&self, _population: usize, comparison: usize) -> PairNames {
        let listed = self.session.dataset.listed.get(comparison);
        let (probe, reference) = listed.map_or((0, 0), |it| (it.probe, it.reference));
        (self.name(probe), self.name(reference))
    }

    fn sample_paths(&self) -> Vec<PathBuf> {
        let samples = self.session.dataset.samples.iter();
        samples.map(|sample| sample.path.clone()).collect()
    }

    fn stop(&self) -> &AtomicBool {
        self.session.stop()
    }
}

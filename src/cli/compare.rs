//! `padan compare`: a baseline and its candidates on one data set, and a verdict.

mod cost;
mod evaluator;
pub mod facts;
mod process;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ANSWER_NO, Failure, Outcome};
use crate::config::{CompareArgs, Config, ResultArgs, SharedArgs};
use crate::evaluation::Evaluation;
use crate::evaluation::comparison::{Candidate, ModelComparison, ModelFacts, ModelResult};
use crate::evaluation::cost::Cost;
use crate::evaluation::disagreement::{Decided, Disagreements, PairNames, agreements};
use crate::evaluation::gate::{Gate, GateError};
use crate::evaluation::result::PairedRates;
use crate::report;
pub use evaluator::SessionEvaluator;

/// Gates larger than this are not read.
const GATE_BYTES_MAX: u64 = 64 << 10;

/// Comparisons whose outcomes under two models are held side by side.
pub struct Population {
    /// Which, in words.
    pub name: String,
    /// Of each comparison, whether both samples show one person.
    pub genuine: Vec<bool>,
}

/// One model's evaluation.
pub struct Evaluated<S> {
    /// How accurate it is.
    pub evaluation: Evaluation,
    /// What paired intervals are computed from.
    pub scores: S,
    /// Similarities of each population's comparisons, in their order; `NEG_INFINITY` where a
    /// sample failed to be acquired.
    pub similarities: Vec<Vec<f32>>,
}

/// What a comparison needs of an evaluation on one data set.
pub trait Evaluator {
    /// What paired intervals are computed from.
    type Scores;

    /// Evaluates the embedder that the configuration names. Shows how far it is.
    ///
    /// # Errors
    /// When the data cannot be used, or the models fail.
    fn evaluate(&mut self, config: &Config) -> Result<Evaluated<Self::Scores>, Failure>;

    /// Compares two models over the same resamples, at each target.
    ///
    /// # Errors
    /// When the two do not belong together.
    fn paired(
        &self,
        baseline: &Self::Scores,
        candidate: &Self::Scores,
    ) -> Result<Vec<PairedRates>, Failure>;

    /// False match rates at which models are measured: those that were named, or those of the
    /// usual ones that the data support.
    fn targets(&self) -> &[f64];

    /// Comparisons of which disagreements are counted: the listed ones, all genuine ones.
    fn populations(&self) -> &[Population];

    /// File names of the probe and the reference of a population's comparison.
    fn pair_names(&self, population: usize, comparison: usize) -> PairNames;

    /// Where the samples lie.
    fn sample_paths(&self) -> Vec<PathBuf>;

    /// Set once somebody wants no more.
    fn stop(&self) -> &AtomicBool;
}

/// Compares the models that `args` names. `shared` is what
/// [`SharedArgs::for_comparison`] made of what every command takes.
pub fn run<E: Evaluator>(
    args: &CompareArgs,
    shared: &SharedArgs,
    config: &Config,
    evaluator: &mut E,
) -> Outcome {
    let ids = args.ids().map_err(Failure::Usage)?;
    super::check_outputs(args.results.paths())?;
    let gate = args.gate.as_deref().map(read_gate).transpose()?;
    if let Some(gate) = &gate {
        check_gate(gate, args, evaluator)?;
    }
    let configs: Vec<Config> = ids.iter().map(|id| facts::of_model(config, id)).collect();
    let facts = configs.iter().map(facts::read);
    let facts = facts.collect::<Result<Vec<ModelFacts>, Failure>>()?;
    let evaluated = configs.iter().map(|config| evaluator.evaluate(config));
    let evaluated = evaluated.collect::<Result<Vec<_>, Failure>>()?;
    let costs = if args.no_cost {
        vec![None; configs.len()]
    } else {
        let paths = evaluator.sample_paths();
        let costs = cost::measure(args, shared, &configs, &paths, evaluator.stop())?;
        costs.into_iter().map(Some).collect()
    };
    let models = with_results(facts, evaluated, costs);
    let comparison = compare(evaluator, gate.as_ref(), models, facts::environment(config))?;
    write_results(&args.results, &comparison)?;
    Ok(if comparison.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANSWER_NO)
    })
}

fn read_gate(path: &Path) -> Result<Gate, Failure> {
    let wrong = |problem: String| Failure::Usage(format!("{}: {problem}", path.display()));
    let unreadable = |error: std::io::Error| wrong(format!("cannot read the gate: {error}"));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let mut limited = file.take(GATE_BYTES_MAX.saturating_add(1));
    limited.read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > GATE_BYTES_MAX {
        return Err(wrong(format!("a gate has at most {GATE_BYTES_MAX} bytes")));
    }
    Gate::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// Finds out before the work whether its results can be judged.
fn check_gate(gate: &Gate, args: &CompareArgs, evaluator: &impl Evaluator) -> Result<(), Failure> {
    gate.check_measured_targets(evaluator.targets())
        .map_err(|error| not_judged(&error))?;
    let demanded = [
        (
            gate.needs_cost() && args.no_cost,
            "time or memory: leave --no-cost out",
        ),
        (
            gate.needs_degradations() && !args.results.degradations,
            "degradations: add --degradations",
        ),
    ];
    let missing = demanded.into_iter().find(|(is_missing, _)| *is_missing);
    if let Some((_, what)) = missing {
        return Err(Failure::Usage(format!("the gate has limits on {what}")));
    }
    gate.check_timed_samples(cost::times_max(args, &evaluator.sample_paths()))
        .map_err(|error| not_judged(&error))
}

fn not_judged(error: &GateError) -> Failure {
    Failure::Usage(format!("the gate: {error}"))
}

/// A model's result with what is compared, but not shown.
struct Model<S> {
    result: ModelResult,
    scores: S,
    similarities: Vec<Vec<f32>>,
}

fn with_results<S>(
    facts: Vec<ModelFacts>,
    evaluated: Vec<Evaluated<S>>,
    costs: Vec<Option<Cost>>,
) -> Vec<Model<S>> {
    let models = facts.into_iter().zip(evaluated).zip(costs);
    let model = |((facts, evaluated), cost): ((ModelFacts, Evaluated<S>), Option<Cost>)| Model {
        result: ModelResult {
            facts,
            evaluation: evaluated.evaluation,
            cost,
        },
        scores: evaluated.scores,
        similarities: evaluated.similarities,
    };
    models.map(model).collect()
}

/// The first model against each of the others.
fn compare<E: Evaluator>(
    evaluator: &E,
    gate: Option<&Gate>,
    models: Vec<Model<E::Scores>>,
    environment: Vec<(String, String)>,
) -> Result<ModelComparison, Failure> {
    let mut models = models.into_iter();
    let Some(baseline) = models.next() else {
        return Err(Failure::Usage("--models names no baseline".to_owned()));
    };
    let candidates = models.map(|candidate| {
        // Drawing people anew takes long.
        if evaluator.stop().load(Ordering::Relaxed) {
            return Err(Failure::Technical(
                "interrupted while models were compared".to_owned(),
            ));
        }
        let mut against = Candidate {
            paired: evaluator.paired(&baseline.scores, &candidate.scores)?,
            disagreements: disagreements(evaluator, &baseline, &candidate)?,
            result: candidate.result,
            verdict: None,
        };
        if let Some(gate) = gate {
            let verdict = gate.judge(&baseline.result, &against);
            against.verdict = Some(verdict.map_err(|error| not_judged(&error))?);
        }
        Ok(against)
    });
    let candidates = candidates.collect::<Result<Vec<Candidate>, Failure>>()?;
    Ok(ModelComparison {
        environment,
        baseline: baseline.result,
        candidates,
    })
}

/// What two models decide differently: at each target, in each population.
fn disagreements<E: Evaluator>(
    evaluator: &E,
    baseline: &Model<E::Scores>,
    candidate: &Model<E::Scores>,
) -> Result<Vec<Disagreements>, Failure> {
    let mut found = Vec::new();
    for one in &baseline.result.evaluation.measures.targets {
        let measures = &candidate.result.evaluation.measures;
        let other = measures.target_position(one.target);
        let Some(other) = other.and_then(|at| measures.targets.get(at)) else {
            continue;
        };
        let similarities = baseline.similarities.iter().zip(&candidate.similarities);
        let populations = evaluator.populations().iter().zip(similarities);
        for (number, (population, (first, second))) in populations.enumerate() {
            let decided = |similarities, threshold| Decided {
                similarities,
                threshold,
            };
            let (first, second) = (
                decided(first, one.threshold),
                decided(second, other.threshold),
            );
            let agreements = agreements(first, second, &population.genuine)
                .map_err(|error| Failure::Technical(error.to_string()))?;
            let name = |comparison| evaluator.pair_names(number, comparison);
            let name_of = population.name.clone();
            found.push(Disagreements::new(one.target, name_of, agreements, name));
        }
    }
    Ok(found)
}

fn write_results(results: &ResultArgs, comparison: &ModelComparison) -> Result<(), Failure> {
    if let Some(path) = &results.json {
        let json = format!("{:#}", report::compare::json(comparison));
        super::write_output(path, &json)?;
    }
    if let Some(path) = &results.markdown {
        super::write_output(path, &report::compare::markdown(comparison))?;
    }
    if let Some(path) = &results.report {
        let page = report::compare::page(comparison).map_err(Failure::Technical)?;
        super::write_output(path, &page)?;
    }
    if !results.is_on_standard_output() {
        super::print(&report::compare::table(comparison));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

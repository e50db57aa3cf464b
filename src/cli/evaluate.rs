//! `padan evaluate`: one model, or somebody else's similarities, in the measures of ISO/IEC
//! 19795-1.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::compare::facts;
use super::session::{Measured, Session};
use super::{Failure, Outcome};
use crate::app::ModelSet;
use crate::config::{Config, EvaluateArgs};
use crate::decision::{Calibration, Policy, PolicySet};
use crate::evaluation::comparison::ModelFacts;
use crate::evaluation::degrade::Degradation;
use crate::evaluation::measures::measure;
use crate::evaluation::scores_file::read_scores;
use crate::evaluation::{PolicyRates, ResamplingSettings, Subject, policy_rates};
use crate::report::evaluation::{self as report, Environment, ModelReport, ReportInput};

mod faces;

pub fn run(args: &EvaluateArgs, config: &Config) -> Outcome {
    let mut config = config.clone();
    if let Some(model) = &args.model {
        config.choose_embedder(model);
    }
    super::check_outputs(args.results.paths())?;
    let session = Session::open(&args.dataset)?;
    // Which model is measured was typed, too: found before the work, and the caller's to correct.
    let facts = facts::read(&config)?;
    let degradations = super::session::degradations(&args.results);
    let (measured, policy) = match &args.policy {
        None => (session.evaluate(&config, degradations)?, None),
        Some(id) => {
            let models = Arc::new(ModelSet::select(&config)?);
            let policy = policy(&config, &models, id)?;
            let subject = Subject {
                id: config.embedder.clone(),
                contract_id: models.contract_id(),
                scoring: policy.scoring,
            };
            let measured = session.evaluate_as(subject, &models, &config, degradations)?;
            (measured, Some(policy))
        }
    };
    let at_policy = policy.map(|policy| policy_rates(&policy, &measured.evaluated.scores));
    let faces = args.with_faces.then(|| faces::worst(&session, &measured));
    let input = report_input(&config, facts, &measured, faces.transpose()?);
    write_results(args, &input, at_policy.as_ref())?;
    Ok(ExitCode::SUCCESS)
}

/// The policy of this name, with the configured model's calibration.
fn policy(config: &Config, models: &ModelSet, id: &str) -> Result<Policy, Failure> {
    let usage = |text: String| Failure::Usage(text);
    let calibration = Calibration::read(&config.calibration);
    let calibration = calibration.map_err(|error| usage(error.to_string()))?;
    let fusion = models.embedder().fusion();
    let contract_id = models.contract_id();
    let policies = PolicySet::new(&config.policies, &calibration, &contract_id, fusion);
    let policies = policies.map_err(|error| usage(error.to_string()))?;
    let known = || {
        let ids: Vec<&str> = policies.iter().map(|policy| policy.id.as_str()).collect();
        usage(format!(
            "there is no policy named {id}; there are: {}",
            ids.join(", ")
        ))
    };
    policies.find(id).cloned().ok_or_else(known)
}

/// What a report is made of.
pub fn report_input(
    config: &Config,
    facts: ModelFacts,
    measured: &Measured,
    faces: Option<Vec<report::FacePair>>,
) -> ReportInput {
    let evaluation = measured.evaluated.evaluation.clone();
    let what = |degradation: &Degradation| {
        (
            degradation.name().to_owned(),
            degradation.describe().to_owned(),
        )
    };
    ReportInput {
        title: format!("{} on {}", evaluation.model, evaluation.data),
        models: vec![ModelReport {
            evaluation,
            facts,
            faces,
        }],
        degradations: Degradation::ALL.iter().map(what).collect(),
        environment: environment(config, &measured.runtime_version),
    }
}

fn environment(config: &Config, runtime_version: &str) -> Environment {
    let provider = &config.provider;
    Environment {
        padan: env!("CARGO_PKG_VERSION").to_owned(),
        onnx_runtime: runtime_version.to_owned(),
        provider: format!("{}, device {}", provider.kind, provider.device_name()),
        machine: facts::processor(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
        // `Display` of a date is ISO 8601.
        date: time::OffsetDateTime::now_utc().date().to_string(),
    }
}

fn write_results(
    args: &EvaluateArgs,
    input: &ReportInput,
    at_policy: Option<&PolicyRates>,
) -> Result<(), Failure> {
    let Some(model) = input.models.first() else {
        return Ok(());
    };
    if let Some(path) = &args.results.json {
        let mut json = report::json(&model.evaluation);
        if let (Some(object), Some(rates)) = (json.as_object_mut(), at_policy) {
            object.insert("at_policy".to_owned(), report::policy_json(rates));
        }
        super::write_output(path, &format!("{json:#}"))?;
    }
    if let Some(path) = &args.results.markdown {
        super::write_output(path, &report::markdown(input))?;
    }
    if let Some(path) = &args.results.report {
        let page = report::html(input).map_err(Failure::Technical)?;
        let write = if args.with_faces {
            super::write_faces
        } else {
            super::write_output
        };
        write(path, &page)?;
    }
    if !args.results.is_on_standard_output() {
        super::print(&report::table(&model.evaluation));
        if let Some(at_policy) = at_policy {
            super::print(&report::policy_table(at_policy));
        }
    }
    Ok(())
}

/// Somebody else's similarities: no model and no sample.
pub fn run_scores(args: &EvaluateArgs, scores: &Path) -> Outcome {
    super::check_outputs(args.results.paths())?;
    let usage = |text: String| Failure::Usage(text);
    let file = read_scores(scores).map_err(|error| usage(error.to_string()))?;
    let impostors = file.scores.impostor.similarities.len() as u64;
    let targets = super::session::targets(&args.dataset, impostors)?;
    let resampling = ResamplingSettings {
        resamples: args.dataset.resamples.get(),
        seed: args.dataset.seed,
    };
    let measures = measure(&file.scores, &targets, resampling);
    let measures = measures.map_err(|error| usage(error.to_string()))?;
    if let Some(path) = &args.results.json {
        super::write_output(path, &format!("{:#}", report::measures_json(&measures)))?;
    }
    if !args.results.is_on_standard_output() {
        super::print(&report::measures_table(&measures));
    }
    Ok(ExitCode::SUCCESS)
}

//! `padan evaluate --pairs FILE --images DIR`

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, Outcome};
use crate::app::ModelSet;
use crate::config::{Config, EvaluateArgs};
use crate::evaluation::{Evaluation, EvaluationError, EvaluationTask, PairList, evaluate};
use crate::report;

pub fn run(args: &EvaluateArgs, config: &Config) -> Outcome {
    let pairs = read_pairs(&args.pairs)?;
    let models = Arc::new(ModelSet::select(config)?);
    let contract_id = models.contract_id();
    let mut config = config.clone();
    // Two samples wait for each lane; bulk work takes half of a queue.
    let lanes = config.engine.lanes.get();
    config.engine.queue_length_max = NonZeroUsize::MIN.saturating_add(lanes * 8);
    let engine = models.start_engine(&config)?;
    let bar = progress_bar(pairs.samples().len());
    let task = EvaluationTask {
        pairs: &pairs,
        images: &args.images,
        gated: args.gated,
    };
    let evaluation = evaluate(&engine, &contract_id, &task, &|| bar.inc(1));
    bar.finish_and_clear();
    let evaluation = evaluation.map_err(failure)?;
    write_results(args, &evaluation)?;
    Ok(ExitCode::SUCCESS)
}

fn read_pairs(path: &Path) -> Result<PairList, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
    PairList::parse_lfw(&text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn failure(error: EvaluationError) -> Failure {
    match error {
        EvaluationError::Pipeline(cause) => Failure::Technical(cause),
        error => Failure::Usage(error.to_string()),
    }
}

fn write_results(args: &EvaluateArgs, evaluation: &Evaluation) -> Result<(), Failure> {
    let json = format!("{:#}", report::json::evaluation(evaluation));
    match &args.json {
        Some(path) if path == Path::new("-") => super::print(&format_args!("{json}")),
        Some(path) => {
            super::write_output(path, &json)?;
            super::print(&format_args!("{}", report::table::evaluation(evaluation)));
        }
        None => super::print(&format_args!("{}", report::table::evaluation(evaluation))),
    }
    if let Some(path) = &args.calibration {
        super::write_output(path, &calibration(args, evaluation)?)?;
    }
    Ok(())
}

fn calibration(args: &EvaluateArgs, evaluation: &Evaluation) -> Result<String, Failure> {
    let gate = if args.gated { "applied" } else { "not applied" };
    let pairs = || {
        args.pairs
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let name = args.data.clone().unwrap_or_else(pairs);
    let data = format!("{name}, all cross pairs, quality limits {gate}");
    // `Display` of a date is ISO 8601.
    let today = time::OffsetDateTime::now_utc().date().to_string();
    toml::to_string(&evaluation.calibration(data, today))
        .map_err(|error| Failure::Technical(format!("cannot write the calibration: {error}")))
}

fn progress_bar(length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    let style = "{bar:40} {pos}/{len} samples, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

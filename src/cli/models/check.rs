//! `padan models check`: whether each model keeps what its entry promises.

use std::process::ExitCode;
use std::sync::Arc;

use comfy_table::Table;

use super::super::{ANSWER_NO, Failure, Outcome};
use crate::app::checks::{self, Checked, Kept, Promise};
use crate::app::{AppError, ModelSet};
use crate::cli::print;
use crate::config::Config;
use crate::model::{FusionEntry, Manifest, ModelEntry, ModelTask, Profile, Runtime};
use crate::report::table::new_table;

/// The configured detector, and the embedders named; none named: all whose files are here.
pub fn run(config: &Config, ids: &[String]) -> Outcome {
    let manifest = Manifest::read(&config.models).map_err(AppError::from)?;
    let fusions = fusions(config, &manifest, ids);
    let selected = select(config, &manifest, ids)?;
    let runtime = Runtime::load(&config.runtime_library).map_err(AppError::from)?;
    config
        .provider
        .check_library(&runtime)
        .map_err(AppError::from)?;
    let mut table = new_table(&header());
    let mut remarks = Vec::new();
    let mut is_passed = true;
    for (entry, is_wanted) in selected {
        let obstacle = obstacle(config, &manifest, entry).filter(|_| !is_wanted);
        if let Some(obstacle) = obstacle {
            remarks.push(format!("– {}: {obstacle}", entry.id));
            add_row(&mut table, entry, &Checked::default());
            continue;
        }
        let checked = checks::check(config, &runtime, &manifest, entry);
        for (promise, kept) in checked.promises() {
            if let Some(Err(cause)) = kept {
                remarks.push(format!("✗ {}, {}: {cause}", entry.id, promise.name()));
            }
        }
        is_passed &= checked.is_passed();
        add_row(&mut table, entry, &checked);
    }
    for fusion in fusions {
        let (is_good, remark) = check_fusion(config, fusion);
        is_passed &= is_good;
        remarks.push(remark);
    }
    print(&format_args!("{table}"));
    for remark in remarks {
        print(&remark);
    }
    Ok(if is_passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANSWER_NO)
    })
}

/// The fusions that are named, or configured where nothing is named.
fn fusions<'a>(config: &Config, manifest: &'a Manifest, ids: &[String]) -> Vec<&'a FusionEntry> {
    let is_wanted = |fusion: &&FusionEntry| {
        ids.contains(&fusion.id) || (ids.is_empty() && config.embedder == fusion.id)
    };
    manifest.fusions().iter().filter(is_wanted).collect()
}

/// A fusion's networks are checked like all; what is its own are the golden faces by both.
fn check_fusion(config: &Config, fusion: &FusionEntry) -> (bool, String) {
    let mut config = config.clone();
    config.choose_embedder(&fusion.id);
    let pipeline = || {
        let models = ModelSet::select(&config).map_err(|error| error.to_string())?;
        let settings = Arc::new(config.pipeline.clone());
        models.pipeline(&settings)?;
        Ok::<_, String>(models.contract_id())
    };
    match pipeline() {
        Ok(contract_id) => {
            let [first, second] = &fusion.models;
            let id = &fusion.id;
            let remark = format!("✓ {id}: golden faces by {first} and {second}; {contract_id}");
            (true, remark)
        }
        Err(cause) => (false, format!("✗ {}: {cause}", fusion.id)),
    }
}

/// What is looked at, and whether it is wanted: then that it cannot be used is a failure.
fn select<'a>(
    config: &Config,
    manifest: &'a Manifest,
    ids: &[String],
) -> Result<Vec<(&'a ModelEntry, bool)>, Failure> {
    let models = manifest.models();
    let parts = fusions(config, manifest, ids).into_iter();
    let parts: Vec<&String> = parts.flat_map(|fusion| &fusion.models).collect();
    let is_fusion = |id: &String| manifest.fusions().iter().any(|fusion| fusion.id == *id);
    if !ids.is_empty() {
        let named = ids.iter().filter(|id| !is_fusion(id)).chain(parts);
        return named
            .map(|id| {
                let found = models.iter().find(|entry| entry.id == *id);
                let found = found.map(|entry| (entry, true));
                let known: Vec<&str> = models.iter().map(|entry| entry.id.as_str()).collect();
                let known = known.join(", ");
                found.ok_or_else(|| {
                    Failure::Usage(format!("the manifest has no model {id}; it has: {known}"))
                })
            })
            .collect();
    }
    manifest
        .select(&config.detector, ModelTask::Detector, Profile::Research)
        .map_err(AppError::from)?;
    manifest
        .embedder(&config.embedder, Profile::Research)
        .map_err(AppError::from)?;
    let is_wanted = |entry: &ModelEntry| {
        [&config.detector, &config.embedder].contains(&&entry.id) || parts.contains(&&entry.id)
    };
    Ok(models
        .iter()
        .filter(|entry| entry.task == ModelTask::Embedder || is_wanted(entry))
        .map(|entry| (entry, is_wanted(entry)))
        .collect())
}

/// Why an embedder that nobody named is not looked at.
fn obstacle(config: &Config, manifest: &Manifest, entry: &ModelEntry) -> Option<String> {
    let path = manifest.folder().join(&entry.file);
    if !path.exists() {
        return Some(format!(
            "{} is not here: make it as models/README.md says (`make models`, `make \
             second-model`), or copy it there",
            path.display()
        ));
    }
    let licence = manifest.select(&entry.id, entry.task, config.profile);
    let licence = licence.map(drop).map_err(|error| error.to_string());
    let provider = config.provider.check_model(entry);
    licence
        .and(provider.map_err(|error| error.to_string()))
        .err()
}

fn header() -> Vec<&'static str> {
    let mut header = vec!["model"];
    header.extend(Promise::ALL.map(Promise::name));
    header.push("contract id");
    header
}

fn add_row(table: &mut Table, entry: &ModelEntry, checked: &Checked) {
    let sign = |kept: &Kept| match kept {
        Some(Ok(())) => "✓",
        Some(Err(_)) => "✗",
        None => "–",
    };
    let mut row = vec![entry.id.clone()];
    row.extend(checked.promises().map(|(_, kept)| sign(kept).to_owned()));
    row.push(super::contract(entry).unwrap_or_else(|| "–".to_owned()));
    table.add_row(row);
}

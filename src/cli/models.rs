//! `padan models list|check|measure|add|prepare`

mod add;
mod check;
pub mod cost;
mod measure;
mod prepare;

use std::process::ExitCode;

use comfy_table::Table;
use serde_json::json;

use super::{Failure, Outcome};
use crate::config::{Config, ModelsCommand};
use crate::model::{Embedder, Manifest, ModelEntry, Profile};
use crate::report::table::new_table;

pub fn run(command: &ModelsCommand, config: &Config) -> Outcome {
    match command {
        ModelsCommand::List { json } => list(config, *json),
        ModelsCommand::Check { ids } => check::run(config, ids),
        ModelsCommand::Measure { rounds, json } => measure::run(config, *rounds, *json),
        ModelsCommand::Cost { samples } => cost::run(config, samples),
        ModelsCommand::Add(args) => add::run(config, args),
        ModelsCommand::Prepare { file, out } => prepare::run(config, file, out),
    }
}

fn list(config: &Config, as_json: bool) -> Outcome {
    let manifest =
        Manifest::read(&config.models).map_err(|error| Failure::Technical(error.to_string()))?;
    let fusions = || {
        let ids = manifest.fusions().iter().map(|fusion| &fusion.id);
        // Whatever may be served, all of it is listed.
        ids.filter_map(|id| manifest.embedder(id, Profile::Research).ok())
    };
    if as_json {
        let models: Vec<_> = manifest.models().iter().map(entry_json).collect();
        let fusions: Vec<_> = fusions().map(|fused| fusion_json(&fused)).collect();
        let answer = json!({ "models": models, "fusions": fusions });
        super::print(&format_args!("{answer:#}"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = new_table(&[
        "model",
        "task",
        "licence",
        "contract id",
        "SHA-256",
        "source",
    ]);
    for entry in manifest.models() {
        add_row(&mut table, entry);
    }
    for fused in fusions() {
        let parts: Vec<_> = fused
            .models()
            .iter()
            .map(|entry| entry.id.clone())
            .collect();
        table.add_row([
            fused.id().to_owned(),
            "fusion".to_owned(),
            fused.licence(),
            fused.contract_id().to_string(),
            "–".to_owned(),
            parts.join(" + "),
        ]);
    }
    super::print(&format_args!("{table}"));
    Ok(ExitCode::SUCCESS)
}

fn add_row(table: &mut Table, entry: &ModelEntry) {
    let short: String = entry.sha256.chars().take(12).collect();
    table.add_row([
        entry.id.clone(),
        entry.task.name().to_owned(),
        entry.licence.clone(),
        contract(entry).unwrap_or_else(|| "–".to_owned()),
        format!("{short}…"),
        entry.source.clone(),
    ]);
}

fn entry_json(entry: &ModelEntry) -> serde_json::Value {
    json!({
        "id": entry.id,
        "task": entry.task.name(),
        "file": entry.file,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "commercial_use": entry.commercial_use,
        "source": entry.source,
        "contract_id": contract(entry),
        "dimension": entry.dimension,
    })
}

fn fusion_json(fused: &Embedder) -> serde_json::Value {
    let parts: Vec<_> = fused
        .models()
        .iter()
        .map(|entry| entry.id.clone())
        .collect();
    json!({
        "id": fused.id(),
        "models": parts,
        "licence": fused.licence(),
        "contract_id": fused.contract_id().as_str(),
        "dimension": fused.dimension(),
    })
}

fn contract(entry: &ModelEntry) -> Option<String> {
    entry.dimension.map(|_| entry.contract_id().to_string())
}

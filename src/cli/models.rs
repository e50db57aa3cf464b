//! `padan models list|check|measure`

mod measure;

use std::process::ExitCode;
use std::sync::Arc;

use comfy_table::Table;
use serde_json::json;

use super::{Failure, Outcome};
use crate::app::ModelSet;
use crate::config::{Config, ModelsCommand};
use crate::model::{Manifest, ModelEntry};
use crate::report::table::new_table;

pub fn run(command: &ModelsCommand, config: &Config) -> Outcome {
    match command {
        ModelsCommand::List { json } => list(config, *json),
        ModelsCommand::Check => check(config),
        ModelsCommand::Measure { rounds, json } => measure::run(config, *rounds, *json),
    }
}

fn list(config: &Config, as_json: bool) -> Outcome {
    let manifest =
        Manifest::read(&config.models).map_err(|error| Failure::Technical(error.to_string()))?;
    if as_json {
        let models: Vec<_> = manifest.models().iter().map(entry_json).collect();
        super::print(&format_args!("{:#}", json!({ "models": models })));
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

fn contract(entry: &ModelEntry) -> Option<String> {
    entry.dimension.map(|_| entry.contract_id().to_string())
}

/// Makes the configured models ready as a server would.
fn check(config: &Config) -> Outcome {
    let models = ModelSet::select(config)?;
    let settings = Arc::new(config.pipeline.clone());
    models.pipeline(&settings).map_err(Failure::Technical)?;
    super::print(&format_args!(
        "{} and {}: digest, licence, names, shapes and golden faces are as the manifest says",
        config.detector, config.embedder
    ));
    super::print(&format_args!("contract id: {}", models.contract_id()));
    Ok(ExitCode::SUCCESS)
}

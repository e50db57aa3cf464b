//! From a model's id to lanes that serve it: the manifest is read anew each time, and everything
//! that a start checks is checked.

use std::sync::Arc;

use super::{AppError, ModelSet, StartError};
use crate::config::Config;
use crate::decision::{Calibration, PolicySet};
use crate::model::{Embedder, ManifestError, ModelEntry};
use crate::serving::{LoadError, Loader, ModelFacts, Serving};

/// Loads models as the configuration says, but for which one.
pub(super) struct ManifestLoader {
    config: Config,
}

impl ManifestLoader {
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Loader for ManifestLoader {
    fn load(&self, id: &str) -> Result<Serving, LoadError> {
        let mut config = self.config.clone();
        // Another embedder has another calibration, too.
        if config.embedder != id {
            config.choose_embedder(id);
        }
        match start(&config) {
            Ok((model, _)) => Ok(model),
            Err(AppError::Manifest(error @ ManifestError::Unknown { .. })) => {
                Err(LoadError::Unknown(error.to_string()))
            }
            Err(error) => Err(LoadError::Refused(error.to_string())),
        }
    }
}

/// The configured model, ready, with its policies; and the version of ONNX Runtime.
pub(super) fn start(config: &Config) -> Result<(Serving, String), AppError> {
    // The id stands in the manifest from here on, so that it is part of a path like no other.
    let models = Arc::new(ModelSet::select(config)?);
    let contract_id = models.contract_id();
    let fusion = models.embedder.fusion();
    let calibration = Calibration::read(&config.calibration)?;
    let policies = PolicySet::new(&config.policies, &calibration, &contract_id, fusion)?;
    let facts = [facts(&models.detector), embedder_facts(&models.embedder)];
    let runtime_version = models.runtime_version().to_owned();
    let engine = Arc::clone(&models).start_engine(config)?;
    let device = models.shared_device().map_err(StartError::Worker)?;
    let model = Serving::new(contract_id, facts, engine, policies);
    let model = match device {
        Some(device) => model.on_device(Box::new(move || device.counts())),
        None => model,
    };
    Ok((model, runtime_version))
}

/// Of a fusion, what its two networks are together.
fn embedder_facts(embedder: &Embedder) -> ModelFacts {
    if let Embedder::One(entry) = embedder {
        return facts(entry);
    }
    let models = embedder.models();
    let digests: Vec<&str> = models.iter().map(|entry| entry.sha256.as_str()).collect();
    ModelFacts {
        id: embedder.id().to_owned(),
        task: "fusion",
        sha256: digests.join(" "),
        licence: embedder.licence(),
        contract_id: Some(embedder.contract_id().to_string()),
        dimension: Some(embedder.dimension()),
    }
}

fn facts(entry: &ModelEntry) -> ModelFacts {
    ModelFacts {
        id: entry.id.clone(),
        task: entry.task.name(),
        sha256: entry.sha256.clone(),
        licence: entry.licence.clone(),
        contract_id: entry.dimension.map(|_| entry.contract_id().to_string()),
        dimension: entry.dimension,
    }
}

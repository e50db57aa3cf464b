//! The repository's models, as the default configuration serves them.

use std::sync::Arc;

use padan::config::{Config, SharedArgs};
use padan::decision::{Calibration, Policy, PolicySet};
use padan::model::{Manifest, ModelEntry, ModelTask, OrtEmbedder, Profile, Runtime, YunetDetector};
use padan::pipeline::Pipeline;

use super::pictures::repository;

/// The library, the manifest and the default configuration.
pub struct Models {
    /// Defaults, with the repository's models.
    pub config: Config,
    /// The loaded library.
    pub runtime: Runtime,
    /// What there is.
    pub manifest: Manifest,
}

impl Models {
    /// Loads the library and the manifest; no model yet.
    pub fn load() -> Self {
        Self::with_embedder(None)
    }

    /// The same, with another embedder than the default one, and its calibration.
    pub fn with_embedder(id: Option<&str>) -> Self {
        let shared = SharedArgs {
            models: Some(repository().join("models")),
            ..SharedArgs::default()
        };
        let mut config = Config::load(&shared).expect("the defaults are valid; run `make setup`");
        if let Some(id) = id {
            id.clone_into(&mut config.embedder);
            config.calibration = config.models.join(format!("calibration/{id}.toml"));
        }
        let runtime = Runtime::load(&config.runtime_library).expect("run `make setup`");
        let manifest = Manifest::read(&config.models).expect("the manifest is valid");
        Self {
            config,
            runtime,
            manifest,
        }
    }

    /// A model of the manifest.
    pub fn entry(&self, id: &str, task: ModelTask) -> &ModelEntry {
        let entry = self.manifest.select(id, task, Profile::Research);
        entry.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The embedders of the manifest that are shipped, the served one first. The weights of the
    /// others need not be here.
    pub fn embedder_ids(&self) -> Vec<&str> {
        let entries = self.manifest.models().iter();
        let embedders =
            entries.filter(|entry| entry.task == ModelTask::Embedder && entry.commercial_use);
        let mut ids: Vec<&str> = embedders.map(|entry| entry.id.as_str()).collect();
        ids.sort_by_key(|id| *id != self.config.embedder);
        ids
    }

    /// The served detector.
    pub fn detector(&self) -> YunetDetector {
        let entry = self.entry(&self.config.detector, ModelTask::Detector);
        YunetDetector::load(&self.runtime, &self.manifest, entry).expect("loads")
    }

    /// An embedder.
    pub fn embedder(&self, id: &str) -> OrtEmbedder {
        let entry = self.entry(id, ModelTask::Embedder);
        OrtEmbedder::load(&self.runtime, &self.manifest, entry).expect("loads")
    }

    /// What one lane owns.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::new(
            Box::new(self.detector()),
            Box::new(self.embedder(&self.config.embedder)),
            Arc::new(self.config.pipeline.clone()),
        )
    }

    /// The default policy.
    pub fn policy(&self) -> Policy {
        let entry = self.entry(&self.config.embedder, ModelTask::Embedder);
        let calibration = Calibration::read(&self.config.calibration).expect("is there");
        let policies = PolicySet::new(
            &self.config.policies,
            &calibration,
            &entry.contract_id(),
            None,
        );
        let policies = policies.expect("the policies are valid");
        policies.find("").expect("there is a default").clone()
    }
}

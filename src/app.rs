//! The composition root: a validated configuration becomes a running verifier.

pub mod golden;

use std::path::Path;
use std::sync::Arc;

use crate::config::Config;
use crate::decision::{Calibration, CalibrationError, PolicyError, PolicySet};
use crate::embed::ContractId;
use crate::engine::{Engine, StartError};
use crate::grpc::{ServiceInfo, ServiceModel};
use crate::model::{
    Manifest, ManifestError, ModelEntry, ModelTask, OrtEmbedder, Runtime, RuntimeError,
    YunetDetector,
};
use crate::pipeline::{Pipeline, PipelineSettings};
use crate::telemetry::{BuildLabels, Metrics};
use crate::verify::Verifier;

/// padan could not be made ready. The texts say why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The library.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The manifest or a model file.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The lanes, their models or the golden faces.
    #[error(transparent)]
    Engine(#[from] StartError),
    /// The calibration.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Models, chosen and allowed, that lanes can be built from.
pub struct ModelSet {
    runtime: Runtime,
    manifest: Manifest,
    detector: ModelEntry,
    embedder: ModelEntry,
}

impl ModelSet {
    /// Loads the runtime and the manifest, and selects the configured models.
    ///
    /// # Errors
    /// When the library, the manifest or a licence is not as required.
    pub fn select(config: &Config) -> Result<Self, AppError> {
        let manifest = Manifest::read(&config.models)?;
        let select = |id: &str, task| manifest.select(id, task, config.profile).cloned();
        let detector = select(&config.detector, ModelTask::Detector)?;
        let embedder = select(&config.embedder, ModelTask::Embedder)?;
        Ok(Self {
            runtime: Runtime::load(&config.runtime_library)?,
            manifest,
            detector,
            embedder,
        })
    }

    /// The contract of the embedder.
    #[must_use]
    pub fn contract_id(&self) -> ContractId {
        self.embedder.contract_id()
    }

    /// One lane's pipeline: both sessions built and checked, and the golden faces recognised.
    ///
    /// # Errors
    /// When a model is not what the manifest says, or the golden faces come out differently.
    pub fn pipeline(&self, settings: &Arc<PipelineSettings>) -> Result<Pipeline, String> {
        let Self {
            runtime, manifest, ..
        } = self;
        let detector = YunetDetector::load(runtime, manifest, &self.detector);
        let embedder = OrtEmbedder::load(runtime, manifest, &self.embedder);
        let mut pipeline = Pipeline::new(
            Box::new(detector.map_err(|error| error.to_string())?),
            Box::new(embedder.map_err(|error| error.to_string())?),
            Arc::clone(settings),
        );
        golden::check(&mut pipeline, &self.embedder, manifest.folder())
            .map_err(|error| error.to_string())?;
        Ok(pipeline)
    }

    /// Starts an engine whose lanes run these models.
    ///
    /// # Errors
    /// When a lane cannot be made.
    pub fn start_engine(self: Arc<Self>, config: &Config) -> Result<Engine<Pipeline>, AppError> {
        let settings = Arc::new(config.pipeline.clone());
        let factory = Box::new(move || self.pipeline(&settings));
        Ok(Engine::start(config.engine, factory)?)
    }
}

/// A ready verifier, and what there is to say about it.
pub struct App {
    /// Makes the decisions.
    pub verifier: Arc<Verifier>,
    /// What runs.
    pub info: ServiceInfo,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

impl App {
    /// Makes everything ready: library, models, golden faces, calibration, policies.
    ///
    /// # Errors
    /// When anything is not as it should be; nothing is half ready.
    pub fn start(config: &Config) -> Result<Self, AppError> {
        let models = Arc::new(ModelSet::select(config)?);
        let contract_id = models.contract_id();
        let calibration = Calibration::read(&config.calibration)?;
        let policies = PolicySet::new(&config.policies, &calibration, &contract_id)?;
        let info = service_info(config, &models);
        let metrics = Metrics::new(BuildLabels {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime_version: info.runtime_version.clone(),
            detector: models.detector.id.clone(),
            model_contract_id: contract_id.to_string(),
        });
        let engine = models.start_engine(config)?;
        Ok(Self {
            verifier: Arc::new(Verifier::new(engine, policies)),
            info,
            metrics: Arc::new(metrics),
        })
    }

    /// Makes the text of a metrics scrape.
    #[must_use]
    pub fn scrape(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let (verifier, metrics) = (Arc::clone(&self.verifier), Arc::clone(&self.metrics));
        Arc::new(move || {
            let engine = verifier.engine();
            metrics.set_engine(
                engine.queue_length(),
                engine.lanes_alive(),
                engine.crashes(),
            );
            metrics.encode()
        })
    }
}

fn service_info(config: &Config, models: &ModelSet) -> ServiceInfo {
    let model = |entry: &ModelEntry| ServiceModel {
        id: entry.id.clone(),
        task: entry.task.name(),
        sha256: entry.sha256.clone(),
        licence: entry.licence.clone(),
        contract_id: entry.dimension.map(|_| entry.contract_id().to_string()),
        dimension: entry.dimension,
    };
    ServiceInfo {
        runtime_version: models.runtime.version().to_owned(),
        execution_provider: "cpu",
        engine: config.engine,
        image_limits: config.pipeline.image,
        models: vec![model(&models.detector), model(&models.embedder)],
    }
}

/// The folder of the golden faces in a model folder.
#[must_use]
pub fn golden_folder(models: &Path) -> std::path::PathBuf {
    models.join("golden")
}

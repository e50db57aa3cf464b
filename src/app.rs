//! The composition root: a validated configuration becomes a running verifier.

pub mod checks;
pub mod golden;
mod kept;
mod loader;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::activation::Activation;
use crate::config::Config;
use crate::decision::{CalibrationError, PolicyError};
use crate::embed::{ContractId, FaceEmbedder, FusedEmbedder};
use crate::engine::{Batcher, Engine, StartError};
use crate::grpc::{Served, ServiceInfo};
use crate::keys::KeyError;
use crate::model::{
    BatchedEmbedder, DeviceSession, Embedder, EmbeddingDevice, Manifest, ManifestError, ModelEntry,
    ModelError, ModelTask, OrtEmbedder, Provider, ProviderError, Runtime, RuntimeError,
    YunetDetector,
};
use crate::pipeline::{Pipeline, PipelineSettings};
use crate::privacy::PrivacyError;
use crate::records::RecordsError;
use crate::serving::{Loader as _, Registry, Swap, SwapError};
use crate::telemetry::{BuildLabels, Metrics};
use crate::trail::{self, JournalError};
use crate::verify::Verifier;
use kept::OpenRecords;
use loader::ManifestLoader;

/// padan could not be made ready. The texts say why, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The library.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The manifest or a model file.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The execution provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The lanes, their models or the golden faces.
    #[error(transparent)]
    Engine(#[from] StartError),
    /// A model beside the one that serves.
    #[error("models.beside: {0}")]
    Beside(#[from] SwapError),
    /// The calibration.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// A policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The database, or its keys.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The folder beside the database.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The database is not the one that the journal speaks of.
    #[error(transparent)]
    Trail(#[from] trail::StartError),
    /// Erasures could not be repeated.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
}

/// Models, chosen and allowed, that lanes can be built from.
pub struct ModelSet {
    runtime: Runtime,
    manifest: Manifest,
    detector: ModelEntry,
    embedder: Embedder,
    provider: Provider,
    lanes: NonZeroUsize,
    /// What lanes share, once one asked for it; accelerators only.
    device: OnceLock<Result<Arc<EmbeddingDevice>, String>>,
}

impl ModelSet {
    /// Loads the runtime and the manifest, and selects the configured models.
    ///
    /// # Errors
    /// When the library, the manifest, a licence or the provider is not as required.
    pub fn select(config: &Config) -> Result<Self, AppError> {
        let manifest = Manifest::read(&config.models)?;
        let detector = manifest.select(&config.detector, ModelTask::Detector, config.profile);
        let detector = detector?.clone();
        let embedder = manifest.embedder(&config.embedder, config.profile)?;
        config.provider.check_embedder(&embedder)?;
        let runtime = Runtime::load(&config.runtime_library)?;
        config.provider.check_library(&runtime)?;
        Ok(Self {
            runtime,
            manifest,
            detector,
            embedder,
            provider: config.provider.clone(),
            lanes: config.engine.lanes,
            device: OnceLock::new(),
        })
    }

    /// The contract of the embedder.
    #[must_use]
    pub fn contract_id(&self) -> ContractId {
        self.embedder.contract_id()
    }

    /// SHA-256 of the detector's file.
    #[must_use]
    pub fn detector_sha256(&self) -> &str {
        &self.detector.sha256
    }

    /// The embedder: one network, or a fusion of two.
    #[must_use]
    pub const fn embedder(&self) -> &Embedder {
        &self.embedder
    }

    /// One lane's pipeline: both sessions built and checked, and the golden faces recognised.
    ///
    /// # Errors
    /// When a model is not what the manifest says, or the golden faces come out differently.
    pub fn pipeline(&self, settings: &Arc<PipelineSettings>) -> Result<Pipeline, String> {
        let mut pipeline = self.unchecked_pipeline(settings)?;
        golden::check(&mut pipeline, &self.embedder, self.manifest.folder())
            .map_err(|error| error.to_string())?;
        Ok(pipeline)
    }

    fn unchecked_pipeline(&self, settings: &Arc<PipelineSettings>) -> Result<Pipeline, String> {
        let detector = YunetDetector::load(&self.runtime, &self.manifest, &self.detector);
        Ok(Pipeline::new(
            Box::new(detector.map_err(|error| error.to_string())?),
            self.lane_embedder()?,
            Arc::clone(settings),
        ))
    }

    /// Similarity of the golden faces: what these models and this provider find, and what the
    /// manifest says.
    ///
    /// # Errors
    /// When a model cannot be loaded or a golden face gives no template.
    pub fn golden_similarities(
        &self,
        settings: &Arc<PipelineSettings>,
    ) -> Result<(f32, Option<f32>), String> {
        let mut pipeline = self.unchecked_pipeline(settings)?;
        let found = golden::similarity(&mut pipeline, self.manifest.folder());
        let found = found.map_err(|error| error.to_string())?;
        Ok((found, self.embedder.golden_similarity()))
    }

    /// The embedder on the provider, every bucket warmed, for measuring it alone.
    ///
    /// # Errors
    /// When the file is not what the manifest says, or the provider does not take it.
    pub fn device_session(&self) -> Result<DeviceSession, ModelError> {
        let entry = self.single()?;
        DeviceSession::load(&self.provider, &self.runtime, &self.manifest, entry)
    }

    /// The one network, where a fusion will not do.
    fn single(&self) -> Result<&ModelEntry, ProviderError> {
        match &self.embedder {
            Embedder::One(entry) => Ok(entry),
            Embedder::Fused(fused) => Err(ProviderError::Fusion {
                id: fused.entry.id.clone(),
            }),
        }
    }

    /// Version of ONNX Runtime.
    #[must_use]
    pub fn runtime_version(&self) -> &str {
        self.runtime.version()
    }

    /// One lane's embedder: a session of its own, or a handle to the device that lanes share.
    fn lane_embedder(&self) -> Result<Box<dyn FaceEmbedder>, String> {
        let text = |error: ModelError| error.to_string();
        if let Some(device) = self.shared_device()? {
            let entry = self.single().map_err(|error| error.to_string())?;
            let handle = BatchedEmbedder::new(device, entry).map_err(text)?;
            return Ok(Box::new(handle));
        }
        let session = |entry| -> Result<Box<dyn FaceEmbedder>, String> {
            let session = OrtEmbedder::load(&self.runtime, &self.manifest, entry);
            Ok(Box::new(session.map_err(text)?))
        };
        let (fused, fusion) = match (&self.embedder, self.embedder.fusion()) {
            (Embedder::Fused(fused), Some(fusion)) => (fused, fusion),
            (Embedder::One(entry), _) => return session(entry),
            (Embedder::Fused(_), None) => return Err("a fusion without weights".to_owned()),
        };
        let [first, second] = &fused.models;
        let parts = [session(first)?, session(second)?];
        let fused = FusedEmbedder::new(parts, fusion, self.contract_id());
        let fused = fused.ok_or("the two networks take different crops")?;
        Ok(Box::new(fused))
    }

    /// The device of an accelerator, started when first asked for; none on the CPU.
    fn shared_device(&self) -> Result<Option<Arc<EmbeddingDevice>>, String> {
        if !self.provider.kind.is_accelerator() {
            return Ok(None);
        }
        self.device
            .get_or_init(|| self.start_device())
            .clone()
            .map(Some)
    }

    fn start_device(&self) -> Result<Arc<EmbeddingDevice>, String> {
        let (provider, runtime) = (self.provider.clone(), self.runtime.clone());
        let entry = self.single().map_err(|error| error.to_string())?.clone();
        let manifest = self.manifest.clone();
        let factory = move || {
            DeviceSession::load(&provider, &runtime, &manifest, &entry)
                .map_err(|error| error.to_string())
        };
        // Each lane waits for one job at most.
        Batcher::start(self.provider.buckets.clone(), self.lanes, Box::new(factory))
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }

    /// Starts an engine whose lanes run these models.
    ///
    /// # Errors
    /// When a lane cannot be made.
    pub fn start_engine(self: Arc<Self>, config: &Config) -> Result<Engine<Pipeline>, AppError> {
        let settings = Arc::new(config.pipeline.clone());
        let device = self.shared_device().map_err(StartError::Worker)?;
        let factory = Box::new(move || self.pipeline(&settings));
        let engine = Engine::start(config.engine, factory)?;
        Ok(match device {
            Some(device) => engine.needing(move || device.is_ready()),
            None => engine,
        })
    }
}

/// A ready verifier, and what there is to say about it.
pub struct App {
    /// Makes the decisions.
    pub verifier: Arc<Verifier>,
    /// Makes other models ready.
    loader: Arc<ManifestLoader>,
    /// Once [`Self::open_records`] was called.
    records: Option<OpenRecords>,
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
        let (model, runtime_version) = loader::start(config)?;
        let info = ServiceInfo {
            runtime_version,
            execution_provider: config.provider.kind.name(),
            engine: config.engine,
            image_limits: config.pipeline.image,
        };
        let metrics = Metrics::new(BuildLabels {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runtime_version: info.runtime_version.clone(),
            detector: model.detector().id.clone(),
            model_contract_id: model.contract_id().to_string(),
        });
        let models = Arc::new(Registry::new(model));
        let loader = Arc::new(ManifestLoader::new(config.clone()));
        for id in &config.beside {
            models.add(loader.load(id).map_err(SwapError::from)?)?;
        }
        Ok(Self {
            verifier: Arc::new(Verifier::new(models)),
            loader,
            records: None,
            info,
            metrics: Arc::new(metrics),
        })
    }

    /// Opens the database and the keys, where the configuration names a database: from then on
    /// subjects are verified.
    ///
    /// # Errors
    /// When the database or the keys are not as they should be, or do not belong together.
    pub async fn open_records(&mut self, config: &Config) -> Result<(), AppError> {
        let Some(store) = &config.store else {
            return Ok(());
        };
        let open = OpenRecords::open(config, store, &self.verifier).await?;
        self.records = Some(open);
        Ok(())
    }

    /// Verifies subjects; none where no references are kept.
    #[must_use]
    pub fn activation(&self) -> Option<&Arc<Activation>> {
        self.records.as_ref().map(|records| &records.activation)
    }

    /// Writes what waits to be written, and leaves the database. To be called when nothing is
    /// served any more.
    pub async fn close_records(&mut self) {
        if let Some(records) = self.records.take() {
            records.close().await;
        }
    }

    /// What a server serves.
    #[must_use]
    pub fn served(&self) -> Served {
        let records = self.records.as_ref().map(OpenRecords::records);
        let swap = Swap::new(
            Arc::clone(self.verifier.models()),
            Arc::clone(&self.loader) as _,
            records.cloned(),
        );
        Served {
            verifier: Arc::clone(&self.verifier),
            swap: Arc::new(swap),
            kept: self.records.as_ref().map(OpenRecords::kept),
            info: self.info.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// Makes the text of a metrics scrape.
    #[must_use]
    pub fn scrape(&self) -> Arc<dyn Fn() -> String + Send + Sync> {
        let models = Arc::clone(self.verifier.models());
        let metrics = Arc::clone(&self.metrics);
        Arc::new(move || {
            let active = models.active();
            metrics.set_engine(
                models.queue_length(),
                active.engine().lanes_alive(),
                models.crashes(),
            );
            metrics.set_model(&active.detector().id, active.contract_id().as_str());
            if let Some(counts) = active.device_counts() {
                metrics.set_device(&counts);
            }
            metrics.encode()
        })
    }
}

/// The folder of the golden faces in a model folder.
#[must_use]
pub fn golden_folder(models: &Path) -> std::path::PathBuf {
    models.join("golden")
}

//! Where a network is computed: ONNX Runtime's execution providers, and the refusal to compute
//! anywhere else in silence.

use clap::ValueEnum;
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;
use serde::Deserialize;

use super::{Embedder, ModelEntry, Runtime};
use crate::engine::Buckets;

/// An execution provider of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// The processor, in every build of the library.
    Cpu,
    /// NVIDIA's cards.
    Cuda,
    /// NVIDIA's cards, by compiled engines.
    #[value(name = "tensorrt")]
    TensorRt,
    /// Intel's processors, graphics and neural units.
    #[value(name = "openvino")]
    OpenVino,
}

impl ProviderKind {
    const ALL: [Self; 4] = [Self::Cpu, Self::Cuda, Self::TensorRt, Self::OpenVino];

    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
        }
    }

    /// Whether lanes share it, in batches.
    #[must_use]
    pub const fn is_accelerator(self) -> bool {
        !matches!(self, Self::Cpu)
    }

    fn is_in_library(self) -> ort::Result<bool> {
        match self {
            Self::Cpu => Ok(true),
            Self::Cuda => ep::CUDA::is_available(),
            Self::TensorRt => ep::TensorRT::is_available(),
            Self::OpenVino => ep::OpenVINO::is_available(),
        }
    }

    /// How to get a library that has it.
    const fn way_to_get(self) -> &'static str {
        match self {
            Self::Cpu => "run `make setup`",
            Self::OpenVino => {
                "run `make setup-openvino`, and name the library it says with --runtime-library"
            }
            Self::Cuda | Self::TensorRt => {
                "name a build of ONNX Runtime for GPUs with --runtime-library (docs/accelerators.md)"
            }
        }
    }
}

impl std::fmt::Display for ProviderKind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// Where embeddings are computed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The provider.
    pub kind: ProviderKind,
    /// Its device: `CPU`, `GPU`, `NPU` … of `OpenVINO`, the number of a card of the others.
    pub device: Option<String>,
    /// Threads `OpenVINO` computes with on a CPU device.
    pub threads: usize,
    /// Batch sizes of an accelerator.
    pub buckets: Buckets,
}

/// A provider cannot be used. The texts say what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The library was built without it.
    #[error(
        "the ONNX Runtime library (version {version}) was built without the provider {kind}; it has: \
         {available}. To have {kind}, {}; or set provider.name = \"cpu\"", kind.way_to_get()
    )]
    NotInLibrary {
        /// The wanted one.
        kind: ProviderKind,
        /// The library's version.
        version: String,
        /// Those it has.
        available: String,
    },
    /// The manifest says that the model does not run there.
    #[error(
        "model {id} does not run on the provider {kind}, only on: {allowed}. Choose another \
         model with --embedder, or set provider.name = \"cpu\""
    )]
    ModelRefuses {
        /// The model.
        id: String,
        /// The wanted provider.
        kind: ProviderKind,
        /// Those the manifest names.
        allowed: String,
    },
    /// It did not take the model, or not all of it.
    #[error(
        "the provider {kind} (device {device}) did not take the whole model {id}: {cause}. padan never \
         computes elsewhere in silence: check that the device and its driver are there and that \
         provider.device names it, or set provider.name = \"cpu\""
    )]
    NotTaken {
        /// The provider.
        kind: ProviderKind,
        /// Its device.
        device: String,
        /// The model.
        id: String,
        /// What ONNX Runtime said.
        cause: String,
    },
    /// Only floats run in batches.
    #[error(
        "model {id} takes pixels as bytes, and only models that take float32 run in batches: name \
         another one with --embedder"
    )]
    Unbatched {
        /// The model.
        id: String,
    },
    /// Only single networks run in batches.
    #[error(
        "{id} is a fusion of two networks, which runs on the cpu only: choose provider cpu, or one \
         network with --embedder"
    )]
    Fusion {
        /// The fusion.
        id: String,
    },
    /// It computes differently in batches.
    #[error(
        "the provider {kind} gives other embeddings in a batch of {bucket} than alone: do not use it \
         with this model, or remove {bucket} from provider.batch_sizes"
    )]
    BatchDiffers {
        /// The provider.
        kind: ProviderKind,
        /// The batch size.
        bucket: usize,
    },
}

impl Provider {
    /// The processor, one thread for each session.
    #[must_use]
    pub fn cpu() -> Self {
        Self {
            kind: ProviderKind::Cpu,
            device: None,
            threads: 1,
            buckets: Buckets::single(),
        }
    }

    /// The device's name, for people.
    #[must_use]
    pub fn device_name(&self) -> &str {
        let default = match self.kind {
            ProviderKind::Cpu | ProviderKind::OpenVino => "CPU",
            ProviderKind::Cuda | ProviderKind::TensorRt => "0",
        };
        self.device.as_deref().unwrap_or(default)
    }

    /// Threads of the processor that one session computes with; an accelerator brings its own.
    #[must_use]
    pub fn session_threads(&self) -> usize {
        match self.kind {
            ProviderKind::OpenVino => self.threads,
            ProviderKind::Cpu | ProviderKind::Cuda | ProviderKind::TensorRt => 1,
        }
    }

    /// Refuses a provider that the library does not have.
    ///
    /// # Errors
    /// When it was built without.
    pub fn check_library(&self, runtime: &Runtime) -> Result<(), ProviderError> {
        if self.kind.is_in_library().unwrap_or(false) {
            return Ok(());
        }
        let has = |kind: &ProviderKind| kind.is_in_library().unwrap_or(false);
        let available = ProviderKind::ALL.into_iter().filter(has);
        Err(ProviderError::NotInLibrary {
            kind: self.kind,
            version: runtime.version().to_owned(),
            available: names(available),
        })
    }

    /// Refuses an embedder of which a network keeps away from this provider.
    ///
    /// # Errors
    /// Also a fusion on an accelerator: batches are of one network.
    pub fn check_embedder(&self, embedder: &Embedder) -> Result<(), ProviderError> {
        if self.kind.is_accelerator() && embedder.fusion().is_some() {
            let id = embedder.id().to_owned();
            return Err(ProviderError::Fusion { id });
        }
        let mut models = embedder.models().into_iter();
        models.try_for_each(|entry| self.check_model(entry))
    }

    /// Refuses a model that its manifest entry keeps away from this provider.
    ///
    /// # Errors
    /// When the entry names providers, and not this one.
    pub fn check_model(&self, entry: &ModelEntry) -> Result<(), ProviderError> {
        match &entry.providers {
            Some(allowed) if !allowed.contains(&self.kind) => Err(ProviderError::ModelRefuses {
                id: entry.id.clone(),
                kind: self.kind,
                allowed: names(allowed.iter().copied()),
            }),
            _ => Ok(()),
        }
    }

    /// The error of a provider that did not take a model.
    pub(super) fn not_taken(&self, entry: &ModelEntry, cause: &str) -> ProviderError {
        ProviderError::NotTaken {
            kind: self.kind,
            device: self.device_name().to_owned(),
            id: entry.id.clone(),
            cause: cause.to_owned(),
        }
    }

    /// Places the whole graph of a session on this provider, or nowhere.
    pub(super) fn place(
        &self,
        builder: SessionBuilder,
        entry: &ModelEntry,
    ) -> ort::Result<SessionBuilder> {
        let dispatch = match self.kind {
            ProviderKind::Cpu => return Ok(builder),
            ProviderKind::OpenVino => self.openvino(),
            // TensorFloat-32 rounds inputs to 10 bits; the thresholds were measured in 32.
            ProviderKind::Cuda => ep::CUDA::default()
                .with_device_id(self.device_number())
                .with_tf32(false)
                .build(),
            ProviderKind::TensorRt => self.tensorrt(entry),
        };
        // ONNX Runtime's own rule is to leave to the CPU what a provider does not take, the whole
        // graph if need be, and to say so in a log at most.
        Ok(builder
            .with_disable_cpu_fallback()?
            .with_execution_providers([dispatch.error_on_failure()])?)
    }

    fn openvino(&self) -> ExecutionProviderDispatch {
        ep::OpenVINO::default()
            .with_device_type(self.device_name())
            .with_num_threads(self.threads)
            // Some devices would otherwise round to 16 bits.
            .with_precision("ACCURACY")
            .build()
    }

    /// One engine for all buckets: `TensorRT` would compile another whenever a batch leaves the
    /// range it has seen.
    fn tensorrt(&self, entry: &ModelEntry) -> ExecutionProviderDispatch {
        let input = &entry.input;
        let crop_side = entry.alignment().map_or(-1, |it| i64::from(it.side_px));
        let shape = |batch: usize| {
            let sides = input.shape.iter().skip(1);
            let sides = sides.map(|side| if *side < 0 { crop_side } else { *side });
            let sides: Vec<String> = sides.map(|side| side.to_string()).collect();
            format!("{}:{batch}x{}", input.name, sides.join("x"))
        };
        let smallest = self.buckets.sizes().next().unwrap_or(1);
        ep::TensorRT::default()
            .with_device_id(self.device_number())
            .with_profile_min_shapes(shape(smallest))
            .with_profile_opt_shapes(shape(self.buckets.largest()))
            .with_profile_max_shapes(shape(self.buckets.largest()))
            .build()
    }

    /// The configuration lets only numbers through.
    fn device_number(&self) -> i32 {
        self.device_name().parse().unwrap_or(0)
    }
}

/// Names of providers, for a text.
fn names(kinds: impl IntoIterator<Item = ProviderKind>) -> String {
    let names: Vec<&str> = kinds.into_iter().map(ProviderKind::name).collect();
    names.join(", ")
}

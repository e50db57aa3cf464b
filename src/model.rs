//! ONNX models: what they are (`manifest`), the library that runs them (`runtime`), where it runs
//! them (`provider`), the two tasks, and what makes a stranger's network one of them (`graph`,
//! `prepare`, `draft`). The only module that says `use ort`.

mod batched;
mod detector;
mod draft;
mod embedder;
pub mod graph;
mod manifest;
mod operator;
pub mod prelu;
mod prepare;
mod provider;
mod runtime;
mod session;
mod tensor;
mod trial;

pub use batched::{BatchedEmbedder, DeviceSession, Embedded, EmbeddingDevice, Planes};
pub use detector::YunetDetector;
pub use draft::{Draft, DraftError, Looked, Said, draft};
pub use embedder::OrtEmbedder;
pub use manifest::{
    ColourOrder, Element, Embedder, FusedModels, FusionEntry, InputLayout, MODEL_BYTES_MAX,
    Manifest, ManifestError, Metric, ModelEntry, ModelTask, PerChannel, Profile, TensorSpec,
};
pub use prepare::{COSINE_MIN, PrepareError, Prepared, prepare};
pub use provider::{Provider, ProviderError, ProviderKind};
pub use runtime::{LIBRARY_FILE_NAME, Runtime, RuntimeError};
pub use session::ModelError;
pub use trial::{Port, Trial, TrialError};

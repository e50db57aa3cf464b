//! ONNX models: what they are (`manifest`), the library that runs them (`runtime`), where it runs
//! them (`provider`), and the two tasks. The only module that says `use ort`.

mod batched;
mod detector;
mod embedder;
mod manifest;
mod operator;
pub mod prelu;
mod provider;
mod runtime;
mod session;
mod tensor;

pub use batched::{BatchedEmbedder, DeviceSession, Embedded, EmbeddingDevice, Planes};
pub use detector::YunetDetector;
pub use embedder::OrtEmbedder;
pub use manifest::{
    ColourOrder, Element, InputLayout, Manifest, ManifestError, ModelEntry, ModelTask, Profile,
    TensorSpec,
};
pub use provider::{Provider, ProviderError, ProviderKind};
pub use runtime::{LIBRARY_FILE_NAME, Runtime, RuntimeError};
pub use session::ModelError;

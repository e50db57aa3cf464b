//! The ONNX Runtime shared library, loaded once for the process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;

/// File name of the library version that set-up installs.
pub const LIBRARY_FILE_NAME: &str = "libonnxruntime.so.1.31.1";

/// The library could not be used. The texts say what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RuntimeError {
    /// It could not be loaded, or is too old.
    #[error(
        "cannot load ONNX Runtime from {path}: {cause}. Run `make setup`, or name a library of \
         version 1.24 or newer with --runtime-library"
    )]
    Load {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        cause: String,
    },
    /// It was loaded but did not start.
    #[error("ONNX Runtime did not start: {cause}")]
    Start {
        /// What it said.
        cause: String,
    },
}

/// A loaded ONNX Runtime.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Loads the library. A process has one: later calls return the first, whatever their path.
    ///
    /// # Errors
    /// When it cannot be loaded or is too old.
    pub fn load(library: &Path) -> Result<Self, RuntimeError> {
        static LOADED: OnceLock<Result<Runtime, RuntimeError>> = OnceLock::new();
        LOADED.get_or_init(|| Self::start(library)).clone()
    }

    fn start(library: &Path) -> Result<Self, RuntimeError> {
        let builder = ort::init_from(library).map_err(|error| RuntimeError::Load {
            path: library.to_owned(),
            cause: error.to_string(),
        })?;
        let environment = builder
            .with_name("padan")
            .with_telemetry(false)
            .build()
            .map_err(|error| RuntimeError::Start {
                cause: error.message().to_owned(),
            })?;
        Ok(Self { environment })
    }

    /// The library's version, as it says itself.
    #[must_use]
    pub fn version(&self) -> String {
        let info = ort::info();
        let branch = info
            .split("git-branch=")
            .nth(1)
            .and_then(|rest| rest.split(',').next());
        branch.unwrap_or(info).trim_start_matches("rel-").to_owned()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }
}

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
    version: String,
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
        Ok(Self {
            environment,
            version: version_of(library),
        })
    }

    /// The library's version, by its file name; else its build, as it says itself.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// ONNX Runtime's own handle, of which a process has one: for the models, and for the benches,
    /// whose yardstick is a bare session.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// `1.31.1` for `libonnxruntime.so.1.31.1`, also behind a link.
fn version_of(library: &Path) -> String {
    let real = std::fs::canonicalize(library).unwrap_or_else(|_| library.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    match name.split_once(".so.") {
        Some((_, version)) => version.to_owned(),
        None => ort::info().to_owned(),
    }
}

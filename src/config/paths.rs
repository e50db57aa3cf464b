//! Where the runtime library and the models lie: flag or environment, file, beside the
//! executable, the repository's folder.

use std::path::{Path, PathBuf};

use super::{ConfigFile, SharedArgs};
use crate::model::{LIBRARY_FILE_NAME, ProviderKind};

/// The ONNX Runtime library.
pub fn runtime_library(shared: &SharedArgs, file: &ConfigFile) -> Result<PathBuf, String> {
    let named = shared
        .runtime_library
        .clone()
        .or_else(|| file.runtime_library.clone());
    if let Some(path) = named {
        return Ok(path);
    }
    if file.provider.name == ProviderKind::OpenVino {
        let place = PathBuf::from(".runtime/onnxruntime-openvino/libonnxruntime.so.1.24.1");
        return search([place]).ok_or_else(|| {
            "no ONNX Runtime library with OpenVINO in .runtime/onnxruntime-openvino: run \
             `make setup-openvino`, or name one with --runtime-library"
                .to_owned()
        });
    }
    let places = [Path::new(LIBRARY_FILE_NAME), Path::new("libonnxruntime.so")]
        .map(Path::to_owned)
        .into_iter()
        .chain([Path::new(".runtime/onnxruntime").join(LIBRARY_FILE_NAME)]);
    search(places).ok_or_else(|| {
        format!(
            "no ONNX Runtime library ({LIBRARY_FILE_NAME}) beside the executable or in \
             .runtime/onnxruntime: run `make setup`, or name one with --runtime-library"
        )
    })
}

/// The folder of the model manifest.
pub fn models(shared: &SharedArgs, file: &ConfigFile) -> Result<PathBuf, String> {
    let named = shared.models.clone().or_else(|| file.models.folder.clone());
    if let Some(path) = named {
        return Ok(path);
    }
    search([PathBuf::from("models/manifest.toml")])
        .and_then(|manifest| manifest.parent().map(Path::to_owned))
        .ok_or_else(|| {
            "no folder `models` with a manifest.toml beside the executable or above the current \
             folder: name one with --models"
                .to_owned()
        })
}

/// The first of `places` that exists: beside the executable and in the folders above it (a build
/// in `target/` lies in the repository), then from the current folder upwards.
fn search(places: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let executable = std::env::current_exe().ok();
    let current = std::env::current_dir().ok();
    let above = |path: Option<PathBuf>| -> Vec<PathBuf> {
        path.map(|path| path.ancestors().map(Path::to_owned).collect())
            .unwrap_or_default()
    };
    let folders = [above(executable), above(current)].concat();
    places.into_iter().find_map(|place| {
        let candidates = folders.iter().map(|folder| folder.join(&place));
        candidates.into_iter().find(|candidate| candidate.is_file())
    })
}

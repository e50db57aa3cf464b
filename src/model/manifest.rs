//! `models/manifest.toml`: which file is which model, under which licence, and what goes in and
//! out.

mod entry;
mod fusion;
mod values;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::digest::sha256_hex;

pub(super) use entry::embedding_length;
pub use entry::{ColourOrder, Element, InputLayout, ModelEntry, ModelTask, TensorSpec};
pub use fusion::{Embedder, FusedModels, FusionEntry};
pub use values::{Metric, PerChannel};

/// Models larger than this are not read.
pub const MODEL_BYTES_MAX: u64 = 1 << 30;

/// What a server may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Models must be licensed for commercial use.
    Production,
    /// Any licence; for measuring.
    Research,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    schema: u32,
    model: Vec<ModelEntry>,
    #[serde(default)]
    fusion: Vec<FusionEntry>,
}

impl ManifestFile {
    /// Every entry for itself, and that no id stands twice.
    fn check(&self) -> Result<(), ManifestError> {
        for entry in &self.model {
            entry.check()?;
        }
        let is_embedder = |entry: &&ModelEntry| entry.task == ModelTask::Embedder;
        let embedders: Vec<_> = self.model.iter().filter(is_embedder).collect();
        for fusion in &self.fusion {
            fusion.check(&embedders)?;
        }
        let ids = self.model.iter().map(|entry| &entry.id);
        let mut ids: Vec<_> = ids.chain(self.fusion.iter().map(|it| &it.id)).collect();
        ids.sort_unstable();
        let twice = ids.array_windows().find(|[one, next]| one == next);
        twice.map_or(Ok(()), |[id, _]| {
            Err(ManifestError::Entry {
                id: (*id).clone(),
                problem: "its id stands twice".to_owned(),
            })
        })
    }
}

/// A manifest that cannot be used, or a model that is not what the manifest says.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file cannot be read.
    #[error(
        "cannot read {path}: {cause}. Restore the folder (`git checkout models`), make its models \
         again (`make models`), or name another folder with --models"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The manifest's text is wrong.
    #[error("the model manifest is malformed: {0}")]
    Malformed(String),
    /// An entry contradicts itself.
    #[error("model {id} in the manifest: {problem}")]
    Entry {
        /// The model.
        id: String,
        /// What is wrong.
        problem: String,
    },
    /// No such model.
    #[error("the manifest has no {task} named {id}; it has: {known}", task = task.name())]
    Unknown {
        /// The wanted model.
        id: String,
        /// The wanted task.
        task: ModelTask,
        /// Models of that task.
        known: String,
    },
    /// The file is not the one the manifest means.
    #[error(
        "{path} has SHA-256 {found}, but the manifest pins {expected}: restore the file \
         (`git checkout models`, or `make models`), or add an entry of its own for a new model"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest of the file.
        found: String,
        /// Digest in the manifest.
        expected: String,
    },
    /// The licence does not allow production.
    #[error(
        "model {id} is licensed {licence}, which does not allow commercial use; the production \
         profile refuses it. Choose another model, or set profile = \"research\" to measure it"
    )]
    Licence {
        /// The model.
        id: String,
        /// Its licence.
        licence: String,
    },
}

/// All models of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    folder: PathBuf,
    models: Vec<ModelEntry>,
    fusions: Vec<FusionEntry>,
}

impl Manifest {
    /// Reads `manifest.toml` in `folder`.
    ///
    /// # Errors
    /// When it cannot be read or contradicts itself.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join("manifest.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|cause| ManifestError::Unreadable { path, cause })?;
        Self::parse(folder, &text)
    }

    /// A manifest from its text.
    ///
    /// # Errors
    /// When it is malformed or contradicts itself.
    pub fn parse(folder: &Path, text: &str) -> Result<Self, ManifestError> {
        let file: ManifestFile = toml::from_str(text)
            .map_err(|error| ManifestError::Malformed(error.message().to_owned()))?;
        if file.schema != 1 {
            let problem = format!("schema {} is unknown; this build reads 1", file.schema);
            return Err(ManifestError::Malformed(problem));
        }
        file.check()?;
        Ok(Self {
            folder: folder.to_owned(),
            models: file.model,
            fusions: file.fusion,
        })
    }

    /// All models, in the manifest's order.
    #[must_use]
    pub fn models(&self) -> &[ModelEntry] {
        &self.models
    }

    /// All fusions, in the manifest's order.
    #[must_use]
    pub fn fusions(&self) -> &[FusionEntry] {
        &self.fusions
    }

    /// The embedder of this name, one network or a fusion, allowed in `profile`.
    ///
    /// # Errors
    /// When there is none, or a licence is refused.
    pub fn embedder(&self, id: &str, profile: Profile) -> Result<Embedder, ManifestError> {
        let select = |id: &str| self.select(id, ModelTask::Embedder, profile).cloned();
        let Some(entry) = self.fusions.iter().find(|entry| entry.id == id) else {
            return Ok(Embedder::One(Box::new(select(id)?)));
        };
        let [first, second] = &entry.models;
        Ok(Embedder::Fused(Box::new(FusedModels {
            entry: entry.clone(),
            models: [select(first)?, select(second)?],
        })))
    }

    /// The folder the files lie in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The model of this name and task, allowed in `profile`.
    ///
    /// # Errors
    /// When there is none, or its licence is refused.
    pub fn select(
        &self,
        id: &str,
        task: ModelTask,
        profile: Profile,
    ) -> Result<&ModelEntry, ManifestError> {
        let of_task = || self.models.iter().filter(|entry| entry.task == task);
        let Some(entry) = of_task().find(|entry| entry.id == id) else {
            let mut known: Vec<&str> = of_task().map(|entry| entry.id.as_str()).collect();
            if task == ModelTask::Embedder {
                known.extend(self.fusions.iter().map(|entry| entry.id.as_str()));
            }
            return Err(ManifestError::Unknown {
                id: id.to_owned(),
                task,
                known: known.join(", "),
            });
        };
        if profile == Profile::Production && !entry.commercial_use {
            return Err(ManifestError::Licence {
                id: entry.id.clone(),
                licence: entry.licence.clone(),
            });
        }
        Ok(entry)
    }

    /// The bytes of a model's file, whose digest is the pinned one.
    ///
    /// # Errors
    /// When it cannot be read, or its digest differs.
    pub fn load(&self, entry: &ModelEntry) -> Result<Vec<u8>, ManifestError> {
        let path = self.folder.join(&entry.file);
        let unreadable = |cause| ManifestError::Unreadable {
            path: path.clone(),
            cause,
        };
        let bytes = std::fs::metadata(&path).map_err(unreadable)?.len();
        if bytes > MODEL_BYTES_MAX {
            return Err(entry.problem("the file is larger than 1 GiB"));
        }
        let content = std::fs::read(&path).map_err(unreadable)?;
        let found = sha256_hex(&content);
        if found != entry.sha256 {
            return Err(ManifestError::Digest {
                path,
                found,
                expected: entry.sha256.clone(),
            });
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests;

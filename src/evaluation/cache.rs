//! Embeddings that were computed before, so that an evaluation that was interrupted goes on where
//! it was, and the next one takes seconds.
//!
//! **The files hold biometric templates of the people in the data**, as sensitive as the images
//! they were made of: the folder is for its owner alone, it belongs where the images may lie, and
//! whoever is done with the data deletes both.
//!
//! There is one file for all that an embedding hangs on besides the sample itself: the contract,
//! the detector, the provider, the limits, padan's version (see [`EmbeddingCache::new`] and
//! [`PIPELINE_VERSION`]). A record is found by the SHA-256 of the sample's file and believed only
//! if its checksum holds; one that was torn or damaged is computed again. A file is one run's at a
//! time: the second one goes on without it.

mod file;
mod record;

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::digest::{hex, length_prefixed};
use crate::embed::{ContractId, Embedding};

pub use file::CacheFile;

/// What came of a sample before.
#[derive(Debug, Clone, PartialEq)]
pub struct Remembered {
    /// Its embedding; `None`: it failed to be acquired.
    pub embedding: Option<Embedding>,
}

/// **To be raised with every change of how samples are decoded, searched for faces, aligned or
/// degraded**: results that were remembered from before would be taken for new ones. A release of
/// padan forgets all, too, since its version counts as well; so does one of the codecs, which comes
/// with a release.
pub const PIPELINE_VERSION: u32 = 2;

/// SHA-256 of a sample's file.
pub type ContentDigest = [u8; 32];

/// The cache cannot be used. Evaluation goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Another run has the file.
    #[error(
        "another run of padan uses the remembered embeddings in {0}: this one goes on without them"
    )]
    InUse(PathBuf),
    /// Others may look into it.
    #[error(
        "{path} is open to others (mode {mode:o}) and would hold biometric templates: nothing is \
         remembered; `chmod {wanted:o}` it"
    )]
    OpenToOthers {
        /// The folder or file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it should have.
        wanted: u32,
    },
    /// The system refused.
    #[error("embeddings cannot be remembered in {path}: {cause}; evaluation goes on without")]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A model gave embeddings of two lengths.
    #[error(
        "{0} holds embeddings of another length than the model gives: nothing more is remembered; \
         delete the file"
    )]
    OtherLength(PathBuf),
}

/// A folder of remembered embeddings, and what those of one set-up hang on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingCache {
    folder: PathBuf,
    conditions: Vec<String>,
}

impl EmbeddingCache {
    /// A cache in `folder`, which is made when it is first needed.
    ///
    /// `conditions` are what changes an embedding and that nobody else tells it: the digest of the
    /// detector, the execution provider and its options, the version of ONNX Runtime.
    #[must_use]
    pub fn new(folder: &Path, conditions: &[&str]) -> Self {
        Self {
            folder: folder.to_owned(),
            conditions: conditions.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    /// Opens the file for embeddings of this contract from samples that were treated like this.
    ///
    /// # Errors
    /// When another run uses it, others could read it, or the system refuses.
    pub fn open(&self, contract_id: &ContractId, treatment: &str) -> Result<CacheFile, CacheError> {
        make_folder(&self.folder)?;
        let context = self.context(contract_id, treatment);
        // Half of the digest is enough for a name; the file holds all of it.
        let name = hex(context.first_chunk::<16>().unwrap_or(&[0; 16]));
        let path = self.folder.join(format!("{name}.embeddings"));
        CacheFile::open(&path, context, contract_id.clone())
    }

    /// What all records of a file hang on.
    fn context(&self, contract_id: &ContractId, treatment: &str) -> ContentDigest {
        let pipeline = format!("{} {PIPELINE_VERSION}", env!("CARGO_PKG_VERSION"));
        let fixed = [pipeline.as_str(), contract_id.as_str(), treatment];
        let conditions = self.conditions.iter().map(String::as_str);
        let parts: Vec<&[u8]> = fixed
            .into_iter()
            .chain(conditions)
            .map(str::as_bytes)
            .collect();
        Sha256::digest(length_prefixed(&parts)).into()
    }
}

/// Makes the folder for its owner alone; one that is there must be so already.
fn make_folder(folder: &Path) -> Result<(), CacheError> {
    let unusable = |cause| CacheError::Unusable {
        path: folder.to_owned(),
        cause,
    };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(unusable)?;
    let metadata = std::fs::metadata(folder).map_err(unusable)?;
    refuse_others(folder, &metadata, 0o700)
}

/// Nobody but the owner, who is whoever runs padan (or root), may read or write.
fn refuse_others(path: &Path, metadata: &std::fs::Metadata, wanted: u32) -> Result<(), CacheError> {
    let mode = metadata.permissions().mode() & 0o7777;
    let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    let of_others = mode & 0o077;
    if of_others == 0 && is_ours {
        return Ok(());
    }
    Err(CacheError::OpenToOthers {
        path: path.to_owned(),
        mode,
        wanted,
    })
}

#[cfg(test)]
mod tests;

//! Golden faces: before a lane serves, it must find the known similarity between two known
//! portraits. Catches a wrong colour order, a broken alignment, a runtime that computes
//! differently; and warms the lane, so that the first caller does not wait.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::compare::compare;
use crate::embed::Template;
use crate::engine::Checkpoint;
use crate::model::Embedder;
use crate::pipeline::{Goal, Pipeline, SampleTask};
use crate::sample::SampleRole;
use crate::sample::detect::FaceChoice;

/// Two portraits of one person, years apart; credits beside them.
const FILES: [&str; 2] = ["one.jpg", "two.jpg"];

/// Kernels of other processors round differently; a wrong preprocessing moves much more.
const TOLERANCE: f32 = 0.004;

/// The golden faces came out wrong. Similarities of published portraits of public figures are no
/// secret, so they are told.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// A file is missing.
    #[error("cannot read the golden face {path}: {cause}. Restore it with `git checkout models`")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// No template came out.
    #[error("the golden face {path} gave no template: {cause}")]
    NoTemplate {
        /// The file.
        path: PathBuf,
        /// What happened.
        cause: String,
    },
    /// Another similarity came out.
    #[error(
        "model {model}: the golden faces have similarity {found:.4}, but the manifest says \
         {expected:.4}: the model, its preprocessing or the runtime do not compute as they should"
    )]
    Differs {
        /// The model.
        model: String,
        /// What came out.
        found: f32,
        /// What should.
        expected: f32,
    },
    /// Nothing to compare with.
    #[error(
        "model {model}: the manifest has no golden_similarity; for a model you trust, enter \
         {found:.4}"
    )]
    Unknown {
        /// The model.
        model: String,
        /// What came out.
        found: f32,
    },
}

/// Compares the golden faces.
///
/// # Errors
/// When a file is missing, or the similarity is not the one in the manifest.
pub fn check(
    pipeline: &mut Pipeline,
    embedder: &Embedder,
    models: &Path,
) -> Result<(), GoldenError> {
    let found = similarity(pipeline, models)?;
    match embedder.golden_similarity() {
        Some(expected) if (found - expected).abs() <= TOLERANCE => Ok(()),
        Some(expected) => Err(GoldenError::Differs {
            model: embedder.id().to_owned(),
            found,
            expected,
        }),
        None => Err(GoldenError::Unknown {
            model: embedder.id().to_owned(),
            found,
        }),
    }
}

/// The similarity of the golden faces.
///
/// # Errors
/// When a file is missing or gives no template.
pub fn similarity(pipeline: &mut Pipeline, models: &Path) -> Result<f32, GoldenError> {
    let folder = super::golden_folder(models);
    let [one, two] = FILES.map(|file| template(pipeline, folder.join(file)));
    let path = folder;
    let found = compare(&one?, &two?).map_err(|error| GoldenError::NoTemplate {
        path,
        cause: error.to_string(),
    })?;
    Ok(found.value())
}

fn template(pipeline: &mut Pipeline, path: PathBuf) -> Result<Template, GoldenError> {
    let image = match std::fs::read(&path) {
        Ok(bytes) => Bytes::from(bytes),
        Err(cause) => return Err(GoldenError::Unreadable { path, cause }),
    };
    let task = SampleTask {
        image,
        role: SampleRole::Reference,
        choice: FaceChoice::Largest,
        cascade: None,
        goal: Goal::EmbedAnyway,
    };
    let cause = match pipeline.run(&task, &Checkpoint::always()) {
        Ok(result) => match result.template {
            Some(template) => return Ok(template),
            None => "no face was found".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    Err(GoldenError::NoTemplate { path, cause })
}

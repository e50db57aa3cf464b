//! An `ArcFace`-style embedding network on ONNX Runtime.

use super::session::{self, ModelError, ModelSession};
use super::{InputLayout, Manifest, ModelEntry, Runtime};
use crate::embed::{ContractId, Embedding, FaceEmbedder, InferenceError};
use crate::sample::align::AlignmentTemplate;
use crate::sample::picture::Picture;

/// What an embedder of a manifest entry says of itself, wherever it computes.
pub struct Identity {
    id: String,
    pub contract_id: ContractId,
    pub alignment: &'static AlignmentTemplate,
}

impl Identity {
    /// That of the entry's model.
    ///
    /// # Errors
    /// When the entry names no alignment.
    pub fn of(entry: &ModelEntry) -> Result<Self, ModelError> {
        Ok(Self {
            id: entry.id.clone(),
            contract_id: entry.contract_id(),
            alignment: entry.alignment()?,
        })
    }

    /// The side of a crop of the alignment's size, pixels.
    ///
    /// # Errors
    /// When the crop has another size.
    pub fn side_of(&self, crop: &Picture) -> Result<usize, InferenceError> {
        let side = self.alignment.side_px;
        if (crop.width(), crop.height()) == (side, side) {
            Ok(side as usize)
        } else {
            Err(self.error(&"the crop has another size than the alignment"))
        }
    }

    /// An error of this model.
    pub fn error(&self, cause: &impl ToString) -> InferenceError {
        InferenceError {
            model: self.id.clone(),
            cause: cause.to_string(),
            is_unavailable: false,
        }
    }
}

/// An embedding session, owned by one thread.
pub struct OrtEmbedder {
    session: ModelSession,
    identity: Identity,
    output: String,
    dimension: usize,
    layout: InputLayout,
}

impl OrtEmbedder {
    /// Loads the entry's file and checks it.
    ///
    /// # Errors
    /// When the digest, the names or the shapes are not what the manifest says.
    pub fn load(
        runtime: &Runtime,
        manifest: &Manifest,
        entry: &ModelEntry,
    ) -> Result<Self, ModelError> {
        let content = manifest.load(entry)?;
        let session = ModelSession::build(runtime, entry, &content)?;
        Ok(Self {
            session,
            identity: Identity::of(entry)?,
            output: entry
                .output
                .first()
                .map(|o| o.name.clone())
                .unwrap_or_default(),
            dimension: entry.dimension.unwrap_or_default(),
            layout: entry.layout()?,
        })
    }
}

impl FaceEmbedder for OrtEmbedder {
    fn contract_id(&self) -> &ContractId {
        &self.identity.contract_id
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        self.identity.alignment
    }

    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        let embedding = self.embedding_of(crop);
        self.session.wipe();
        embedding
    }
}

impl OrtEmbedder {
    fn embedding_of(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        let identity = &self.identity;
        let side = identity.side_of(crop)?;
        let outputs = match self.layout {
            InputLayout::Pixels => self.session.run_pixels(side, side, crop.rgb())?,
            InputLayout::Planes | InputLayout::FloatPixels => {
                self.session.write(crop, side, side);
                self.session.run(side, side)?
            }
        };
        let numbers = session::output(&outputs, &identity.id, &self.output)?;
        if numbers.len() != self.dimension {
            let cause = format!("{} numbers instead of {}", numbers.len(), self.dimension);
            return Err(identity.error(&cause));
        }
        Embedding::from_output(numbers).map_err(|error| identity.error(&error))
    }
}

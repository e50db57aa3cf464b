//! An `ArcFace`-style embedding network on ONNX Runtime.

use super::session::{self, ModelError, ModelSession};
use super::tensor::write_planes;
use super::{InputLayout, Manifest, ModelEntry, Runtime};
use crate::embed::{ContractId, Embedding, FaceEmbedder, InferenceError};
use crate::sample::align::AlignmentTemplate;
use crate::sample::picture::Picture;

/// An embedding session, owned by one thread.
pub struct OrtEmbedder {
    session: ModelSession,
    contract_id: ContractId,
    alignment: &'static AlignmentTemplate,
    output: String,
    dimension: usize,
    id: String,
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
            contract_id: entry.contract_id(),
            alignment: entry.alignment()?,
            output: entry
                .output
                .first()
                .map(|o| o.name.clone())
                .unwrap_or_default(),
            dimension: entry.dimension.unwrap_or_default(),
            id: entry.id.clone(),
            layout: entry.layout()?,
        })
    }
}

impl FaceEmbedder for OrtEmbedder {
    fn contract_id(&self) -> &ContractId {
        &self.contract_id
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        self.alignment
    }

    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        let side = self.alignment.side_px as usize;
        if (crop.width() as usize, crop.height() as usize) != (side, side) {
            return Err(self
                .session
                .error("the crop has another size than the alignment"));
        }
        let outputs = match self.layout {
            InputLayout::Pixels => self.session.run_pixels(side, side, crop.rgb())?,
            InputLayout::Planes => {
                let normalisation = self.session.normalisation;
                write_planes(crop, side, side, normalisation, &mut self.session.planes);
                self.session.run(side, side)?
            }
        };
        let numbers = session::output(&outputs, &self.id, &self.output)?;
        if numbers.len() != self.dimension {
            let cause = format!("{} numbers instead of {}", numbers.len(), self.dimension);
            drop(outputs);
            return Err(self.session.error(cause));
        }
        Embedding::from_output(numbers).map_err(|error| InferenceError {
            model: self.id.clone(),
            cause: error.to_string(),
        })
    }
}

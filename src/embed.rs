//! Embeddings, templates and the contract that makes two of them comparable.

mod fusion;
mod stored;

use std::sync::Arc;

pub(crate) use fusion::dot;
pub use fusion::{Band, Cascade, FusedEmbedder, Fusion};
pub use stored::NotATemplate;

use crate::sample::{align::AlignmentTemplate, picture::Picture};

/// Names an embedding space: model digest + preprocessing + dimension.
///
/// Two templates compare only when their contract ids are equal; see [`crate::compare`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContractId(Arc<str>);

impl ContractId {
    /// A contract id from its text, for example `sface_2021dec:0a1b2c3d4e5f6071`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ContractId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// A model's output that is no direction: a zero, infinite or undefined vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the model's output is not a finite vector with a direction")]
pub struct NotADirection;

/// A face as a vector of unit length. Never printed.
#[derive(Clone, PartialEq)]
pub struct Embedding(Box<[f32]>);

impl std::fmt::Debug for Embedding {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Embedding({} numbers)", self.0.len())
    }
}

impl Embedding {
    /// Scales a model's output to unit length.
    ///
    /// # Errors
    /// When the output has no direction.
    pub fn from_output(output: &[f32]) -> Result<Self, NotADirection> {
        let square: f64 = output.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
        let length = square.sqrt();
        if !length.is_finite() || length < 1e-12 {
            return Err(NotADirection);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a unit vector fits in f32")]
        let unit = output
            .iter()
            .map(|&value| (f64::from(value) / length) as f32)
            .collect();
        Ok(Self(unit))
    }

    /// The numbers; their squares add up to 1.
    #[must_use]
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }
}

/// An embedding with the contract it was made under: what may be stored and compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The embedding space.
    pub contract_id: ContractId,
    /// The face.
    pub embedding: Embedding,
}

/// The embedding model could not be run. Carries no input and no output.
#[derive(Debug, Clone, thiserror::Error)]
#[error("inference of {model} failed: {cause}")]
pub struct InferenceError {
    /// Model id in the manifest.
    pub model: String,
    /// What the runtime said.
    pub cause: String,
    /// The device is away for now or for good: other work would fail on it too.
    pub is_unavailable: bool,
}

/// Turns an aligned face into an embedding. One thread owns one embedder.
pub trait FaceEmbedder: Send {
    /// The space its embeddings live in.
    fn contract_id(&self) -> &ContractId;

    /// The crop it wants.
    fn alignment(&self) -> &'static AlignmentTemplate;

    /// The embedding of one aligned crop.
    ///
    /// # Errors
    /// When the crop has the wrong size or the runtime fails.
    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError>;

    /// The embedding of one aligned crop for one comparison. An embedder of two networks leaves out
    /// the second where that cannot change the outcome; what comes then is that of the first alone,
    /// which [`Cascade::similarity`] knows how to compare.
    ///
    /// # Errors
    /// As [`Self::embed`].
    fn embed_for(
        &mut self,
        crop: &Picture,
        _cascade: &Cascade,
        _reference: &Embedding,
    ) -> Result<Embedding, InferenceError> {
        self.embed(crop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_has_unit_length() {
        let embedding = Embedding::from_output(&[3.0, 0.0, -4.0]).expect("has a direction");
        assert_eq!(embedding.as_slice(), [0.6, 0.0, -0.8]);
        let tiny = Embedding::from_output(&[1e-8; 128]).expect("has a direction");
        let square: f32 = tiny.as_slice().iter().map(|v| v * v).sum();
        assert!((square - 1.0).abs() < 1e-5);
    }

    #[test]
    fn vectors_without_direction_are_refused() {
        for output in [
            &[0.0, 0.0][..],
            &[f32::NAN, 1.0],
            &[f32::INFINITY, 1.0],
            &[],
        ] {
            assert_eq!(Embedding::from_output(output), Err(NotADirection));
        }
    }

    #[test]
    fn debug_shows_no_numbers() {
        let embedding = Embedding::from_output(&[3.0, 4.0]).expect("has a direction");
        let template = Template {
            contract_id: ContractId::new("m:1"),
            embedding,
        };
        assert!(!format!("{template:?}").contains("0.6"));
    }
}

//! Two networks as one: their similarities are added by weights, and the second one may be spared
//! where it cannot change a decision.
//!
//! Two unit vectors, scaled by the square roots of weights that add up to 1 and put one behind the
//! other, are a unit vector again, and the cosine of two such vectors is the weighted sum of the
//! two cosines. So a fused embedding is stored, sealed and compared like any other.

use serde::{Deserialize, Serialize};

use super::{ContractId, Embedding, FaceEmbedder, InferenceError};
use crate::sample::align::AlignmentTemplate;
use crate::sample::picture::Picture;

/// How two embeddings become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fusion {
    /// Length of the first network's embedding.
    pub first_dimension: usize,
    /// Weight of the first network's similarity, between 0 and 1; the second one has the rest.
    pub first_weight: f32,
}

/// Similarities of the first network, from `from` up to but without `to`, at which the second one
/// is asked. Below and above, the first one's similarity is the similarity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Least similarity of the band.
    pub from: f32,
    /// Least similarity above the band.
    pub to: f32,
}

impl Band {
    /// Whether the second network is asked at this similarity of the first.
    #[must_use]
    pub fn contains(self, first_similarity: f32) -> bool {
        (self.from..self.to).contains(&first_similarity)
    }

    /// Whether it is a band of similarities at all.
    #[must_use]
    pub fn is_sound(self) -> bool {
        -1.0 <= self.from && self.from < self.to && self.to <= 1.0
    }
}

/// A fusion whose second network is asked within a band only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cascade {
    /// The two networks.
    pub fusion: Fusion,
    /// Where the second one is asked.
    pub band: Band,
}

impl Fusion {
    /// One embedding of two.
    ///
    /// # Errors
    /// Never of embeddings, which have a direction: the error stands for what cannot be.
    fn joined(
        &self,
        first: &Embedding,
        second: &Embedding,
    ) -> Result<Embedding, super::NotADirection> {
        let scaled = |embedding: &Embedding, weight: f32| {
            let factor = weight.sqrt();
            let numbers = embedding.as_slice().iter();
            numbers.map(|number| number * factor).collect::<Vec<f32>>()
        };
        let mut numbers = scaled(first, self.first_weight);
        numbers.extend(scaled(second, 1.0 - self.first_weight));
        Embedding::from_output(&numbers)
    }

    /// Similarity of the first network. `probe` is a fused embedding or one of the first network
    /// alone, `reference` a fused one; `None` when their lengths are not those of such.
    #[must_use]
    pub fn first_similarity(&self, probe: &Embedding, reference: &Embedding) -> Option<f32> {
        let (probe, reference) = (probe.as_slice(), reference.as_slice());
        let is_alone = probe.len() == self.first_dimension;
        let is_fused = reference.len() > self.first_dimension;
        // A part that was taken for a whole would be scaled wrongly: its similarity comes out too
        // high.
        if !(is_fused && (is_alone || probe.len() == reference.len())) {
            return None;
        }
        let reference = reference.get(..self.first_dimension)?;
        let probe = probe.get(..self.first_dimension)?;
        let scale = if is_alone {
            self.first_weight.sqrt()
        } else {
            self.first_weight
        };
        Some(dot(probe, reference) / scale)
    }
}

impl Cascade {
    /// Similarity of a probe, fused or of the first network alone, with a fused reference. `None`
    /// when they cannot be compared: other lengths, or a probe without its second part where that
    /// would be asked.
    #[must_use]
    pub fn similarity(&self, probe: &Embedding, reference: &Embedding) -> Option<f32> {
        let first = self.fusion.first_similarity(probe, reference)?;
        if !self.band.contains(first) {
            return Some(first);
        }
        let (probe, reference) = (probe.as_slice(), reference.as_slice());
        (probe.len() == reference.len()).then(|| dot(probe, reference))
    }

    /// Whether the first network's embedding is all that a comparison with `reference` takes.
    #[must_use]
    pub fn is_decided_by(&self, first: &Embedding, reference: &Embedding) -> bool {
        let similarity = self.fusion.first_similarity(first, reference);
        similarity.is_some_and(|similarity| !self.band.contains(similarity))
    }
}

/// The sum of the products.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Two embedders of one alignment as one.
pub struct FusedEmbedder {
    first: Box<dyn FaceEmbedder>,
    second: Box<dyn FaceEmbedder>,
    fusion: Fusion,
    contract_id: ContractId,
}

impl FusedEmbedder {
    /// Fuses two embedders under a contract of their own. `None` when they want different crops.
    #[must_use]
    pub fn new(
        [first, second]: [Box<dyn FaceEmbedder>; 2],
        fusion: Fusion,
        contract_id: ContractId,
    ) -> Option<Self> {
        let is_one_crop = first.alignment().name == second.alignment().name;
        is_one_crop.then_some(Self {
            first,
            second,
            fusion,
            contract_id,
        })
    }

    fn join(&mut self, first: &Embedding, crop: &Picture) -> Result<Embedding, InferenceError> {
        let second = self.second.embed(crop)?;
        let fused = self.fusion.joined(first, &second);
        fused.map_err(|error| InferenceError {
            model: self.contract_id.to_string(),
            cause: error.to_string(),
            is_unavailable: false,
        })
    }
}

impl FaceEmbedder for FusedEmbedder {
    fn contract_id(&self) -> &ContractId {
        &self.contract_id
    }

    fn alignment(&self) -> &'static AlignmentTemplate {
        self.first.alignment()
    }

    fn embed(&mut self, crop: &Picture) -> Result<Embedding, InferenceError> {
        let first = self.first.embed(crop)?;
        self.join(&first, crop)
    }

    fn embed_for(
        &mut self,
        crop: &Picture,
        cascade: &Cascade,
        reference: &Embedding,
    ) -> Result<Embedding, InferenceError> {
        let first = self.first.embed(crop)?;
        if cascade.is_decided_by(&first, reference) {
            return Ok(first);
        }
        self.join(&first, crop)
    }
}

#[cfg(test)]
mod tests;

//! Two embedders of the manifest as one, and the embedder that a name stands for: one network or a
//! fusion of two.

use serde::Deserialize;

use super::{ManifestError, ModelEntry};
use crate::digest::sha256_hex;
use crate::embed::{Band, Cascade, ContractId, Fusion};

/// How far the sum of the weights may be from 1: they are written as decimals.
const WEIGHTS_DEVIATION_MAX: f32 = 1e-4;

/// A `[[fusion]]` of the manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionEntry {
    /// Its name, for example `sface_mobilefacenet`; chosen like an embedder.
    pub id: String,
    /// The two embedders. The first one runs always.
    pub models: [String; 2],
    /// Weights of their similarities; they add up to 1.
    pub weights: [f32; 2],
    /// Similarities of the first embedder at which the second is asked; none: at all.
    pub band: Option<Band>,
    /// Similarity of the golden faces, by both.
    pub golden_similarity: Option<f32>,
}

impl FusionEntry {
    pub(super) fn problem(&self, problem: impl Into<String>) -> ManifestError {
        ManifestError::Entry {
            id: self.id.clone(),
            problem: problem.into(),
        }
    }

    pub(super) fn check(&self, embedders: &[&ModelEntry]) -> Result<(), ManifestError> {
        if !super::entry::is_plain(&self.id) {
            return Err(self.problem("id takes letters, digits, '.', '_' and '-' only"));
        }
        let [first, second] = self.weights;
        // Not the reverse with `>`: a NaN must not pass.
        let adds_up = (first + second - 1.0).abs() <= WEIGHTS_DEVIATION_MAX;
        if !(first > 0.0 && second > 0.0 && adds_up) {
            return Err(self.problem("weights takes two numbers above 0 that add up to 1"));
        }
        if self.band.is_some_and(|band| !band.is_sound()) {
            return Err(self.problem("band takes −1 ≤ from < to ≤ 1"));
        }
        let find = |id: &String| {
            let found = embedders.iter().find(|entry| entry.id == *id);
            found.ok_or_else(|| self.problem(format!("there is no embedder named {id}")))
        };
        let [one, other] = [find(&self.models[0])?, find(&self.models[1])?];
        if one.id == other.id {
            return Err(self.problem("models takes two different embedders"));
        }
        if one.alignment()?.name != other.alignment()?.name {
            return Err(self.problem("both embedders must take crops of one alignment"));
        }
        Ok(())
    }
}

/// What an embedder's name in the configuration stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Embedder {
    /// One network.
    One(Box<ModelEntry>),
    /// Two networks as one.
    Fused(Box<FusedModels>),
}

/// A fusion with the entries of its networks.
#[derive(Debug, Clone, PartialEq)]
pub struct FusedModels {
    /// The fusion.
    pub entry: FusionEntry,
    /// Its networks, in its order.
    pub models: [ModelEntry; 2],
}

impl Embedder {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::One(entry) => &entry.id,
            Self::Fused(fused) => &fused.entry.id,
        }
    }

    /// Its networks.
    #[must_use]
    pub fn models(&self) -> Vec<&ModelEntry> {
        match self {
            Self::One(entry) => vec![entry],
            Self::Fused(fused) => fused.models.iter().collect(),
        }
    }

    /// The contract of its embeddings. The band is not part of it: it says how two embeddings are
    /// compared, not what they are, and a threshold is calibrated with it.
    #[must_use]
    pub fn contract_id(&self) -> ContractId {
        match self {
            Self::One(entry) => entry.contract_id(),
            Self::Fused(fused) => {
                let [first, second] = &fused.models;
                let [of_first, of_second] = fused.entry.weights;
                let parts = format!(
                    "fusion\n{}\n{of_first:e}\n{}\n{of_second:e}",
                    first.contract_id(),
                    second.contract_id(),
                );
                let digest = sha256_hex(parts.as_bytes());
                let short: String = digest.chars().take(16).collect();
                ContractId::new(&format!("{}:{short}", fused.entry.id))
            }
        }
    }

    /// Length of its embeddings.
    #[must_use]
    pub fn dimension(&self) -> usize {
        let dimensions = self.models().into_iter().map(|entry| entry.dimension);
        dimensions.map(Option::unwrap_or_default).sum()
    }

    /// Similarity of the golden faces, where it is known.
    #[must_use]
    pub fn golden_similarity(&self) -> Option<f32> {
        match self {
            Self::One(entry) => entry.golden_similarity,
            Self::Fused(fused) => fused.entry.golden_similarity,
        }
    }

    /// How its two networks are fused; none when it is one.
    #[must_use]
    pub fn fusion(&self) -> Option<Fusion> {
        match self {
            Self::One(_) => None,
            Self::Fused(fused) => Some(Fusion {
                first_dimension: fused.models[0].dimension.unwrap_or_default(),
                first_weight: fused.entry.weights[0],
            }),
        }
    }

    /// The cascade that the manifest proposes, for measuring; a server takes the one that its
    /// thresholds were calibrated with.
    #[must_use]
    pub fn cascade(&self) -> Option<Cascade> {
        let Self::Fused(fused) = self else {
            return None;
        };
        let (fusion, band) = self.fusion().zip(fused.entry.band)?;
        Some(Cascade { fusion, band })
    }

    /// Its licence; that of a fusion is an SPDX expression.
    #[must_use]
    pub fn licence(&self) -> String {
        let fused = match self {
            Self::One(entry) => return entry.licence.clone(),
            Self::Fused(fused) => fused,
        };
        let [first, second] = &fused.models;
        if first.licence == second.licence {
            return first.licence.clone();
        }
        // AND binds tighter than OR: a choice stays one in brackets.
        let operand = |entry: &ModelEntry| match entry.licence.as_str() {
            choice if choice.contains(" OR ") => format!("({choice})"),
            licence => licence.to_owned(),
        };
        format!("{} AND {}", operand(first), operand(second))
    }
}

//! Similarity of two templates of one contract.

use crate::embed::{Cascade, ContractId, Embedding, Template, dot};

/// Cosine similarity, −1 to 1; higher is more alike. Its `Debug` shows no number, so that no log
/// can.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Similarity(f32);

impl Similarity {
    /// A similarity from a number, brought into −1 to 1 (rounding may leave it by a hair).
    #[must_use]
    pub fn new(value: f32) -> Self {
        Self(value.clamp(-1.0, 1.0))
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> f32 {
        self.0
    }
}

impl std::fmt::Debug for Similarity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Similarity(…)")
    }
}

/// Templates of two models, or of two ways of preprocessing, say nothing about each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("templates of the contracts {probe} and {reference} cannot be compared")]
pub struct ContractMismatch {
    /// Contract of the probe.
    pub probe: ContractId,
    /// Contract of the reference.
    pub reference: ContractId,
}

/// How two templates of one contract are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scoring {
    /// By the cosine.
    Cosine,
    /// By the first network's cosine, and within a band by both networks'.
    Cascade(Cascade),
}

impl Scoring {
    /// Similarity of two embeddings of one contract; `None` when their dimensions differ.
    #[must_use]
    pub fn similarity(&self, probe: &Embedding, reference: &Embedding) -> Option<f32> {
        match self {
            Self::Cosine => {
                let (a, b) = (probe.as_slice(), reference.as_slice());
                (a.len() == b.len()).then(|| dot(a, b))
            }
            Self::Cascade(cascade) => cascade.similarity(probe, reference),
        }
    }

    /// Similarity of two templates.
    ///
    /// # Errors
    /// When their contracts or dimensions differ.
    pub fn compare(
        &self,
        probe: &Template,
        reference: &Template,
    ) -> Result<Similarity, ContractMismatch> {
        let is_one_contract = probe.contract_id == reference.contract_id;
        let similarity = self.similarity(&probe.embedding, &reference.embedding);
        similarity
            .filter(|_| is_one_contract)
            .map(Similarity::new)
            .ok_or_else(|| ContractMismatch {
                probe: probe.contract_id.clone(),
                reference: reference.contract_id.clone(),
            })
    }
}

/// Cosine similarity of two templates.
///
/// # Errors
/// When their contracts or dimensions differ.
pub fn compare(probe: &Template, reference: &Template) -> Result<Similarity, ContractMismatch> {
    Scoring::Cosine.compare(probe, reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(contract: &str, numbers: &[f32]) -> Template {
        Template {
            contract_id: ContractId::new(contract),
            embedding: Embedding::from_output(numbers).expect("has a direction"),
        }
    }

    #[test]
    fn similarity_is_the_cosine() {
        let one = template("m:1", &[1.0, 0.0]);
        let other = template("m:1", &[1.0, 1.0]);
        let similarity = compare(&one, &other).expect("same contract");
        assert!((similarity.value() - 0.5_f32.sqrt()).abs() < 1e-6);
        assert!((compare(&other, &other).expect("same").value() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn two_contracts_never_compare() {
        let one = template("m:1", &[1.0, 0.0]);
        assert!(compare(&one, &template("m:2", &[1.0, 0.0])).is_err());
        assert!(compare(&one, &template("m:1", &[1.0, 0.0, 0.0])).is_err());
    }

    #[test]
    fn debug_shows_no_number() {
        assert_eq!(format!("{:?}", Similarity::new(0.25)), "Similarity(…)");
    }
}

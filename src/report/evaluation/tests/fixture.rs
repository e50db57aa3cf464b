//! A made-up report.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::evaluation::comparison::ModelFacts;
pub use crate::evaluation::made_up::*;
use crate::report::evaluation::{Environment, FacePair, ModelReport, ReportInput};

pub fn facts() -> ModelFacts {
    ModelFacts {
        model: "model_a".to_owned(),
        contract_id: "model_a:1".to_owned(),
        template_bytes: 513,
        licence: "Apache-2.0".to_owned(),
        commercial_use: true,
        source: "a zoo of models, model_a.onnx".to_owned(),
        sha256: "ab".repeat(32),
        file_bytes: 38_696_353,
        dimension: 128,
    }
}

pub fn model(name: &str, spread: f64) -> ModelReport {
    ModelReport {
        evaluation: evaluation(name, spread),
        facts: facts(),
        faces: None,
    }
}

pub fn input(models: Vec<ModelReport>) -> ReportInput {
    let words = [("reference-240x320", "the reference scaled to 240 × 320")];
    ReportInput {
        title: "Two models on made-up data".to_owned(),
        models,
        degradations: BTreeMap::from(words.map(|(name, what)| (name.to_owned(), what.to_owned()))),
        environment: Environment {
            padan: "1.2.3".to_owned(),
            onnx_runtime: "1.24.0".to_owned(),
            provider: "cpu".to_owned(),
            machine: "a processor of 2 cores".to_owned(),
            cores: 2,
            date: "2025-01-02".to_owned(),
        },
    }
}

pub fn face_pair(similarity: f32, genuine: bool) -> FacePair {
    FacePair {
        probe: Bytes::from_static(&[0xFF, 0xD8, 0xFF, 0xE0]),
        reference: Bytes::from_static(&[0xFF, 0xD8, 0xFF, 0xE1]),
        similarity,
        genuine,
        names: ("a.jpg".to_owned(), "b.jpg".to_owned()),
    }
}

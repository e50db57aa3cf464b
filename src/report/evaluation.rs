//! The report of an evaluation: one page of HTML, JSON, Markdown, and tables for a terminal. All
//! show the same sheets of figures, and none but a page that was asked for it shows a face.

mod html;
mod json;
mod markdown;
mod plots;
mod policy;
mod sheet;
mod sheets;
mod table;
mod words;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::evaluation::comparison::ModelFacts;
use crate::evaluation::result::Evaluation;

pub(super) use html::drawings;
pub use html::html;
pub use json::{json, measures_json};
pub use markdown::markdown;
pub use plots::{Curve, det, roc, similarities};
pub use policy::{policy_json, policy_table};
pub use table::{measures_table, table};
pub use words::rate_key;

/// What a report is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportInput {
    /// Heading.
    pub title: String,
    /// One for each model, on the same data where they are to be compared.
    pub models: Vec<ModelReport>,
    /// What each degradation does, in words, by its name; a name that is missing stands alone.
    pub degradations: BTreeMap<String, String>,
    /// Where it was measured.
    pub environment: Environment,
}

/// One model, and what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReport {
    /// What was measured.
    pub evaluation: Evaluation,
    /// What the manifest knows of the model.
    pub facts: ModelFacts,
    /// Comparisons whose faces the page shows: only where somebody asked for it, since the page
    /// then holds biometric data.
    pub faces: Option<Vec<FacePair>>,
}

/// Where an evaluation ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// padan's version.
    pub padan: String,
    /// ONNX Runtime's version.
    pub onnx_runtime: String,
    /// What ran the models, for example `cpu`.
    pub provider: String,
    /// The machine, in words: its processor, not its name in a network.
    pub machine: String,
    /// Cores that padan could use.
    pub cores: usize,
    /// The day, ISO 8601.
    pub date: String,
}

/// Two samples that were compared, small enough to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct FacePair {
    /// The probe, a small JPEG.
    pub probe: Bytes,
    /// The reference, a small JPEG.
    pub reference: Bytes,
    /// How alike they are.
    pub similarity: f32,
    /// Whether they show one person.
    pub genuine: bool,
    /// Names of the probe's and the reference's sample.
    pub names: (String, String),
}

impl ReportInput {
    /// Names of the models, fit to be shown, each different from the others.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for model in &self.models {
            let name = words::cut(&words::clean(&model.evaluation.model), NAME_LENGTH_MAX);
            let same = |n: usize| {
                if n < 2 {
                    name.clone()
                } else {
                    format!("{name} ({n})")
                }
            };
            // Fewer are taken than are tried.
            let free = (1..=self.models.len())
                .map(same)
                .find(|name| !names.contains(name));
            names.extend(free);
        }
        names
    }

    /// The models with their names.
    fn named(&self) -> impl Iterator<Item = (String, &ModelReport)> {
        self.names().into_iter().zip(&self.models)
    }
}

/// More characters of a model's name do not fit into a legend.
const NAME_LENGTH_MAX: usize = 40;

#[cfg(test)]
mod tests;

//! ONNX files as they are written: read, looked at, and rewritten into the form padan serves.
//!
//! The same steps as `models/prepare/graph.py`, which made the models that come with padan. None
//! changes what a network computes, and none relies on the names of one network. What shapes the
//! tensors inside have is for ONNX Runtime to infer (`trial.rs`); here they are given.

mod batch;
mod constants;
mod names;
mod prelu;
mod read;
mod tidy;
mod walk;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use prost::Message as _;

#[expect(
    missing_docs,
    clippy::pedantic,
    reason = "generated; the format is documented in proto/onnx"
)]
pub mod onnx {
    //! Generated from `proto/onnx`.
    include!(concat!(env!("OUT_DIR"), "/onnx.rs"));
}

pub use batch::FreedBatch;
use onnx::{GraphProto, ModelProto, ValueInfoProto};
pub use prelu::RewrittenPrelus;
pub use read::GraphError;

/// Shapes of tensors by name; −1 is a dimension that may vary.
pub type Shapes = HashMap<String, Vec<i64>>;

/// A network as it stands in its file.
#[derive(Debug, Clone)]
pub struct OnnxModel {
    model: ModelProto,
}

impl OnnxModel {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are no ONNX, of a version that this build does not know, too much, or not all of
    /// the network.
    pub fn read(content: Bytes) -> Result<Self, GraphError> {
        read::read(content).map(|model| Self { model })
    }

    /// The bytes of a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    /// Takes weights out of the graph's inputs, and says how many: a weight that a caller could
    /// replace is one that the runtime cannot fold.
    pub fn drop_weight_inputs(&mut self) -> usize {
        // The first version that allows initializers outside the inputs.
        const IR_VERSION_MIN: i64 = 4;
        let graph = self.graph_mut();
        let names: std::collections::HashSet<String> = graph
            .initializer
            .iter()
            .filter_map(|tensor| tensor.name.clone())
            .collect();
        let before = graph.input.len();
        let is_input = |value: &ValueInfoProto| !names.contains(value.name());
        graph.input.retain(is_input);
        let dropped = before - graph.input.len();
        let version = self.model.ir_version().max(IR_VERSION_MIN);
        self.model.ir_version = Some(version);
        dropped
    }

    /// Names of the tensors whose shapes the other steps have to know.
    #[must_use]
    pub fn tensors_to_know(&self) -> Vec<String> {
        let nodes = self.graph().node.iter();
        let wanted = nodes.filter(|node| ["PRelu", "Reshape"].contains(&node.op_type()));
        let mut names: Vec<String> = wanted
            .filter_map(|node| node.input.first().cloned())
            .filter(|name| !name.is_empty())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The same network with these tensors among its outputs, for whoever wants to know them.
    #[must_use]
    pub fn showing(&self, names: &[String]) -> Self {
        let mut shown = self.clone();
        let graph = shown.graph_mut();
        let given: std::collections::HashSet<String> = graph
            .output
            .iter()
            .chain(&graph.input)
            .map(|value| value.name().to_owned())
            .chain(graph.initializer.iter().map(|it| it.name().to_owned()))
            .collect();
        let missing = names.iter().filter(|name| !given.contains(*name));
        let missing = missing.map(|name| ValueInfoProto {
            name: Some(name.clone()),
            ..ValueInfoProto::default()
        });
        graph.output.extend(missing);
        shown
    }

    /// Rewrites every `PRelu` on feature maps that can be; see [`RewrittenPrelus`].
    pub fn rewrite_prelus(&mut self, shapes: &Shapes) -> RewrittenPrelus {
        prelu::rewrite(self, shapes)
    }

    /// Lets the batch dimension of the image and of the outputs vary; see [`FreedBatch`].
    pub fn free_batch(&mut self, shapes: &Shapes) -> FreedBatch {
        batch::free(self, shapes)
    }

    /// Removes what is left behind: weights and operators that lead to no output, texts for
    /// readers, shapes that were inferred for another batch. Says how many weights went.
    pub fn tidy(&mut self) -> usize {
        tidy::tidy(self)
    }

    /// Writes down where the network comes from, in the file itself.
    pub fn record(&mut self, provenance: &[(&str, &str)]) {
        for (key, value) in provenance {
            self.model
                .metadata_props
                .retain(|entry| entry.key() != *key);
            self.model
                .metadata_props
                .push(onnx::StringStringEntryProto {
                    key: Some((*key).to_owned()),
                    value: Some((*value).to_owned()),
                });
        }
    }

    /// How often each operator occurs, as one line, the most frequent first.
    #[must_use]
    pub fn operators(&self) -> String {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &self.graph().node {
            *counts.entry(node.op_type()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let texts: Vec<String> = counts
            .into_iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        texts.join(", ")
    }

    fn graph(&self) -> &GraphProto {
        static EMPTY: std::sync::LazyLock<GraphProto> =
            std::sync::LazyLock::new(GraphProto::default);
        self.model.graph.as_ref().unwrap_or(&EMPTY)
    }

    fn graph_mut(&mut self) -> &mut GraphProto {
        self.model.graph.get_or_insert_default()
    }

    /// Version of ONNX's own operators.
    fn opset(&self) -> i64 {
        let sets = self.model.opset_import.iter();
        let own = sets.filter(|set| ["", "ai.onnx"].contains(&set.domain()));
        own.map(onnx::OperatorSetIdProto::version)
            .max()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

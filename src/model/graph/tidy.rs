//! Removal of what leads to no output.

use std::collections::HashSet;

use super::OnnxModel;
use super::onnx::GraphProto;
use super::walk;

pub fn tidy(network: &mut OnnxModel) -> usize {
    network.model.doc_string = None;
    let graph = network.graph_mut();
    let dropped = drop_unused(graph);
    graph.doc_string = None;
    graph.value_info.clear();
    for node in &mut graph.node {
        node.doc_string = None;
    }
    for tensor in &mut graph.initializer {
        tensor.doc_string = None;
    }
    for value in graph.input.iter_mut().chain(&mut graph.output) {
        value.doc_string = None;
    }
    dropped
}

/// From the outputs backwards: ONNX has operators stand behind all that they use.
fn drop_unused(graph: &mut GraphProto) -> usize {
    let outputs = graph.output.iter();
    let mut used: HashSet<String> = outputs.map(|value| value.name().to_owned()).collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| used.contains(output)) {
            used.extend(node.input.iter().cloned());
            for attribute in &node.attribute {
                // An inner graph uses what is outside by name, without saying so.
                for inner in attribute.g.iter().chain(&attribute.graphs) {
                    used.extend(inner.output.iter().map(|it| it.name().to_owned()));
                    walk::each_node(inner, &mut |node| used.extend(node.input.iter().cloned()));
                }
            }
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    let before = graph.initializer.len();
    graph
        .initializer
        .retain(|tensor| used.contains(tensor.name()));
    before - graph.initializer.len()
}

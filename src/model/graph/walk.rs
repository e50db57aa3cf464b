//! Through a graph and the graphs inside its operators (branches, loops).
//!
//! The depth of these is bounded: prost reads no message nested deeper than 100.

use super::onnx::{GraphProto, NodeProto, TensorProto};

/// Calls `visit` with every operator, those of inner graphs too.
pub fn each_node<'a>(graph: &'a GraphProto, visit: &mut dyn FnMut(&'a NodeProto)) {
    for node in &graph.node {
        visit(node);
        for inner in inner_graphs(node) {
            each_node(inner, visit);
        }
    }
}

/// Calls `visit` with every stored tensor: weights, and constants in operators.
pub fn each_tensor<'a>(graph: &'a GraphProto, visit: &mut dyn FnMut(&'a TensorProto)) {
    graph.initializer.iter().for_each(&mut *visit);
    for sparse in &graph.sparse_initializer {
        sparse
            .values
            .iter()
            .chain(&sparse.indices)
            .for_each(&mut *visit);
    }
    for node in &graph.node {
        for attribute in &node.attribute {
            attribute
                .t
                .iter()
                .chain(&attribute.tensors)
                .for_each(&mut *visit);
        }
        for inner in inner_graphs(node) {
            each_tensor(inner, visit);
        }
    }
}

fn inner_graphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    let attributes = node.attribute.iter();
    attributes.flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

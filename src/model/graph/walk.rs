//! Through a graph and the graphs inside its operators (branches, loops).
//!
//! The depth of these is bounded: prost reads no message nested deeper than 100.

use super::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto,
};

/// Calls `visit` with every operator, those of inner graphs too.
pub fn each_node<'a>(graph: &'a GraphProto, visit: &mut dyn FnMut(&'a NodeProto)) {
    for node in &graph.node {
        visit(node);
        for inner in inner_graphs(node) {
            each_node(inner, visit);
        }
    }
}

/// Calls `visit` with every stored tensor of a graph: weights, and constants in operators.
pub fn each_tensor<'a>(graph: &'a GraphProto, visit: &mut dyn FnMut(&'a TensorProto)) {
    graph.initializer.iter().for_each(&mut *visit);
    for sparse in &graph.sparse_initializer {
        each_tensor_of_sparse(sparse, visit);
    }
    for attribute in graph.node.iter().flat_map(|node| &node.attribute) {
        each_tensor_of_attribute(attribute, visit);
    }
}

/// Like [`each_tensor`], of all that a file holds: also of the functions it defines, which its
/// operators may call, and of its training.
pub fn each_tensor_of_file<'a>(model: &'a ModelProto, visit: &mut dyn FnMut(&'a TensorProto)) {
    let training = model.training_info.iter();
    let training = training.flat_map(|it| it.initialization.iter().chain(&it.algorithm));
    for graph in model.graph.iter().chain(training) {
        each_tensor(graph, visit);
    }
    for function in &model.functions {
        let of_nodes = function.node.iter().flat_map(|node| &node.attribute);
        for attribute in of_nodes.chain(&function.attribute_proto) {
            each_tensor_of_attribute(attribute, visit);
        }
    }
}

fn each_tensor_of_attribute<'a>(
    attribute: &'a AttributeProto,
    visit: &mut dyn FnMut(&'a TensorProto),
) {
    let tensors = attribute.t.iter().chain(&attribute.tensors);
    tensors.for_each(&mut *visit);
    let sparse = attribute.sparse_tensor.iter();
    for sparse in sparse.chain(&attribute.sparse_tensors) {
        each_tensor_of_sparse(sparse, visit);
    }
    for inner in attribute.g.iter().chain(&attribute.graphs) {
        each_tensor(inner, visit);
    }
}

fn each_tensor_of_sparse<'a>(
    sparse: &'a SparseTensorProto,
    visit: &mut dyn FnMut(&'a TensorProto),
) {
    let tensors = sparse.values.iter().chain(&sparse.indices);
    tensors.for_each(&mut *visit);
}

fn inner_graphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    let attributes = node.attribute.iter();
    attributes.flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

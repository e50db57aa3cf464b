//! Names for what is added to a graph.

use std::collections::HashSet;

use super::onnx::GraphProto;
use super::walk;

/// The names of a graph, and new ones that are not among them.
pub struct Names {
    taken: HashSet<String>,
    count: usize,
}

impl Names {
    pub fn of(graph: &GraphProto) -> Self {
        let values = graph.input.iter().chain(&graph.output);
        let mut taken: HashSet<String> = values.map(|value| value.name().to_owned()).collect();
        walk::each_tensor(graph, &mut |tensor| {
            taken.insert(tensor.name().to_owned());
        });
        walk::each_node(graph, &mut |node| {
            taken.insert(node.name().to_owned());
            taken.extend(node.input.iter().chain(&node.output).cloned());
        });
        Self { taken, count: 1 }
    }

    /// `wanted`, with a number behind it where the graph has that name already.
    pub fn unused(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            // It only grows: no file makes this slow.
            self.count += 1;
            name = format!("{wanted}_{}", self.count);
        }
        name
    }
}

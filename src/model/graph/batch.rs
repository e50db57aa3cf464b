//! The batch dimension, free in place of a number.

use super::constants::{Values, constants, integer_weight};
use super::names::Names;
use super::onnx::tensor_shape_proto::Dimension;
use super::onnx::tensor_shape_proto::dimension::Value;
use super::onnx::{NodeProto, ValueInfoProto, type_proto};
use super::{OnnxModel, Shapes};

/// The dimension's name in the file.
const BATCH: &str = "batch";

/// What was done to the batch dimension of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreedBatch {
    /// The number it was; none: it was free.
    pub was: Option<i64>,
    /// How many reshapes to a fixed batch now take as many as come in.
    pub reshapes: usize,
    /// A sentence for each reshape that could not be changed.
    pub left: Vec<String>,
}

pub fn free(network: &mut OnnxModel, shapes: &Shapes) -> FreedBatch {
    let graph = network.graph_mut();
    let mut done = FreedBatch::default();
    for input in &mut graph.input {
        if let Some(batch) = batch_of(input) {
            done.was = done.was.or(match batch.value {
                Some(Value::DimValue(fixed)) => Some(fixed),
                Some(Value::DimParam(_)) | None => None,
            });
            batch.value = Some(Value::DimParam(BATCH.to_owned()));
        }
    }
    let fixed = done.was.unwrap_or(1);
    free_reshapes(network, shapes, fixed, &mut done);
    let graph = network.graph_mut();
    for output in &mut graph.output {
        if let Some(batch) = batch_of(output) {
            let is_other = matches!(batch.value, Some(Value::DimValue(other)) if other != fixed);
            if !is_other {
                batch.value = Some(Value::DimParam(BATCH.to_owned()));
            }
        }
    }
    // They were inferred for the fixed batch.
    graph.value_info.clear();
    done
}

fn batch_of(value: &mut ValueInfoProto) -> Option<&mut Dimension> {
    match value.r#type.as_mut()?.value.as_mut()? {
        type_proto::Value::TensorType(tensor) => tensor.shape.as_mut()?.dim.first_mut(),
        _ => None,
    }
}

fn free_reshapes(network: &mut OnnxModel, shapes: &Shapes, fixed: i64, done: &mut FreedBatch) {
    let graph = network.graph_mut();
    let values = constants(graph);
    let mut names = Names::of(graph);
    for node in &mut graph.node {
        let ("Reshape", [data, shape]) = (node.op_type(), node.input.as_slice()) else {
            continue;
        };
        let Some(Values::Integers(target)) = values.get(shape).map(|it| &it.values) else {
            continue;
        };
        // Only what comes in as a batch goes out as one.
        let comes_in = shapes.get(data).and_then(|shape| shape.first());
        let is_batch = comes_in.is_some_and(|&first| first == fixed || first == -1);
        let is_wanted = target.len() > 1 && target.first() == Some(&fixed);
        if values.contains_key(data) || !is_batch || !is_wanted {
            continue;
        }
        let Some(free) = free_dimension(node, target) else {
            let name = node.output.first().map_or("", String::as_str);
            done.left.push(format!(
                "Reshape to {target:?} ({name}) keeps its batch: two of its dimensions would be free"
            ));
            continue;
        };
        let rest = target.iter().copied().skip(1);
        let freed: Vec<i64> = std::iter::once(free).chain(rest).collect();
        let name = names.unused(&format!("{shape}_any_batch"));
        graph.initializer.push(integer_weight(name.clone(), &freed));
        if let Some(shape) = node.input.get_mut(1) {
            *shape = name;
        }
        done.reshapes += 1;
    }
}

/// How the target of a reshape says "as many as come in": 0, or −1 where 0 means none and the
/// place of −1 is not taken.
fn free_dimension(node: &NodeProto, target: &[i64]) -> Option<i64> {
    let attributes = node.attribute.iter();
    let is_zero_none = attributes
        .filter(|attribute| attribute.name() == "allowzero")
        .any(|attribute| attribute.i() != 0);
    match is_zero_none {
        false => Some(0),
        true if !target.contains(&-1) => Some(-1),
        true => None,
    }
}

//! Numbers that stand in the file: weights, and the outputs of `Constant`.

use std::collections::HashMap;

use bytes::Bytes;

use super::onnx::tensor_proto::DataType;
use super::onnx::{AttributeProto, GraphProto, TensorProto};

/// Most numbers of a constant that is looked into: slopes and shapes are far smaller.
const NUMBERS_MAX: usize = 1 << 16;

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Its shape.
    pub dims: Vec<i64>,
    /// What is in it.
    pub values: Values,
}

/// Numbers of a constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    Floats(Vec<f32>),
    /// 64-bit integers.
    Integers(Vec<i64>),
    /// Another type, too many of them, or fewer or more than the shape says.
    Other,
}

/// Every constant of a graph, by name.
pub fn constants(graph: &GraphProto) -> HashMap<String, Constant> {
    let weights = graph.initializer.iter();
    let mut found: HashMap<String, Constant> = weights
        .map(|tensor| (tensor.name().to_owned(), constant(tensor)))
        .collect();
    for node in &graph.node {
        let (Some(output), "Constant") = (node.output.first(), node.op_type()) else {
            continue;
        };
        if let Some(constant) = node.attribute.iter().find_map(of_attribute) {
            found.insert(output.clone(), constant);
        }
    }
    found
}

fn of_attribute(attribute: &AttributeProto) -> Option<Constant> {
    let row = |count: usize| vec![i64::try_from(count).unwrap_or_default()];
    let floats = |dims, values| Constant {
        dims,
        values: Values::Floats(values),
    };
    let integers = |dims, values| Constant {
        dims,
        values: Values::Integers(values),
    };
    match attribute.name() {
        "value" => attribute.t.as_ref().map(constant),
        "value_float" => Some(floats(Vec::new(), vec![attribute.f()])),
        "value_floats" => Some(floats(
            row(attribute.floats.len()),
            attribute.floats.clone(),
        )),
        "value_int" => Some(integers(Vec::new(), vec![attribute.i()])),
        "value_ints" => Some(integers(row(attribute.ints.len()), attribute.ints.clone())),
        _ => None,
    }
}

fn constant(tensor: &TensorProto) -> Constant {
    let numbers = match DataType::try_from(tensor.data_type()) {
        _ if count(&tensor.dims).is_none_or(|count| count > NUMBERS_MAX) => Values::Other,
        Ok(DataType::Float) => match tensor.raw_data.as_deref() {
            Some(raw) => Values::Floats(words(raw, f32::from_le_bytes)),
            None => Values::Floats(tensor.float_data.clone()),
        },
        Ok(DataType::Int64) => match tensor.raw_data.as_deref() {
            Some(raw) => Values::Integers(words(raw, i64::from_le_bytes)),
            None => Values::Integers(tensor.int64_data.clone()),
        },
        _ => Values::Other,
    };
    let found = match &numbers {
        Values::Floats(numbers) => Some(numbers.len()),
        Values::Integers(numbers) => Some(numbers.len()),
        Values::Other => None,
    };
    Constant {
        dims: tensor.dims.clone(),
        values: if found == count(&tensor.dims) {
            numbers
        } else {
            Values::Other
        },
    }
}

/// How many numbers a shape has.
fn count(dims: &[i64]) -> Option<usize> {
    dims.iter().try_fold(1_usize, |product, dim| {
        product.checked_mul(usize::try_from(*dim).ok()?)
    })
}

fn words<const N: usize, T>(raw: &[u8], of_bytes: fn([u8; N]) -> T) -> Vec<T> {
    let (words, _) = raw.as_chunks::<N>();
    words.iter().copied().map(of_bytes).collect()
}

/// A weight of 32-bit floats.
pub fn float_weight(name: String, dims: Vec<i64>, numbers: &[f32]) -> TensorProto {
    let raw: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    weight(name, DataType::Float, dims, raw)
}

/// A row of 64-bit integers.
pub fn integer_weight(name: String, numbers: &[i64]) -> TensorProto {
    let raw: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    let dims = vec![i64::try_from(numbers.len()).unwrap_or_default()];
    weight(name, DataType::Int64, dims, raw)
}

fn weight(name: String, kind: DataType, dims: Vec<i64>, raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name),
        data_type: Some(kind.into()),
        dims,
        raw_data: Some(Bytes::from(raw)),
        ..TensorProto::default()
    }
}

//! A small network of faces that knows nothing about faces, made by hand.

use bytes::Bytes;
use padan::model::graph::onnx::attribute_proto::AttributeType;
use padan::model::graph::onnx::tensor_proto::DataType;
use padan::model::graph::onnx::tensor_shape_proto::Dimension;
use padan::model::graph::onnx::tensor_shape_proto::dimension::Value;
use padan::model::graph::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use prost::Message as _;

/// Length of its embedding.
pub const DIMENSION: i64 = 32;

const CHANNELS: i64 = 8;

/// Convolution, `PRelu`, mean, reshape, full connection. The fields say how it is spoilt or varied.
#[derive(Clone, Copy)]
pub struct Net {
    /// The batch that it is fixed to.
    pub batch: i64,
    /// Takes `[batch, side, side, 3]`.
    pub takes_pixels: bool,
    /// What else is odd about it.
    pub oddity: Oddity,
}

/// What can be odd about a network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Nothing.
    None,
    /// Adds noise to its embedding.
    Random,
    /// Has its features as another output.
    TwoOutputs,
    /// Passes through a tensor without a batch.
    LosesBatch,
}

impl Net {
    /// As exporters write it for one crop.
    pub const USUAL: Self = Self {
        batch: 1,
        takes_pixels: false,
        oddity: Oddity::None,
    };

    /// The usual one with something odd.
    pub fn odd(oddity: Oddity) -> Self {
        Self {
            oddity,
            ..Self::USUAL
        }
    }

    /// The bytes of its file.
    pub fn file(self) -> Vec<u8> {
        let opset = OperatorSetIdProto {
            domain: None,
            version: Some(13),
        };
        ModelProto {
            ir_version: Some(7),
            opset_import: vec![opset],
            graph: Some(self.graph()),
            ..ModelProto::default()
        }
        .encode_to_vec()
    }

    fn graph(self) -> GraphProto {
        let batch = self.batch;
        let filter = [CHANNELS, 3, 7, 7];
        let image = if self.takes_pixels {
            [batch, 112, 112, 3]
        } else {
            [batch, 3, 112, 112]
        };
        // Slopes on both sides of 1 in one network: both ways of rewriting are met.
        let slopes: Vec<f32> = (-3..5_i8).map(|n| f32::from(n) * 0.4).collect();
        let mut graph = GraphProto {
            name: Some("made".to_owned()),
            node: self.nodes(),
            initializer: vec![
                floats("filter", &filter, &noise(3 * 49 * CHANNELS, 0.1)),
                floats("slope", &[CHANNELS, 1, 1], &slopes),
                integers("flat", &[batch, CHANNELS]),
                floats(
                    "full",
                    &[CHANNELS, DIMENSION],
                    &noise(CHANNELS * DIMENSION, 1.0),
                ),
                floats("bias", &[DIMENSION], &noise(DIMENSION, 0.5)),
                integers("none", &[batch * DIMENSION]),
                integers("again", &[batch, DIMENSION]),
                floats("unused", &[1], &[1.0]),
            ],
            // Old exporters have the weights among the inputs.
            input: vec![value("image", &image), value("filter", &filter)],
            output: vec![value("embedding", &[batch, DIMENSION])],
            ..GraphProto::default()
        };
        if self.oddity == Oddity::TwoOutputs {
            graph.output.push(value("features", &[batch, CHANNELS]));
        }
        graph
    }

    fn nodes(self) -> Vec<NodeProto> {
        let mut nodes = Vec::new();
        let mut image = "image";
        if self.takes_pixels {
            let mut transpose = node("Transpose", &["image"], "planes");
            transpose.attribute.push(numbers("perm", &[0, 3, 1, 2]));
            nodes.push(transpose);
            image = "planes";
        }
        let mut convolution = node("Conv", &[image, "filter"], "maps");
        convolution.attribute.push(numbers("kernel_shape", &[7, 7]));
        convolution.attribute.push(numbers("strides", &[4, 4]));
        nodes.push(convolution);
        nodes.push(node("PRelu", &["maps", "slope"], "bent"));
        nodes.push(node("GlobalAveragePool", &["bent"], "means"));
        nodes.push(node("Reshape", &["means", "flat"], "features"));
        nodes.push(node(
            "Gemm",
            &["features", "full", "bias"],
            "full_connection",
        ));
        let mut last = "full_connection";
        if self.oddity == Oddity::LosesBatch {
            nodes.push(node("Reshape", &[last, "none"], "row"));
            nodes.push(node("Reshape", &["row", "again"], "rows"));
            last = "rows";
        }
        if self.oddity == Oddity::Random {
            nodes.push(node("RandomNormalLike", &[last], "noise"));
            nodes.push(node("Add", &[last, "noise"], "embedding"));
        } else {
            nodes.push(node("Identity", &[last], "embedding"));
        }
        nodes
    }
}

/// Numbers without order, from −`most` to `most`.
fn noise(count: i64, most: f32) -> Vec<f32> {
    let number = |n: i64| {
        let number = i16::try_from(((n * n + n) * 7919 + 13) % 2003).expect("is small");
        (f32::from(number) / 1001.0 - 1.0) * most
    };
    (0..count).map(number).collect()
}

fn node(kind: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(kind.to_owned()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn numbers(name: &str, numbers: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints.into()),
        ints: numbers.to_vec(),
        ..AttributeProto::default()
    }
}

fn floats(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(DataType::Float.into()),
        dims: dims.to_vec(),
        float_data: numbers.to_vec(),
        ..TensorProto::default()
    }
}

fn integers(name: &str, numbers: &[i64]) -> TensorProto {
    let raw: Vec<u8> = numbers.iter().flat_map(|it| it.to_le_bytes()).collect();
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(DataType::Int64.into()),
        dims: vec![i64::try_from(numbers.len()).expect("is small")],
        raw_data: Some(Bytes::from(raw)),
        ..TensorProto::default()
    }
}

fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
    let dim = shape.iter().map(|side| Dimension {
        denotation: None,
        value: Some(Value::DimValue(*side)),
    });
    let tensor = type_proto::Tensor {
        elem_type: Some(DataType::Float.into()),
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            denotation: None,
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        ..ValueInfoProto::default()
    }
}

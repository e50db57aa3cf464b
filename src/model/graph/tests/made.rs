//! Small networks, made by hand.

use super::super::constants::{float_weight, integer_weight};
use super::super::onnx::tensor_proto::DataType;
use super::super::onnx::tensor_shape_proto::Dimension;
use super::super::onnx::tensor_shape_proto::dimension::Value;
use super::super::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use super::OnnxModel;

/// A network in the making.
pub struct Made(GraphProto);

impl Made {
    pub fn new() -> Self {
        Self(GraphProto::default())
    }

    pub fn input(mut self, name: &str, shape: &[i64]) -> Self {
        self.0.input.push(value(name, shape));
        self
    }

    pub fn output(mut self, name: &str, shape: &[i64]) -> Self {
        self.0.output.push(value(name, shape));
        self
    }

    pub fn weight(mut self, tensor: TensorProto) -> Self {
        self.0.initializer.push(tensor);
        self
    }

    pub fn node(mut self, kind: &str, inputs: &[&str], output: &str) -> Self {
        self.0.node.push(node(kind, inputs, output));
        self
    }

    pub fn last_node(&mut self) -> &mut NodeProto {
        self.0.node.last_mut().expect("there is one")
    }

    pub fn model(self) -> OnnxModel {
        let opset = OperatorSetIdProto {
            domain: None,
            version: Some(13),
        };
        OnnxModel {
            model: ModelProto {
                ir_version: Some(7),
                opset_import: vec![opset],
                graph: Some(self.0),
                ..ModelProto::default()
            },
        }
    }
}

pub fn node(kind: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(kind.to_owned()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

pub fn attribute(name: &str, number: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        i: Some(number),
        ..AttributeProto::default()
    }
}

pub fn floats(name: &str, dims: &[i64], numbers: &[f32]) -> TensorProto {
    float_weight(name.to_owned(), dims.to_vec(), numbers)
}

pub fn integers(name: &str, numbers: &[i64]) -> TensorProto {
    integer_weight(name.to_owned(), numbers)
}

pub fn value(name: &str, shape: &[i64]) -> ValueInfoProto {
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

/// Numbers, and −1 for a name.
pub fn shape_of(value: &ValueInfoProto) -> Vec<i64> {
    let kind = value.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = kind else {
        panic!("no tensor");
    };
    let dims = &tensor.shape.as_ref().expect("has a shape").dim;
    let side = |dim: &Dimension| match &dim.value {
        Some(Value::DimValue(side)) => *side,
        Some(Value::DimParam(_)) | None => -1,
    };
    dims.iter().map(side).collect()
}

//! `PRelu(x)` on feature maps as `a·x + (1 − a)·relu(x)`, both scalings as depthwise 1×1
//! convolutions.
//!
//! The same function, for each sign of x, but made of operators that ONNX Runtime runs in its
//! blocked layout: `PRelu` is slow itself and costs a change of layout before and after.

use std::collections::HashMap;

use super::constants::{Constant, Values, constants, float_weight};
use super::names::Names;
use super::onnx::attribute_proto::AttributeType;
use super::onnx::{AttributeProto, NodeProto, TensorProto};
use super::{OnnxModel, Shapes};

/// Most slopes of a network that is rewritten. The largest face networks have some ten thousand;
/// a few bytes of a file can ask for any number.
const SLOPES_MAX: usize = 1 << 22;

/// What was done to the `PRelu`s of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RewrittenPrelus {
    /// How many were rewritten.
    pub count: usize,
    /// A sentence for each that stays as it was.
    pub left: Vec<String>,
}

pub fn rewrite(network: &mut OnnxModel, shapes: &Shapes) -> RewrittenPrelus {
    let opset = network.opset();
    let graph = network.graph_mut();
    let known = Known {
        values: constants(graph),
        shapes,
        opset,
    };
    let mut names = Names::of(graph);
    let mut done = RewrittenPrelus::default();
    let mut room = SLOPES_MAX;
    let mut nodes = Vec::with_capacity(graph.node.len());
    for node in std::mem::take(&mut graph.node) {
        if node.op_type() != "PRelu" || !node.domain().is_empty() {
            nodes.push(node);
            continue;
        }
        match known.slope_per_channel(&node, room) {
            Ok(slope) => {
                let weights = &mut graph.initializer;
                nodes.extend(as_convolutions(&node, &slope, &mut names, weights));
                done.count += 1;
                room -= slope.len();
            }
            Err(obstacle) => {
                let output = node.output.first().map_or("", String::as_str);
                let name = Some(node.name()).filter(|name| !name.is_empty());
                let name = name.unwrap_or(output);
                done.left
                    .push(format!("PRelu {name} stays as it is: {obstacle}"));
                nodes.push(node);
            }
        }
    }
    graph.node = nodes;
    done
}

/// What is known of a network.
struct Known<'a> {
    values: HashMap<String, Constant>,
    shapes: &'a Shapes,
    opset: i64,
}

impl Known<'_> {
    /// The slope as one number per channel, at most `room` of them, or the reason why there is no
    /// such thing.
    fn slope_per_channel(&self, node: &NodeProto, room: usize) -> Result<Vec<f32>, String> {
        let ([data, slope_name], [_]) = (node.input.as_slice(), node.output.as_slice()) else {
            return Err("it has not two inputs and one output".to_owned());
        };
        let Some(shape) = self.shapes.get(data) else {
            return Err("the shape of its input could not be inferred".to_owned());
        };
        let &[_, channels, _, width] = shape.as_slice() else {
            let rank = shape.len();
            return Err(format!(
                "its input has {rank} dimensions, a feature map has 4"
            ));
        };
        let Some(count) = usize::try_from(channels).ok().filter(|count| *count > 0) else {
            return Err("the number of channels of its input could not be inferred".to_owned());
        };
        if count > room {
            return Err(format!(
                "with its {count} channels there would be more slopes than in any face network"
            ));
        }
        let Some(constant) = self.values.get(slope_name) else {
            return Err(format!(
                "its slope {slope_name:?} is computed, not a constant"
            ));
        };
        let dims = constant.dims.as_slice();
        // [C]: ONNX before opset 7, and exporters since, mean channels by it; the letter of ONNX
        // since opset 7 is columns. When the width is another number only the first reading is a
        // valid network.
        let is_row = dims == [channels] && (self.opset < 7 || (width > 0 && width != channels));
        let is_column = dims == [channels, 1, 1] || dims == [1, channels, 1, 1];
        match &constant.values {
            Values::Floats(numbers) => match numbers.as_slice() {
                [number] => Ok(vec![*number; count]),
                numbers if (is_row || is_column) && numbers.len() == count => Ok(numbers.to_vec()),
                _ => Err(format!(
                    "its slope has shape {dims:?}, which is not one number per channel of {channels}"
                )),
            },
            Values::Integers(_) | Values::Other => Err(format!(
                "its slope of shape {dims:?} is not made of a few 32-bit floats"
            )),
        }
    }
}

fn as_convolutions(
    node: &NodeProto,
    slope: &[f32],
    names: &mut Names,
    weights: &mut Vec<TensorProto>,
) -> [NodeProto; 4] {
    let data = node.input.first().cloned().unwrap_or_default();
    let output = node.output.first().cloned().unwrap_or_default();
    let channels = i64::try_from(slope.len()).unwrap_or_default();
    let mut scaling = |names: &mut Names, what: &str, source: &str, factor: &[f32]| {
        let weight = names.unused(&format!("{output}/{what}/weight"));
        let name = names.unused(&format!("{output}/{what}"));
        let dims = vec![channels, 1, 1, 1];
        weights.push(float_weight(weight.clone(), dims, factor));
        let mut convolution = operator("Conv", &[source, &weight], &name);
        convolution.attribute = vec![
            integer_attribute("group", channels),
            integers_attribute("kernel_shape", vec![1, 1]),
        ];
        convolution
    };
    let complement: Vec<f32> = slope.iter().map(|slope| 1.0 - slope).collect();
    let linear = scaling(names, "linear", &data, slope);
    let rectified = names.unused(&format!("{output}/rectified"));
    let [inner, outer] = if complement.iter().all(|factor| *factor >= 0.0) {
        // (1 − a)·relu(x) = relu((1 − a)·x): this way round the runtime fuses the Relu into the
        // convolution.
        let inner = scaling(names, "complement", &data, &complement);
        let source = inner.output.first().cloned().unwrap_or_default();
        [inner, operator("Relu", &[&source], &rectified)]
    } else {
        let inner = operator("Relu", &[&data], &rectified);
        [inner, scaling(names, "complement", &rectified, &complement)]
    };
    let name_of = |node: &NodeProto| node.output.first().cloned().unwrap_or_default();
    let mut total = operator("Add", &[&name_of(&linear), &name_of(&outer)], &output);
    total.name.clone_from(&node.name);
    [linear, inner, outer, total]
}

/// An operator named after its only output.
fn operator(kind: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(kind.to_owned()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        name: Some(output.to_owned()),
        ..NodeProto::default()
    }
}

fn integer_attribute(name: &str, number: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int.into()),
        i: Some(number),
        ..AttributeProto::default()
    }
}

fn integers_attribute(name: &str, numbers: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints.into()),
        ints: numbers,
        ..AttributeProto::default()
    }
}

//! Files that are no networks, or are made to do harm.

use proptest::prelude::*;

use super::*;
use crate::model::graph::onnx::tensor_proto::DataLocation;
use crate::model::graph::onnx::{
    AttributeProto, FunctionProto, NodeProto, SparseTensorProto, StringStringEntryProto,
    TrainingInfoProto,
};

#[test]
fn what_is_no_network_is_refused_with_what_to_do() {
    let refusal = |content: &[u8]| {
        let read = OnnxModel::read(Bytes::copy_from_slice(content));
        read.expect_err("is no network").to_string()
    };
    for content in [&b""[..], b"not a model", b"\x08\x07", &[0xff; 40]] {
        assert!(refusal(content).contains("export the network to ONNX"));
    }
    let whole = prelu(&[0.1; 3], &[3, 1, 1]);
    let bytes = whole.encode();
    assert!(refusal(&bytes[..bytes.len() - 40]).contains("not an ONNX model"));
    let mut newer = whole.clone();
    newer.model.ir_version = Some(1000);
    assert!(refusal(&newer.encode()).contains("version 1000"));
}

fn elsewhere() -> TensorProto {
    TensorProto {
        data_location: Some(DataLocation::External.into()),
        external_data: vec![StringStringEntryProto {
            key: Some("location".to_owned()),
            value: Some("weights.bin".to_owned()),
        }],
        ..TensorProto::default()
    }
}

fn sparse_elsewhere() -> SparseTensorProto {
    SparseTensorProto {
        values: Some(elsewhere()),
        ..SparseTensorProto::default()
    }
}

fn constant(attribute: AttributeProto) -> NodeProto {
    NodeProto {
        attribute: vec![attribute],
        ..made::node("Constant", &[], "c")
    }
}

fn dense_constant() -> NodeProto {
    constant(AttributeProto {
        t: Some(elsewhere()),
        ..AttributeProto::default()
    })
}

fn graph_of(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().expect("has one")
}

#[test]
fn weights_in_another_file_are_found_wherever_they_are_spoken_of() {
    let changes: [fn(&mut ModelProto); 7] = [
        |model| graph_of(model).initializer.push(elsewhere()),
        |model| {
            let graph = graph_of(model);
            graph.sparse_initializer.push(sparse_elsewhere());
        },
        |model| graph_of(model).node.push(dense_constant()),
        |model| {
            let sparse = AttributeProto {
                sparse_tensor: Some(sparse_elsewhere()),
                ..AttributeProto::default()
            };
            graph_of(model).node.push(constant(sparse));
        },
        |model| {
            let sparse = AttributeProto {
                sparse_tensors: vec![sparse_elsewhere()],
                ..AttributeProto::default()
            };
            graph_of(model).node.push(constant(sparse));
        },
        |model| {
            model.functions.push(FunctionProto {
                node: vec![dense_constant()],
                ..FunctionProto::default()
            });
        },
        |model| {
            let algorithm = GraphProto {
                node: vec![dense_constant()],
                ..GraphProto::default()
            };
            model.training_info.push(TrainingInfoProto {
                algorithm: Some(algorithm),
                ..TrainingInfoProto::default()
            });
        },
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let mut model = prelu(&[0.1; 3], &[3, 1, 1]);
        change(&mut model.model);
        let refused = read(&model).expect_err("weights lie elsewhere").to_string();
        let is_said = |part: &str| refused.contains(part);
        assert!(
            is_said("weights.bin") && is_said("one file"),
            "{place}: {refused}"
        );
    }
}

#[test]
fn slopes_that_would_fill_the_memory_are_not_made() {
    let mut one = prelu(&[0.2], &[1]);
    let done = one.rewrite_prelus(&shapes(&[("x", &[1, 1 << 40, 8, 8])]));
    assert_eq!(done.count, 0);
    assert!(done.left[0].contains("more slopes"), "{:?}", done.left);
    // Each for itself would be taken.
    let mut two = Made::new()
        .input("x", &[1, 3, 8, 8])
        .weight(floats("slope", &[1], &[0.2]))
        .node("PRelu", &["x", "slope"], "y")
        .node("PRelu", &["x", "slope"], "z")
        .model();
    let done = two.rewrite_prelus(&shapes(&[("x", &[1, 3 << 20, 8, 8])]));
    assert_eq!((done.count, done.left.len()), (1, 1));
}

#[test]
fn a_file_that_would_fill_the_memory_is_refused_before_it_is_built() {
    // Two bytes each here, hundreds in memory.
    let nodes = [0x0a, 0x00].repeat(20 << 20);
    let mut content = vec![0x08, 0x07, 0x3a];
    prost::encoding::encode_varint(nodes.len() as u64, &mut content);
    content.extend(nodes);
    let refused = OnnxModel::read(content.into());
    assert!(matches!(refused, Err(GraphError::TooMuchStructure(_))));
    // Weights are taken, however many.
    let weights = floats("w", &[9 << 20], &vec![0.0; 9 << 20]);
    let large = Made::new().weight(weights).node("Relu", &["w"], "y");
    assert!(read(&large.model()).is_ok());
}

#[test]
fn a_file_nested_without_end_is_refused() {
    let mut graph = GraphProto::default();
    for _ in 0..200 {
        let mut node = NodeProto::default();
        node.attribute.push(onnx::AttributeProto {
            g: Some(graph),
            ..onnx::AttributeProto::default()
        });
        graph = GraphProto {
            node: vec![node],
            ..GraphProto::default()
        };
    }
    let mut model = prelu(&[0.1; 3], &[3, 1, 1]);
    model.model.graph = Some(graph);
    assert!(matches!(read(&model), Err(GraphError::NotOnnx(_))));
}

proptest! {
    #[test]
    fn no_bytes_panic(content in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(OnnxModel::read(content.into()));
    }

    /// A network with some bytes changed, which gets further than noise.
    #[test]
    fn no_damaged_network_panics(at in 0_usize..10_000, byte: u8, cut in 0_usize..400) {
        let mut content = prelu(&[0.1, 0.2, 0.3], &[3]).encode();
        let length = content.len();
        content[at % length] = byte;
        content.truncate(length.saturating_sub(cut % 20));
        if let Ok(mut model) = OnnxModel::read(content.into()) {
            let known = shapes(&[("x", &[1, 3, 8, 8])]);
            model.drop_weight_inputs();
            model.rewrite_prelus(&known);
            model.free_batch(&known);
            model.tidy();
            drop(model.encode());
        }
    }
}

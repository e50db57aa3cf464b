mod hostile;
mod made;

use super::constants::{Constant, Values, constants};
use super::onnx::TensorProto;
use super::*;
use made::{Made, attribute, floats, integers, value};

fn read(model: &OnnxModel) -> Result<OnnxModel, GraphError> {
    OnnxModel::read(model.encode().into())
}

/// `PRelu` of this slope, which lies in the file with these dimensions.
fn prelu(slope: &[f32], dims: &[i64]) -> OnnxModel {
    Made::new()
        .input("x", &[1, 3, 8, 8])
        .weight(floats("slope", dims, slope))
        .node("PRelu", &["x", "slope"], "y")
        .output("y", &[1, 3, 8, 8])
        .model()
}

fn shapes(entries: &[(&str, &[i64])]) -> Shapes {
    let entries = entries.iter();
    entries
        .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
        .collect()
}

/// What a graph of `Conv` (depthwise, 1×1), `Relu` and `Add` makes of one number of a channel.
fn value_of(model: &OnnxModel, channel: usize, x: f32) -> f32 {
    let graph = model.graph();
    let weights = constants(graph);
    let mut found: HashMap<&str, f32> = HashMap::from([("x", x)]);
    for node in &graph.node {
        let input = |index: usize| found[node.input[index].as_str()];
        let result = match node.op_type() {
            "Relu" => input(0).max(0.0),
            "Add" => input(0) + input(1),
            "Conv" => {
                let Values::Floats(factors) = &weights[&node.input[1]].values else {
                    panic!("no factors in {node:?}");
                };
                assert_eq!(weights[&node.input[1]].dims[1..], [1, 1, 1]);
                input(0) * factors[channel]
            }
            other => panic!("{other} is not what a PRelu becomes"),
        };
        found.insert(&node.output[0], result);
    }
    found["y"]
}

#[test]
fn a_prelu_becomes_convolutions_that_compute_the_same() {
    // Slopes above 1 take the other way round; one for all is repeated.
    for slope in [&[0.25, -0.5, 1.0][..], &[0.1, 3.0, 0.0], &[0.2]] {
        let dims: &[i64] = if slope.len() == 1 { &[1] } else { &[3, 1, 1] };
        let mut model = prelu(slope, dims);
        let done = model.rewrite_prelus(&shapes(&[("x", &[1, 3, 8, 8])]));
        assert_eq!((done.count, done.left.len()), (1, 0), "{done:?}");
        for channel in 0..3 {
            let slope = slope.get(channel).unwrap_or(&slope[0]);
            for x in [-7.5_f32, -0.1, 0.0, 0.3, 90.0] {
                let expected = if x > 0.0 { x } else { slope * x };
                let found = value_of(&model, channel, x);
                assert!((found - expected).abs() <= 1e-5 * x.abs(), "{slope} {x}");
            }
        }
        assert_eq!(model.tidy(), 1, "the slope is used no more");
        let again = read(&model).expect("is still a network");
        assert_eq!(again.operators(), "2 Conv, 1 Add, 1 Relu");
    }
}

#[test]
fn a_prelu_that_might_mean_something_else_stays_as_it_is() {
    let map = || shapes(&[("x", &[1, 3, 8, 8])]);
    let row = || prelu(&[0.1, 0.2, 0.3], &[3]);
    let computed = Made::new()
        .input("x", &[1, 3, 8, 8])
        .node("Sigmoid", &["x"], "slope")
        .node("PRelu", &["x", "slope"], "y")
        .model();
    let cases = [
        (computed, map(), "computed, not a constant"),
        (row(), Shapes::new(), "could not be inferred"),
        (
            row(),
            shapes(&[("x", &[1, -1, 8, 8])]),
            "could not be inferred",
        ),
        (row(), shapes(&[("x", &[1, 3])]), "2 dimensions"),
        // Three columns, or three channels?
        (
            row(),
            shapes(&[("x", &[1, 3, 3, 3])]),
            "not one number per channel",
        ),
        (
            row(),
            shapes(&[("x", &[1, 3, -1, -1])]),
            "not one number per channel",
        ),
        (
            prelu(&[0.1; 8], &[1, 1, 8]),
            map(),
            "not one number per channel",
        ),
        (prelu(&[0.1; 2], &[3, 1, 1]), map(), "not made of a few"),
        (prelu(&[], &[-3, 1, 1]), map(), "not made of a few"),
    ];
    for (mut model, shapes, reason) in cases {
        let before = model.encode();
        let done = model.rewrite_prelus(&shapes);
        assert_eq!((done.count, done.left.len()), (0, 1), "{reason}");
        assert!(
            done.left[0].contains(reason),
            "{:?} lacks {reason:?}",
            done.left
        );
        assert_eq!(model.encode(), before, "{reason}");
    }
    // Where columns are no valid reading, a row is channels; and always was before version 7.
    for (model, width) in [(row(), 8), (row().of_opset(6), 3)] {
        let mut model = model;
        let done = model.rewrite_prelus(&shapes(&[("x", &[1, 3, 8, width])]));
        assert_eq!(done.count, 1, "{width}: {:?}", done.left);
    }
}

impl OnnxModel {
    fn of_opset(mut self, version: i64) -> Self {
        self.model.opset_import[0].version = Some(version);
        self
    }

    fn target(&self) -> Vec<i64> {
        let reshapes = self.graph().node.iter();
        let reshape = reshapes.clone().find(|node| node.op_type() == "Reshape");
        let name = &reshape.expect("there is one").input[1];
        match &constants(self.graph())[name].values {
            Values::Integers(numbers) => numbers.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn shape_of(&self, name: &str) -> Vec<i64> {
        let graph = self.graph();
        let value = graph.input.iter().chain(&graph.output);
        let value = value.clone().find(|value| value.name() == name);
        made::shape_of(value.expect("is there"))
    }
}

fn reshaping(batch: i64, target: &[i64]) -> Made {
    Made::new()
        .input("x", &[batch, 3, 8, 8])
        .weight(integers("target", target))
        .node("Reshape", &["x", "target"], "y")
        .output("y", &[batch, 192])
}

#[test]
fn a_fixed_batch_is_freed_with_the_reshapes_that_keep_it() {
    for (batch, target, freed) in [
        (1, &[1, 192][..], &[0, 192][..]),
        (1, &[1, -1], &[0, -1]),
        (2, &[2, 192], &[0, 192]),
    ] {
        let mut model = reshaping(batch, target).model();
        let done = model.free_batch(&shapes(&[("x", &[batch, 3, 8, 8])]));
        assert_eq!((done.was, done.reshapes), (Some(batch), 1));
        assert_eq!(model.target(), freed);
        assert_eq!(model.shape_of("x"), [-1, 3, 8, 8]);
        assert_eq!(model.shape_of("y"), [-1, 192]);
    }
    // Zero means none here, and so −1 has to say it.
    let mut made = reshaping(1, &[1, 192]);
    made.last_node().attribute.push(attribute("allowzero", 1));
    let mut model = made.model();
    model.free_batch(&shapes(&[("x", &[1, 3, 8, 8])]));
    assert_eq!(model.target(), [-1, 192]);
}

#[test]
fn a_reshape_that_keeps_no_batch_stays_as_it_is() {
    let known = |first: i64| shapes(&[("x", &[first, 3, 8, 8])]);
    for (target, shapes) in [
        // Free already; another number; what comes in is no batch; nothing is known.
        (&[-1, 192][..], known(1)),
        (&[3, 64], known(1)),
        (&[1, 192], known(7)),
        (&[1, 192], Shapes::new()),
        (&[1], known(1)),
    ] {
        let mut model = reshaping(1, target).model();
        let done = model.free_batch(&shapes);
        assert_eq!((done.reshapes, done.left.len()), (0, 0), "{target:?}");
        assert_eq!(model.target(), target);
    }
    let mut made = reshaping(1, &[1, -1]);
    made.last_node().attribute.push(attribute("allowzero", 1));
    let done = made.model().free_batch(&known(1));
    assert_eq!((done.reshapes, done.left.len()), (0, 1));
}

#[test]
fn weights_leave_the_inputs_and_the_image_stays() {
    let mut model = Made::new()
        .input("x", &[1, 3, 8, 8])
        .input("w", &[3, 1, 1])
        .weight(floats("w", &[3, 1, 1], &[1.0; 3]))
        .node("Mul", &["x", "w"], "y")
        .output("y", &[1, 3, 8, 8])
        .model();
    model.model.ir_version = Some(3);
    assert_eq!(model.drop_weight_inputs(), 1);
    let inputs: Vec<&str> = model
        .graph()
        .input
        .iter()
        .map(ValueInfoProto::name)
        .collect();
    assert_eq!(inputs, ["x"]);
    assert_eq!(model.model.ir_version(), 4, "the first that allows it");
}

#[test]
fn what_leads_to_no_output_is_dropped_and_what_a_branch_uses_is_not() {
    let branch = GraphProto {
        node: vec![made::node("Mul", &["x", "in branch"], "z")],
        output: vec![value("z", &[1])],
        ..GraphProto::default()
    };
    let mut made = Made::new()
        .input("x", &[1])
        .weight(floats("in branch", &[1], &[1.0]))
        .weight(floats("nowhere", &[1], &[1.0]))
        .weight(floats("to nothing", &[1], &[1.0]))
        .node("Mul", &["x", "to nothing"], "nothing")
        .node("If", &["x"], "y")
        .output("y", &[1]);
    made.last_node().attribute.push(onnx::AttributeProto {
        name: Some("then_branch".to_owned()),
        g: Some(branch),
        ..onnx::AttributeProto::default()
    });
    let mut model = made.model();
    assert_eq!(model.tidy(), 2);
    let left = model.graph().initializer.iter().map(TensorProto::name);
    assert_eq!(left.collect::<Vec<_>>(), ["in branch"]);
    assert_eq!(model.operators(), "1 If");
}

#[test]
fn tensors_are_shown_once() {
    let model = prelu(&[0.1; 3], &[3, 1, 1]);
    assert_eq!(model.tensors_to_know(), ["x"]);
    let shown = model.showing(&["x".to_owned(), "y".to_owned(), "inner".to_owned()]);
    let names: Vec<&str> = shown
        .graph()
        .output
        .iter()
        .map(ValueInfoProto::name)
        .collect();
    assert_eq!(names, ["y", "inner"], "inputs and outputs are seen anyway");
}

#[test]
fn constants_are_read_however_they_are_stored() {
    let numbers = |tensor: TensorProto| {
        let model = Made::new().weight(tensor).model();
        let found = constants(model.graph());
        found["c"].clone()
    };
    let raw = floats("c", &[2], &[1.5, -2.0]);
    let mut listed = raw.clone();
    (listed.raw_data, listed.float_data) = (None, vec![1.5, -2.0]);
    let expected = Constant {
        dims: vec![2],
        values: Values::Floats(vec![1.5, -2.0]),
    };
    assert_eq!(numbers(raw.clone()), expected);
    assert_eq!(numbers(listed), expected);
    for dims in [&[3][..], &[-2], &[i64::MAX, i64::MAX], &[1 << 40]] {
        let lying = TensorProto {
            dims: dims.to_vec(),
            ..raw.clone()
        };
        assert_eq!(numbers(lying).values, Values::Other, "{dims:?}");
    }
}

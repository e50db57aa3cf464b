"""Tests of the model preparation on small networks made here. Run: python -m unittest discover -s models/prepare"""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import check  # noqa: E402
import graph  # noqa: E402
import prepare  # noqa: E402

CHANNELS, HEIGHT, WIDTH = 6, 5, 7
SLOPES = np.array([0.25, -0.4, 0.0, 1.0, 1.12, -1.5], np.float32)  # SFace has slopes below 0 and above 1 too.


def network(nodes, initializers, shape=(1, CHANNELS, HEIGHT, WIDTH), output=None, opset=11):
    """A model data → y; the initializers are also listed as inputs, as in the published SFace."""
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in initializers.items()]
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)]
    inputs += [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, output or shape)]
    model = helper.make_model(
        helper.make_graph(nodes, "net", inputs, outputs, tensors), opset_imports=[helper.make_opsetid("", opset)]
    )
    model.ir_version = 6
    return model


def prelu(slope, **options):
    """A network of one PRelu with the given slope."""
    return network([helper.make_node("PRelu", ["data", "slope"], ["y"], "act")], {"slope": slope}, **options)


def embedder():
    """A small network built like SFace: convolution, PRelu, reshape with the batch fixed at 1, fully connected."""
    random = np.random.default_rng(3)
    draw = lambda *shape: (random.standard_normal(shape) * 0.05).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["data", "w1"], ["c1"], "conv_1", pads=[1, 1, 1, 1], doc_string="/home/someone/net.py"),
        helper.make_node("PRelu", ["c1", "a1"], ["r1"], "relu_1"),
        helper.make_node("Reshape", ["r1", "shape"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "w2", "b2"], ["y"], "fc", transB=1),
    ]
    weights = {
        "w1": draw(CHANNELS, 3, 3, 3), "a1": SLOPES.reshape(-1, 1, 1), "shape": np.array([1, -1], np.int64),
        "w2": draw(32, CHANNELS * 16 * 16), "b2": draw(32),
    }
    return network(nodes, weights, shape=(1, 3, 16, 16), output=(1, 32))


def run(model, data):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"data": data})[0]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def samples(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32) * 3


class PReluTest(unittest.TestCase):
    def assert_rewritten(self, model, slope_per_channel):
        graph.drop_initializer_inputs(model)
        self.assertEqual((1, []), graph.rewrite_prelus(model))
        graph.free_dimensions(model, {0: "batch"})
        graph.tidy(model, {})
        onnx.checker.check_model(model, full_check=True)
        self.assertNotIn("PRelu", graph.operators(model))
        data = samples(3, CHANNELS, HEIGHT, WIDTH)
        expected = np.where(data >= 0, data, data * slope_per_channel.reshape(1, -1, 1, 1))
        np.testing.assert_allclose(run(model, data), expected, rtol=1e-6, atol=1e-6)

    def test_every_shape_a_slope_can_have_is_exact(self):
        for shape in [(CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (CHANNELS,)]:
            for slopes in (SLOPES, SLOPES.clip(-2, 1)):
                with self.subTest(shape=shape, largest=slopes.max()):
                    self.assert_rewritten(prelu(slopes.reshape(shape)), slopes)

    def test_one_slope_for_all_channels_is_exact(self):
        for shape in [(1,), (), (1, 1, 1)]:
            for slope in (0.25, 1.7):
                with self.subTest(shape=shape, slope=slope):
                    value = np.full(shape, slope, np.float32)
                    self.assert_rewritten(prelu(value), np.full(CHANNELS, slope, np.float32))

    def test_slope_in_a_constant_node_is_exact(self):
        constant = helper.make_node("Constant", [], ["slope"], value=numpy_helper.from_array(SLOPES.reshape(-1, 1, 1)))
        activation = helper.make_node("PRelu", ["data", "slope"], ["y"], "act")
        self.assert_rewritten(network([constant, activation], {}), SLOPES)

    def test_names_that_are_taken_are_not_used_twice(self):
        nodes = [
            helper.make_node("Identity", ["data"], ["act/linear"], "act/rectified"),
            helper.make_node("PRelu", ["act/linear", "act/linear/weight"], ["y"], "act"),
        ]
        self.assert_rewritten(network(nodes, {"act/linear/weight": SLOPES.reshape(-1, 1, 1)}), SLOPES)

    def test_two_prelus_without_a_name_may_share_a_slope(self):
        nodes = [
            helper.make_node("PRelu", ["data", "slope"], ["x"]),
            helper.make_node("Neg", ["x"], ["z"]),
            helper.make_node("PRelu", ["z", "slope"], ["y"]),
        ]
        model = network(nodes, {"slope": SLOPES.reshape(-1, 1, 1)})
        data = samples(1, CHANNELS, HEIGHT, WIDTH)
        expected = run(model, data)
        graph.drop_initializer_inputs(model)
        self.assertEqual((2, []), graph.rewrite_prelus(model))
        np.testing.assert_allclose(run(model, data), expected, rtol=1e-6, atol=1e-6)

    def assert_left(self, model, reason):
        before = [node.SerializeToString() for node in model.graph.node]
        rewritten, left = graph.rewrite_prelus(model)
        self.assertEqual((0, 1), (rewritten, len(left)))
        self.assertIn(reason, left[0])
        self.assertEqual(before, [node.SerializeToString() for node in model.graph.node])

    def test_prelu_after_the_fully_connected_layer_is_left(self):
        self.assert_left(prelu(np.full(8, 0.2, np.float32), shape=(1, 8)), "2 dimensions")

    def test_slope_per_pixel_is_left(self):
        self.assert_left(prelu(np.full((CHANNELS, HEIGHT, WIDTH), 0.2, np.float32)), "not one number per channel")

    def test_slope_that_may_mean_columns_is_left(self):
        square = (1, CHANNELS, CHANNELS, CHANNELS)
        self.assert_left(prelu(SLOPES, shape=square), "not one number per channel")

    def test_computed_slope_is_left(self):
        nodes = [
            helper.make_node("GlobalAveragePool", ["data"], ["slope"]),
            helper.make_node("PRelu", ["data", "slope"], ["y"], "act"),
        ]
        self.assert_left(network(nodes, {}), "computed")

    def test_unknown_number_of_channels_is_left(self):
        slope = np.full((CHANNELS, 1, 1), 0.2, np.float32)
        self.assert_left(prelu(slope, shape=(1, "c", HEIGHT, WIDTH)), "channels")


class DimensionsTest(unittest.TestCase):
    def test_batch_is_freed_through_a_reshape(self):
        model = embedder()
        graph.drop_initializer_inputs(model)
        data = samples(4, 3, 16, 16)
        alone = np.concatenate([run(model, row[None]) for row in data])
        self.assertEqual(1, graph.free_dimensions(model, {0: "batch"}))
        np.testing.assert_allclose(run(model, data), alone, rtol=1e-5, atol=1e-6)
        self.assertEqual(["batch", 32], prepare.dimensions(model.graph.output[0]))

    def test_height_and_width_are_freed(self):
        nodes = [
            helper.make_node("Conv", ["data", "w"], ["c"], strides=[2, 2]),
            helper.make_node("Transpose", ["c"], ["t"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["t", "shape"], ["y"]),
        ]
        weights = {"w": samples(4, 3, 2, 2), "shape": np.array([1, -1, 4], np.int64)}
        model = network(nodes, weights, shape=(1, 3, 8, 8), output=(1, 16, 4))
        graph.drop_initializer_inputs(model)
        graph.free_dimensions(model, {0: "batch", 2: "height", 3: "width"})
        onnx.checker.check_model(model, full_check=True)
        self.assertEqual(["batch", 3, "height", "width"], prepare.dimensions(model.graph.input[0]))
        self.assertEqual(["batch", "?", 4], prepare.dimensions(model.graph.output[0]))
        self.assertEqual((2, 12, 4), run(model, samples(2, 3, 8, 6)).shape)


class StoreFp16Test(unittest.TestCase):
    def test_large_weights_are_halved_and_arithmetic_stays_float32(self):
        model = embedder()
        graph.drop_initializer_inputs(model)
        data = samples(1, 3, 16, 16)
        before, size = run(model, data), model.ByteSize()
        self.assertEqual((1, []), graph.store_fp16(model))
        onnx.checker.check_model(model, full_check=True)
        self.assertLess(model.ByteSize(), 0.55 * size)
        after = run(model, data)
        self.assertEqual(np.float32, after.dtype)
        cosine = (before * after).sum() / np.linalg.norm(before) / np.linalg.norm(after)
        self.assertGreater(cosine, 0.99999)

    def test_weight_that_float16_cannot_hold_stays(self):
        for value in (1e5, 1e-8):  # beyond the largest, below the smallest number of float16
            model = embedder()
            for tensor in model.graph.initializer:
                if tensor.name == "w2":
                    tensor.CopyFrom(numpy_helper.from_array(np.full(tensor.dims, value, np.float32), "w2"))
            stored, left = graph.store_fp16(model)
            self.assertEqual((0, 1), (stored, len(left)))
            self.assertIn("w2 stays float32", left[0])

    def test_small_weights_and_slopes_stay_float32(self):
        model = embedder()
        graph.store_fp16(model)
        halved = [t.name for t in model.graph.initializer if t.data_type == TensorProto.FLOAT16]
        self.assertEqual(["w2/fp16"], halved)


class Detector:
    """What check.py calls a session: its only output is `numbers`, whatever it is given."""

    def __init__(self, numbers):
        self.numbers = np.array(numbers, np.float32)

    def get_inputs(self):
        return [SimpleNamespace(name="data", shape=[1, 3, 64, 64])]

    def run(self, _, feed):
        return [np.repeat(self.numbers[None], len(feed["data"]), axis=0)]


class CheckTest(unittest.TestCase):
    def compared(self, numbers):
        images = {name: Image.new("RGB", (64, 64)) for name in ("one", "two")}
        return check.compare_detectors(Detector([0.0, 0.5, 1.0]), Detector(numbers), images)

    def test_a_detector_passes_that_computes_the_same(self):
        self.assertTrue(self.compared([0.0, 0.5, 1.0])["passed"])
        self.assertFalse(self.compared([0.0, 0.5, 0.9])["passed"])

    def test_what_is_no_number_never_passes(self):
        for odd in (np.nan, np.inf):
            with self.subTest(odd=odd):
                self.assertFalse(self.compared([0.0, odd, 1.0])["passed"])


class FilesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_same_input_gives_the_same_bytes(self):
        source = self.folder / "net.onnx"
        source.write_bytes(embedder().SerializeToString())
        outputs = []
        for seed in ("1", "2"):
            output = self.folder / f"prepared_{seed}.onnx"
            command = [sys.executable, str(HERE / "prepare.py"), "embedder", str(source), str(output), "--store-fp16"]
            environment = {**os.environ, "PYTHONHASHSEED": seed}
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
            outputs.append(output.read_bytes())
        self.assertEqual(outputs[0], outputs[1])

    def test_exporters_leftovers_do_not_reach_the_output(self):
        source, output = self.folder / "net.onnx", self.folder / "out.onnx"
        source.write_bytes(embedder().SerializeToString())
        done = prepare.prepare("embedder", source, output, store_fp16=False)
        model = onnx.load(output)
        self.assertNotIn(b"someone", output.read_bytes())
        self.assertEqual(["data"], [value.name for value in model.graph.input])
        self.assertEqual(
            {"padan.source": "net.onnx", "padan.source_sha256": done.source_sha256},
            {entry.key: entry.value for entry in model.metadata_props},
        )
        self.assertEqual((5, 1), (done.initializer_inputs_dropped, done.prelus_rewritten))

    def test_damaged_file_is_refused(self):
        source = self.folder / "net.onnx"
        source.write_bytes(embedder().SerializeToString()[:-100])
        with self.assertRaisesRegex(prepare.PrepareError, "not a valid ONNX model"):
            prepare.prepare("embedder", source, self.folder / "out.onnx", store_fp16=False)
        self.assertEqual([source], list(self.folder.iterdir()))

    def test_what_cannot_be_written_leaves_nothing_behind(self):
        taken = self.folder / "folder.onnx"
        taken.mkdir()
        with self.assertRaisesRegex(prepare.PrepareError, "could not be written"):
            prepare.write(taken, b"content")
        self.assertEqual([taken], list(self.folder.iterdir()))

    def test_network_that_takes_no_picture_is_refused(self):
        source = self.folder / "net.onnx"
        model = network([helper.make_node("Relu", ["data"], ["y"])], {}, shape=(1, 8))
        source.write_bytes(model.SerializeToString())
        with self.assertRaisesRegex(prepare.PrepareError, r"must have one input .* data \[1, 8\]"):
            prepare.prepare("embedder", source, self.folder / "out.onnx", store_fp16=False)

    def test_another_file_than_the_published_one_is_refused(self):
        for item in prepare.PUBLISHED:
            (self.folder / item.file).write_bytes(b"something else")
        with self.assertRaisesRegex(prepare.PrepareError, "is not the published file"):
            prepare.prepare_all(self.folder, self.folder)

    def test_served_models_say_which_published_file_they_come_from(self):
        for item in prepare.PUBLISHED:
            with self.subTest(model=item.served):
                model = onnx.load(HERE.parent / item.served)
                facts = {entry.key: entry.value for entry in model.metadata_props}
                ranges = {"padan.calibration_ranges_sha256": digest(HERE / item.ranges)} if item.ranges else {}
                expected = {"padan.source": item.file, "padan.source_sha256": item.sha256, **ranges}
                pictures = ("padan.calibration_pictures", "padan.calibration_pictures_sha256") if item.ranges else ()
                self.assertEqual(expected, {key: value for key, value in facts.items() if key not in pictures})
                self.assertNotIn("PRelu", [node.op_type for node in model.graph.node])


if __name__ == "__main__":
    unittest.main()

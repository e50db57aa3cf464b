"""Tests of calibration and of the 8-bit network on a small network made here."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import calibrate  # noqa: E402
import quantise  # noqa: E402
import rounding  # noqa: E402
import steps  # noqa: E402
from test_prepare import network  # noqa: E402

SIDE, DIMENSION = 112, 16
MEAN, SCALE = 127.5, 1 / 128
# What 8 bits cost this network is at most 0.0003 on these pictures.
COSINE_MIN = 0.999


def chain(channels=8, extra=None):
    """Built like SFace: a first convolution, a depthwise one, a 1×1 one, then a fully connected layer."""
    random = np.random.default_rng(5)
    draw = lambda *shape: random.standard_normal(shape).astype(np.float32)
    slopes = lambda: random.uniform(-0.6, 1.1, (channels, 1, 1)).astype(np.float32)
    normalisation = lambda n: [random.uniform(0.5, 2, n).astype(np.float32), draw(n), draw(n),
                               random.uniform(0.5, 2, n).astype(np.float32)]
    nodes = [
        helper.make_node("Sub", ["data", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["n0"]),
        helper.make_node("Conv", ["n0", "w0"], ["c0"], pads=[1] * 4, strides=[4, 4]),
        helper.make_node("BatchNormalization", ["c0", *(f"bn{i}" for i in range(4))], ["n1"]),
        helper.make_node("PRelu", ["n1", "s0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"], pads=[1] * 4, strides=[2, 2], group=channels),
        helper.make_node("PRelu", ["c1", "s1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[0] * 4, strides=[1, 1]),
        helper.make_node("PRelu", ["c2", "s2"], ["r2"]),
        *(extra or []),
        helper.make_node("BatchNormalization", ["r2", *(f"bn{i}" for i in range(4, 8))], ["n2"]),
        helper.make_node("Flatten", ["n2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["y"], transB=1),
    ]
    weights = {
        "mean": np.float32(MEAN), "scale": np.float32(SCALE), "w0": draw(channels, 3, 3, 3), "s0": slopes(),
        "w1": draw(channels, 1, 3, 3), "s1": slopes(), "w2": draw(channels, channels, 1, 1), "b2": draw(channels),
        "s2": slopes(), "w3": draw(DIMENSION, channels * 14 * 14), "b3": draw(DIMENSION),
        **{f"bn{i}": value for i, value in enumerate(normalisation(channels) + normalisation(channels))},
    }
    return network(nodes, weights, shape=(1, 3, SIDE, SIDE), output=(1, DIMENSION))


def pictures(count, seed):
    """Bytes [n, height, width, 3]: smooth, as photographs are, with some noise."""
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (count, 8, 8, 3)).repeat(14, 1).repeat(14, 2)
    return np.clip(coarse + random.normal(0, 20, coarse.shape), 0, 255).astype(np.uint8)


def run(model, data):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {session.get_inputs()[0].name: row[None]})[0] for row in data])


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def multiplied_as_pairs(model):
    """For each layer that multiplies in 8 bits, the sums of the weights that are multiplied as a pair."""
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor).astype(int) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "QLinearConv" and tensors[node.input[3]].shape[1] > 1:
            weight = tensors[node.input[3]].transpose(0, 2, 3, 1)
        elif node.op_type == "MatMulIntegerToFloat":
            weight = tensors[node.input[1]].T
        else:
            continue
        read = weight.reshape(len(weight), -1)
        read = np.pad(read, ((0, 0), (0, read.shape[1] % 2)))
        yield read[:, ::2] + read[:, 1::2]


class QuantiseTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.model, cls.ranges = chain(), cls.folder / "ranges.npz"
        cls.network = quantise.read_network(cls.model)
        calibrate.walk(cls.network, pictures(40, seed=1)).save(cls.ranges, "digest", 40)

    def test_it_agrees_with_the_float_network(self):
        seen = pictures(20, seed=2)
        expected = run(self.model, seen.transpose(0, 3, 1, 2).astype(np.float32))
        found = run(quantise.quantise(self.model, self.ranges)[0], seen)
        self.assertGreater(cosines(expected, found).min(), COSINE_MIN)

    def test_the_same_input_gives_the_same_bytes(self):
        source, outputs = self.folder / "chain.onnx", []
        source.write_bytes(self.model.SerializeToString())
        for seed in ("1", "2"):
            output = self.folder / f"eight_{seed}.onnx"
            command = [sys.executable, str(HERE / "prepare.py"), "quantise", str(source), str(self.ranges), str(output)]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.DEVNULL)
            outputs.append(output.read_bytes())
        self.assertEqual(outputs[0], outputs[1])

    def test_it_says_where_its_ranges_come_from(self):
        _, facts = quantise.quantise(self.model, self.ranges)
        self.assertEqual("40", facts["padan.calibration_pictures"])
        self.assertEqual("digest", facts["padan.calibration_pictures_sha256"])

    def test_no_two_products_exceed_16_bits(self):
        served = onnx.load(HERE.parent / "sface_2021dec_int8.onnx")
        for model in (served, quantise.quantise(self.model, self.ranges)[0]):
            largest = [np.abs(pairs).max() for pairs in multiplied_as_pairs(model)]
            self.assertGreater(len(largest), 1)
            self.assertLessEqual(255 * max(largest), 2**15 - 1)

    def test_rounding_keeps_pairs_within_their_limit(self):
        random = np.random.default_rng(3)
        inputs, cells = 18, 3
        partner = steps.partners(inputs, cells)
        np.testing.assert_array_equal(partner[partner], np.arange(inputs))
        weight = random.standard_normal((50, inputs))
        weight /= steps.weight_step(weight, partner)[:, None]
        read = random.standard_normal((inputs, inputs))
        found = rounding.round_weights(weight, (read @ read.T)[None], partner).astype(int)
        self.assertTrue((found != steps.nearest_bytes(weight)).any())
        self.assertLessEqual(np.abs(found + found[:, partner]).max(), steps.PAIR_MAX)

    def test_partners_are_read_one_after_the_other(self):
        # Three channels of two cells, as stored: 00 01 10 11 20 21; as read: 00 10 20 01 11 21.
        np.testing.assert_array_equal([2, 4, 0, 5, 1, 3], steps.partners(6, 2))
        np.testing.assert_array_equal([1, 0, 2], steps.partners(3, 1))

    def test_ranges_of_another_network_are_refused(self):
        with self.assertRaisesRegex(ValueError, "belong to another network.*prepare.py calibrate"):
            quantise.quantise(chain(channels=6), self.ranges)

    def test_ranges_that_cannot_be_read_are_refused(self):
        path = self.folder / "broken.npz"
        for content in (None, b"", b"something else", self.ranges.read_bytes()[:200]):
            with self.subTest(content=content):
                path.unlink(missing_ok=True)
                if content is not None:
                    path.write_bytes(content)
                with self.assertRaisesRegex(ValueError, "no usable ranges"):
                    quantise.quantise(self.model, path)

    def test_a_network_that_is_no_chain_is_refused(self):
        with self.assertRaisesRegex(ValueError, "Add sum is not part of a chain"):
            quantise.read_network(chain(extra=[helper.make_node("Add", ["r1", "r2"], ["sum"], "sum")]))
        without_end = chain()
        del without_end.graph.node[-1:]
        with self.assertRaisesRegex(ValueError, "is no chain"):
            quantise.read_network(without_end)

    def test_a_chain_with_a_link_that_would_be_lost_is_refused(self):
        node = helper.make_node
        second = node("Conv", ["r2", "w2"], ["c3"], "again", pads=[0] * 4, strides=[1, 1])
        cases = {
            # A convolution without a PRelu behind it.
            "Conv once": [second, node("Conv", ["c3", "w2"], ["r3"], "once", pads=[0] * 4, strides=[1, 1])],
            "Gemm full": [second, node("Gemm", ["c3", "w3", "b3"], ["r3"], "full", transB=1)],
            "Mul late": [node("Mul", ["r2", "scale"], ["r3"], "late")],
            # A branch that leaves a layer out.
            "PRelu aside reads something else": [node("PRelu", ["r1", "s2"], ["r3"], "aside")],
            "has automatic pads or dilations": [node("Conv", ["r2", "w2"], ["r3"], dilations=[2, 2], pads=[0] * 4)],
        }
        for message, extra in cases.items():
            with self.subTest(message=message):
                model = chain(extra=extra)
                following = next(node for node in model.graph.node if node.output[0] == "n2")
                following.input[0] = "r3"
                with self.assertRaisesRegex(ValueError, message):
                    quantise.read_network(model)

    def test_a_mean_or_a_scale_for_each_colour_is_refused(self):
        for name in ("mean", "scale"):
            with self.subTest(name=name):
                model = chain()
                tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
                tensor.CopyFrom(numpy_helper.from_array(np.array([1, 2, 3], np.float32).reshape(3, 1, 1), name))
                with self.assertRaisesRegex(ValueError, "another number for each colour"):
                    quantise.read_network(model)

    def test_factors_of_the_full_connection_are_refused(self):
        model = chain()
        model.graph.node[-1].attribute.append(helper.make_attribute("alpha", 0.5))
        with self.assertRaisesRegex(ValueError, "has factors"):
            quantise.read_network(model)

    def test_rounding_on_what_is_read_has_less_error_than_nearest(self):
        ranges, _, _ = quantise.load_ranges(self.ranges, self.network)
        builder = quantise.Builder(self.network, ranges)
        layer, source = self.network.layers[0], pictures(40, seed=1)
        weight, _ = builder.weight(0)
        read = rounding.covariance(layer, source, 128)[0]
        error = lambda found: float(np.einsum("ri,ij,rj->", d := (found - weight).reshape(len(weight), -1), read, d))
        self.assertTrue(ranges.correction[0].any())
        nearest = steps.nearest_bytes(weight)
        self.assertLess(error(nearest + ranges.correction[0]), 0.5 * error(nearest))


class QuantizedPReluTest(unittest.TestCase):
    def test_the_function_gives_the_formulas_bytes(self):
        threshold = np.array([0, 90, 128, 255], np.uint8)
        positive = np.array([1.0, 0.5, -1.7, 1.0], np.float32)
        negative = np.array([0.3, -0.5, 0.5, 2.5], np.float32)
        zero = 77
        x = np.arange(256, dtype=np.uint8)[:, None].repeat(4, 1).reshape(1, 16, 16, 4)
        distance = x.astype(np.float32) - threshold
        value = distance * np.where(distance > 0, positive, negative) + np.float32(zero)
        expected = np.round(np.clip(value, 0, 255)).astype(np.uint8)
        constants = {"threshold": threshold, "positive": positive, "negative": negative, "zero": np.uint8(zero)}
        node = helper.make_node(quantise.PRELU, ["x", *constants], ["y"], domain=quantise.DOMAIN)
        tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        values = [helper.make_tensor_value_info(name, TensorProto.UINT8, x.shape) for name in "xy"]
        model = helper.make_model(
            helper.make_graph([node], "prelu", values[:1], values[1:], tensors), ir_version=9,
            opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(quantise.DOMAIN, 1)],
            functions=[quantise.prelu_function()],
        )
        np.testing.assert_array_equal(expected, run(model, x))

    def test_a_tie_rounds_nothing_on_its_side_of_zero(self):
        slope, low, high = np.array([0.3, -0.4]), np.array([-1.0, -3.0]), np.array([2.0, 1.0])
        for tie, side in ((steps.TIED_ABOVE, 0), (steps.TIED_BELOW, 1)):
            found = steps.channel_steps(slope, low, high, np.full(2, tie), 60)
            np.testing.assert_allclose(np.abs(steps.prelu_factors(slope, found)[side]), 1, rtol=1e-6)

    def test_steps_reach_over_the_ranges(self):
        slope, low, high = np.array([0.3, -0.4, 0.9]), np.array([-1.0, -3.0, -4.0]), np.array([2.0, 1.0, 0.1])
        for tie in steps.TIES:
            found = steps.channel_steps(slope, low, high, np.full(3, tie), 60)
            for end in (low, high):
                byte = end / found.before + found.threshold
                self.assertTrue(((byte > -0.6) & (byte < 255.6)).all(), (tie, byte))
                after = np.where(end > 0, end, end * slope) / found.after + found.zero
                self.assertTrue(((after > -0.6) & (after < 255.6)).all(), (tie, after))


if __name__ == "__main__":
    unittest.main()

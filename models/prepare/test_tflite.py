"""Tests of the conversion from TensorFlow Lite, on small files made here. None needs a download."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import unittest

import numpy as np
import onnx
import onnxruntime
import tflite

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import graph  # noqa: E402
import tflite_file  # noqa: E402
import tflite_to_onnx  # noqa: E402
from tflite_samples import File  # noqa: E402

SAME, VALID = tflite.Padding.SAME, tflite.Padding.VALID
HALF_SLOPES = np.array([0.125, -0.2, 0.0, 0.5, 0.56, -0.75], np.float32)


def samples(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(model, pictures):
    """What an ONNX model makes of pictures [n, height, width, channels]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))})[0]


def converted(file, source, output):
    model = tflite_to_onnx.convert(tflite_file.read(file.bytes([source], [output])))
    onnx.checker.check_model(model, full_check=True)
    return model


def convolved(x, weight, strides, before, size):
    """By the definition: x [n, h, w, in], weight [out, h, w, in]; `before` zeros above and left, `size` after."""
    height, width = weight.shape[1:3]
    room = [(0, 0), (before[0], height + strides[0]), (before[1], width + strides[1]), (0, 0)]
    padded = np.pad(x, room)
    result = np.zeros((len(x), *size, len(weight)), np.float64)
    for row, column in np.ndindex(*size):
        top, left = row * strides[0], column * strides[1]
        window = padded[:, top : top + height, left : left + width]
        result[:, row, column] = np.einsum("nhwi,ohwi->no", window, weight)
    return result


def network():
    """A file with every operator, and what it computes: its batch is 2, the pictures are 8×6 with 2 channels."""
    file, channels = File(), len(HALF_SLOPES)
    first, bias = samples(channels, 3, 3, 2), samples(channels, seed=2)
    depthwise, project = samples(1, 3, 3, channels, seed=3), samples(channels, 1, 1, channels, seed=4)
    source = file.tensor(2, 8, 6, 2, name="input")
    x = file.convolution(source, first, bias, file.tensor(2, 4, 3, channels), Padding=SAME, StrideH=2, StrideW=2)
    skip = file.prelu(x, HALF_SLOPES)
    x = file.depthwise(skip, depthwise, bias, file.tensor(2, 4, 3, channels), Padding=SAME, DepthMultiplier=1)
    x = file.prelu(x, HALF_SLOPES, swapped=True)
    x = file.convolution(x, project, bias, file.tensor(2, 4, 3, channels), Padding=VALID)
    x = file.operator("ADD", [x, skip], file.tensor(2, 4, 3, channels), "AddOptions")
    output = file.flatten(x)

    def expected(pictures):
        prelu = lambda x: np.where(x > 0, x, 2 * HALF_SLOPES * x)
        # Eight rows by two: four outputs read rows 0 to 8, of which row 8 is zeros. Six columns likewise.
        skip = prelu(convolved(pictures, first, (2, 2), (0, 0), (4, 3)) + bias)
        alone = np.stack([depthwise[0] * (np.arange(channels) == one) for one in range(channels)])
        x = prelu(convolved(skip, alone, (1, 1), (1, 1), (4, 3)) + bias)
        return (x @ project[:, 0, 0].T + bias + skip).reshape(len(pictures), -1)

    return file, source, output, expected


class ConvolutionTest(unittest.TestCase):
    def test_same_padding_is_tensorflows(self):
        # size, kernel, stride → before, behind, after. Two outputs at stride 3 read 3 + 5 = 8 of 6: 2 zeros.
        for given, expected in [
            ((112, 3, 2), (0, 1, 56)), ((112, 3, 1), (1, 1, 112)), ((5, 2, 1), (0, 1, 5)), ((6, 5, 3), (1, 1, 2)),
            ((4, 1, 2), (0, 0, 2)), ((7, 3, 2), (1, 1, 4)), ((7, 7, 1), (3, 3, 7)),
        ]:
            with self.subTest(given=given):
                self.assertEqual(expected, tflite_to_onnx.padding(*given, same=True))
        self.assertEqual((0, 0, 1), tflite_to_onnx.padding(7, 7, 1, same=False))
        self.assertEqual((0, 0, 2), tflite_to_onnx.padding(6, 3, 2, same=False))

    def test_an_odd_zero_stands_behind(self):
        file = File()
        source = file.tensor(2, 4, 4, 1)
        output = file.tensor(2, 2, 2, 1)
        file.convolution(source, np.ones((1, 3, 3, 1)), [0.0], output, Padding=SAME, StrideH=2, StrideW=2)
        found = run(converted(file, source, file.flatten(output)), np.ones((1, 4, 4, 1), np.float32))
        # Windows begin at 0 and 2: the second one reads 2 of its 3 rows or columns, the rest is zeros.
        np.testing.assert_array_equal([[9, 6, 6, 4]], found)

    def test_height_and_width_are_not_exchanged(self):
        weight, bias = samples(4, 2, 3, 3), samples(4, seed=2)
        for padding, size in ((SAME, (3, 7)), (VALID, (2, 5))):
            with self.subTest(size=size):
                file = File()
                source, output = file.tensor(2, 5, 7, 3), file.tensor(2, *size, 4)
                file.convolution(source, weight, bias, output, Padding=padding, StrideH=2, StrideW=1)
                pictures = samples(3, 5, 7, 3, seed=5)
                # "SAME": 3 outputs at stride 2 read 6 rows of 5, 7 outputs at stride 1 read 9 columns of 7.
                expected = convolved(pictures, weight, (2, 1), (0, 1) if padding == SAME else (0, 0), size) + bias
                found = run(converted(file, source, file.flatten(output)), pictures)
                np.testing.assert_allclose(found, expected.reshape(3, -1), rtol=1e-5, atol=1e-5)

    def test_an_output_of_another_size_than_it_computes_is_refused(self):
        file = File()
        source, output = file.tensor(2, 4, 4, 1), file.tensor(2, 3, 3, 1)
        file.convolution(source, np.ones((1, 3, 3, 1)), [0.0], output, Padding=SAME, StrideH=2, StrideW=2)
        with self.assertRaisesRegex(ValueError, "another size than its convolution gives"):
            converted(file, source, file.flatten(output))


class NetworkTest(unittest.TestCase):
    def test_it_computes_what_the_file_says_for_any_batch(self):
        file, source, output, expected = network()
        model = converted(file, source, output)
        self.assertEqual("4 Conv, 2 PRelu, 1 Add, 1 Flatten", graph.operators(model))
        for count in (1, 2, 3):
            pictures = samples(count, 8, 6, 2, seed=9)
            np.testing.assert_allclose(run(model, pictures), expected(pictures), rtol=1e-4, atol=1e-4)

    def test_prelus_are_rewritten_and_compute_the_same(self):
        file, source, output, expected = network()
        model = converted(file, source, output)
        self.assertEqual((2, []), graph.rewrite_prelus(model))
        self.assertNotIn("PRelu", graph.operators(model))
        pictures = samples(3, 8, 6, 2, seed=9)
        np.testing.assert_allclose(run(model, pictures), expected(pictures), rtol=1e-4, atol=1e-4)

    def test_a_slope_is_twice_what_stands_in_the_file(self):
        file = File()
        source = file.tensor(2, 1, 1, len(HALF_SLOPES))
        model = converted(file, source, file.flatten(file.prelu(source, HALF_SLOPES)))
        pixels = np.array([[-2, -2, -2, -2, -2, -2], [3, 3, 3, 3, 3, 3]], np.float32).reshape(2, 1, 1, -1)
        expected = [[-0.5, 0.8, 0, -2, -2.24, 3], [3, 3, 3, 3, 3, 3]]
        np.testing.assert_allclose(run(model, pixels), expected, rtol=1e-6)

    def test_names_that_stand_twice_or_are_padans_are_told_apart(self):
        file, source, output, expected = network()
        file.tensors = [("embedding", *rest) for _, *rest in file.tensors]
        pictures = samples(2, 8, 6, 2, seed=9)
        found = run(converted(file, source, output), pictures)
        np.testing.assert_allclose(found, expected(pictures), rtol=1e-4, atol=1e-4)


class RefusedTest(unittest.TestCase):
    def refused(self, file, source, output, message):
        with self.assertRaisesRegex(ValueError, message):
            converted(file, source, output)

    def test_what_is_not_converted_is_named(self):
        cases = {
            "uses the operator SOFTMAX": lambda f, x, to: f.operator("SOFTMAX", [x], to),
            "RELU that is no part of a PReLU": lambda f, x, to: f.operator("RELU", [x], to),
            "ADD with an activation inside": lambda f, x, to: f.operator(
                "ADD", [x, x], to, "AddOptions", FusedActivationFunction=1
            ),
            "ADD of a constant": lambda f, x, to: f.operator(
                "ADD", [x, f.constant(np.ones((2, 4, 4, 3)))], to, "AddOptions"
            ),
            "ADD of feature maps of different sizes": lambda f, x, to: f.operator(
                "ADD", [x, f.tensor(2, 1, 1, 3)], to, "AddOptions"
            ),
            "CONV_2D with dilation": lambda f, x, to: f.convolution(
                x, np.ones((3, 3, 3, 3)), np.ones(3), to, Padding=SAME, DilationHFactor=2
            ),
            "CONV_2D of 3 channels with weights": lambda f, x, to: f.convolution(
                x, np.ones((3, 3, 3, 1)), np.ones(3), to, Padding=SAME
            ),
            "DEPTHWISE_CONV_2D of 3 channels with weights": lambda f, x, to: f.depthwise(
                x, np.ones((1, 3, 3, 6)), np.ones(6), to, Padding=SAME, DepthMultiplier=2
            ),
            r"CONV_2D to 3 channels with a bias \[1\]": lambda f, x, to: f.convolution(
                x, np.ones((3, 1, 1, 3)), np.ones(1), to
            ),
            "where a constant of floats is expected": lambda f, x, to: f.operator(
                "CONV_2D", [x, f.tensor(3, 3, 3, 3)], to, "Conv2DOptions", StrideH=1, StrideW=1,
                DilationHFactor=1, DilationWFactor=1,
            ),
            "stride 0": lambda f, x, to: f.convolution(x, np.ones((3, 1, 1, 3)), np.ones(3), to, StrideH=0),
        }
        for message, step in cases.items():
            with self.subTest(message=message):
                file = File()
                source, output = file.tensor(2, 4, 4, 3), file.tensor(2, 4, 4, 3)
                self.refused(file, source, file.flatten(step(file, source, output)), message)

    def test_a_prelu_whose_parts_are_read_elsewhere_is_none(self):
        file = File()
        source = file.tensor(2, 1, 1, 6)
        total = file.prelu(source, HALF_SLOPES)
        relu = file.operators[0][2][0]
        both = file.operator("ADD", [total, relu], file.tensor(2, 1, 1, 6), "AddOptions")
        self.refused(file, source, file.flatten(both), "RELU that is no part of a PReLU")

    def test_a_reshape_that_would_mix_positions_is_refused(self):
        for shape in ((2, 12), (2, 3), (4, 3)):
            with self.subTest(shape=shape):
                file = File()
                source = file.tensor(2, 2, 2, 3)
                sizes = file.constant(np.array(shape, np.int32))
                output = file.operator("RESHAPE", [source, sizes], file.tensor(*shape))
                self.refused(file, source, output, r"only \[n, 1, 1, c\] to \[n, c\]")

    def test_other_elements_than_floats_are_refused(self):
        file = File()
        source = file.tensor(2, 1, 1, 3, element=tflite.TensorType.UINT8)
        self.refused(file, source, file.flatten(source), "only 32-bit numbers are converted")

    def test_several_graphs_or_outputs_are_refused(self):
        file, source, output, _ = network()
        file.graphs = 2
        self.refused(file, source, output, "only files with one are converted")
        content = network()[0].bytes([source], [output, output])
        with self.assertRaisesRegex(ValueError, "must have one input and one output"):
            tflite_to_onnx.convert(tflite_file.read(content))

    def test_damage_is_an_error_and_nothing_else(self):
        file, source, output, _ = network()
        content = file.bytes([source], [output])
        random = np.random.default_rng(7)
        damaged = [b"", b"something else", *(content[:size] for size in range(8, len(content), 997))]
        for _ in range(300):
            bytes_ = bytearray(content)
            for place in random.integers(8, len(content), 3):
                bytes_[place] = random.integers(256)
            damaged.append(bytes(bytes_))
        refused = 0
        for one in damaged:
            try:
                tflite_to_onnx.convert(tflite_file.read(one))
            except ValueError:
                refused += 1
        self.assertGreater(refused, 10)
        for one in damaged[:3]:
            with self.assertRaisesRegex(ValueError, "Fetch it again"):
                tflite_file.read(one)


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        file, source, output, _ = network()
        self.source = self.folder / "net.tflite"
        self.source.write_bytes(file.bytes([source], [output]))

    def call(self, *arguments, seed="0"):
        command = [sys.executable, str(HERE / "tflite_to_onnx.py"), *map(str, arguments)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def test_the_same_input_gives_the_same_bytes(self):
        outputs = []
        for seed in ("1", "2"):
            output = self.folder / f"out_{seed}.onnx"
            self.assertEqual(0, self.call("convert", self.source, output, seed=seed).returncode)
            outputs.append(output.read_bytes())
        self.assertEqual(outputs[0], outputs[1])

    def test_it_says_what_it_was_made_from(self):
        done = tflite_to_onnx.convert_file(self.source, self.folder / "out.onnx", keep_prelu=False)
        model = onnx.load(self.folder / "out.onnx")
        facts = {entry.key: entry.value for entry in model.metadata_props}
        digest = hashlib.sha256(self.source.read_bytes()).hexdigest()
        self.assertEqual({"padan.source": "net.tflite", "padan.source_sha256": digest}, facts)
        self.assertEqual({"input": ["batch", 2, 8, 6]}, done.inputs)
        self.assertEqual({"embedding": ["batch", 72]}, done.outputs)

    def test_what_cannot_be_converted_exits_2_and_leaves_nothing_behind(self):
        self.source.write_bytes(self.source.read_bytes()[:1000])
        for source, said in ((self.source, "Fetch it again"), (self.folder / "none", "could not be read")):
            done = self.call("convert", source, self.folder / "out.onnx")
            self.assertEqual(2, done.returncode)
            self.assertIn(said, done.stderr)
            self.assertIn(str(source), done.stderr)
            self.assertNotIn("Traceback", done.stderr)
        self.assertEqual([self.source], list(self.folder.iterdir()))

    def test_a_missing_package_is_named_with_what_installs_it(self):
        for script, target in (("prepare", "models"), ("tflite_to_onnx", "second-model")):
            with self.subTest(script=script):
                # Without `site` no package is found.
                command = [sys.executable, "-S", "-B", str(HERE / f"{script}.py"), "--help"]
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual(2, done.returncode)
                self.assertRegex(done.stderr, rf"^{script}: the Python package '\w+' is missing. Run `make {target}`, ")
                self.assertIn(f"--require-hashes -r {HERE / 'requirements.txt'}", done.stderr)

    def test_set_up_fetches_the_file_that_the_manifest_names(self):
        models = tomllib.loads((HERE.parent / "manifest.toml").read_text(encoding="utf-8"))["model"]
        entry = next(entry for entry in models if entry["id"] == "mobilefacenet")
        self.assertFalse(entry["commercial_use"])
        digest = entry["source"].rsplit(" ", 1)[1]
        self.assertIn(f"SECOND_SHA256={digest}\n", (ROOT / ".setup" / "second.sh").read_text(encoding="utf-8"))
        self.assertIn(f"/models/{entry['file']}", (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    unittest.main()

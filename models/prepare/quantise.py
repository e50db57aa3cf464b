"""An 8-bit network from a published one: a chain of convolution, batch normalisation and PRelu, then a fully connected layer.

What is written runs in ONNX Runtime's 8-bit kernels from the first byte of the picture to the last layer: activations
are bytes in NHWC order, weights are signed bytes with one scale per output channel. Between two convolutions stands
`padan.QuantizedPRelu`, which padan computes in one pass over the bytes. The file holds its definition in standard
operators too, so that other runtimes can run the network, only slower.

Every channel has its own scale, before and after its PRelu: what a channel's bytes mean is put into the weights of the
convolution that reads them (cross-layer equalisation, taken to its end: Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", 2019). The shift of each channel's mean that rounding leaves is measured and
put right in the bias (the same paper).

Two things are chosen by what they do to real faces, in rounding.py. Where it helps, a channel has one step before and
after its PRelu, so that the PRelu rounds nothing on one side of 0. And a weight may be rounded to another byte than the
nearest, so that errors of weights that are read together cancel (as in GPTQ: Frantar et al., 2022).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pathlib
import zipfile
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from graph import BATCH, constants
from steps import Steps, channel_steps, nearest_bytes, partners, prelu_factors, rounded, weight_step

SIDE = 112
PRELU, DOMAIN = "QuantizedPRelu", "padan"
MICROSOFT = "com.microsoft"
# What a network that can be quantised is made of, and what of that changes no number.
PASSED = ("Dropout", "Flatten", "Reshape", "Identity")
LINKS = ("Sub", "Mul", "Conv", "BatchNormalization", "PRelu", "Gemm", *PASSED)


@dataclasses.dataclass
class Layer:
    """A convolution with the normalisation around it folded in, and the slopes of the PRelu behind it."""

    weight: np.ndarray  # [out, in / group, height, width]
    bias: np.ndarray
    slope: np.ndarray
    group: int
    strides: list[int]
    pads: list[int]

    def partners(self) -> np.ndarray:
        """See `steps.partners`. A group with one input is multiplied in 32 bits, so nothing there is a pair."""
        inputs = self.weight[0].size
        return np.arange(inputs) if self.group > 1 else partners(inputs, self.weight[0, 0].size)


@dataclasses.dataclass
class Network:
    """Pixels become (pixel − mean) × scale; then the layers; then weight · features + bias."""

    mean: float
    scale: float
    layers: list[Layer]
    weight: np.ndarray  # [dimension, channels, cells]
    bias: np.ndarray
    input: str
    output: str


@dataclasses.dataclass
class Ranges:
    """What real faces do in a network, measured: all that quantisation has to know besides the weights."""

    low: list[np.ndarray]  # by layer, for each channel before its PRelu
    high: list[np.ndarray]
    tie: list[np.ndarray]  # one of TIES for each channel
    zero: list[int]  # by layer, the byte that stands for 0 after the PRelu
    correction: list[np.ndarray]  # what rounding adds to each weight's nearest byte
    shift: list[np.ndarray]  # what rounding moved each channel's mean by; the last one is the embedding's

    def save(self, path: pathlib.Path, digest: str, count: int) -> None:
        """Numbers of all layers one after the other, and which pictures they come from."""
        flat = {name: np.concatenate(getattr(self, name)).astype(np.float32) for name in ("low", "high", "shift")}
        flat["tie"], flat["zero"] = np.concatenate(self.tie).astype(np.uint8), np.array(self.zero, np.uint8)
        flat["correction"] = np.concatenate([values.reshape(-1) for values in self.correction]).astype(np.int8)
        np.savez_compressed(path, **flat, pictures_sha256=np.array(digest), pictures=np.array(count))


def no_ranges(network: Network) -> Ranges:
    """Nothing measured yet."""
    each = lambda: [np.zeros(len(layer.bias)) for layer in network.layers]
    correction = [np.zeros(layer.weight.shape, np.int8) for layer in network.layers]
    return Ranges(each(), each(), each(), [0] * len(network.layers), correction, [*each(), np.zeros(len(network.bias))])


def load_ranges(path: pathlib.Path, network: Network) -> tuple[Ranges, str, int]:
    """The ranges, the digest of the pictures they come from, and how many those were."""
    try:
        stored = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        sizes = [len(layer.bias) for layer in network.layers]
        weights = [layer.weight.size for layer in network.layers]
        parts = {
            "low": sizes, "high": sizes, "tie": sizes, "zero": [1] * len(sizes), "correction": weights,
            "shift": [*sizes, len(network.bias)],
        }
        if any(stored[name].shape != (sum(lengths),) for name, lengths in parts.items()):
            raise ValueError("they belong to another network")
        cut = lambda name: np.split(stored[name].astype(np.float64), np.cumsum(parts[name])[:-1])
        ranges = Ranges(**{name: cut(name) for name in parts})
        ranges.zero = [int(zero[0]) for zero in ranges.zero]
        ranges.correction = [part.reshape(l.weight.shape) for part, l in zip(ranges.correction, network.layers)]
        return ranges, str(stored["pictures_sha256"]), int(stored["pictures"])
    except (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} holds no usable ranges ({error}). Make them with `prepare.py calibrate`.") from error


def read_network(model: onnx.ModelProto) -> Network:
    """Takes a network apart. Refuses one that is not such a chain."""
    values, layers = constants(model.graph), []
    mean, scale, normalisation, convolution, dense = 0.0, 1.0, None, None, None
    inputs = {tensor.name for tensor in model.graph.initializer}
    name = next(value.name for value in model.graph.input if value.name not in inputs)
    last = name
    for node in model.graph.node:
        if node.op_type == "Constant":
            continue
        stray = ValueError(f"{node.op_type} {node.name} is not part of a chain that can be quantised.")
        if node.op_type not in LINKS:
            raise stray
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        weights = [values[name].astype(np.float64) for name in node.input[1:] if name in values]
        if node.input[0] != last or len(weights) != len(node.input) - 1:
            raise ValueError(f"{node.op_type} {node.name} reads something else than what stands before it.")
        last = node.output[0]
        if node.op_type == "Sub" and node.input[0] == name:
            mean = _number(node, weights)
        elif node.op_type == "Mul" and not layers and convolution is normalisation is dense is None:
            scale *= _number(node, weights)
        elif node.op_type == "Conv" and convolution is normalisation is dense is None:
            convolution = _convolution_of(node, weights, attributes)
        elif node.op_type == "BatchNormalization":
            factor, offset = _normalisation(weights, attributes)
            if dense is not None:
                dense = (dense[0] * factor[:, None], dense[1] * factor + offset)
            elif convolution is not None:
                convolution.weight = convolution.weight * factor[:, None, None, None]
                convolution.bias = convolution.bias * factor + offset
            elif normalisation is None:
                normalisation = (factor, offset)
            else:
                raise stray
        elif node.op_type == "PRelu" and convolution is not None:
            convolution.slope = np.broadcast_to(weights[0].reshape(-1), convolution.bias.shape)
            layers.append(convolution)
            convolution = None
        elif node.op_type == "Gemm" and convolution is dense is None:
            dense = _dense_of(node, weights, attributes)
        elif node.op_type not in PASSED:
            raise stray
    if dense is None or normalisation is None or not layers:
        raise ValueError("the network is no chain of Conv, PRelu, BatchNormalization and Gemm.")
    weight, bias = _fold_in_front(dense, normalisation)
    return Network(mean, scale, layers, weight, bias, name, model.graph.output[0].name)


def _number(node, weights) -> float:
    """The one number that a mean or a scale is; the 8-bit network has one for all colours."""
    values = weights[0].reshape(-1)
    if np.any(values != values[0]):
        raise ValueError(f"{node.op_type} {node.name} has another number for each colour, which cannot be quantised.")
    return float(values[0])


def _convolution_of(node, weights, attributes) -> Layer:
    """A convolution whose PRelu is still to come."""
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or set(attributes.get("dilations", [1])) != {1}:
        raise ValueError(f"{node.op_type} {node.name} has automatic pads or dilations, which cannot be quantised.")
    bias = weights[1] if len(weights) > 1 else np.zeros(len(weights[0]))
    strides, pads = list(attributes.get("strides", [1, 1])), list(attributes.get("pads", [0] * 4))
    return Layer(weights[0], bias, np.ones(len(bias)), attributes.get("group", 1), strides, pads)


def _dense_of(node, weights, attributes) -> tuple[np.ndarray, np.ndarray]:
    """Weights [dimension, features] and bias of a fully connected layer."""
    is_plain = (attributes.get("alpha", 1.0), attributes.get("beta", 1.0), attributes.get("transA", 0)) == (1.0, 1.0, 0)
    if not is_plain or len(weights) != 2:
        raise ValueError(f"{node.op_type} {node.name} has factors or no bias, which cannot be quantised.")
    return weights[0] if attributes.get("transB", 0) else weights[0].T, weights[1]


def _normalisation(weights, attributes) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta, mean, variance = weights
    factor = gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    return factor, beta - mean * factor


def _fold_in_front(dense, normalisation) -> tuple[np.ndarray, np.ndarray]:
    """A normalisation of feature maps, folded into the fully connected layer that reads them."""
    weight, bias = dense
    factor, offset = normalisation
    weight = weight.reshape(len(bias), len(factor), -1)
    return weight * factor[None, :, None], bias + (weight * offset[None, :, None]).sum((1, 2))


def float_part(layer: Layer) -> onnx.ModelProto:
    """One convolution in 32 bits: x → z."""
    tensors = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in (("w", layer.weight), ("b", layer.bias))]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "z")]
    nodes = [_convolution("Conv", layer, ["x", "w", "b"], "z")]
    graph = helper.make_graph(nodes, "float", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _convolution(kind: str, layer: Layer, inputs: list[str], output: str, **options) -> onnx.NodeProto:
    return helper.make_node(
        kind, inputs, [output], output, group=layer.group, strides=layer.strides, pads=layer.pads,
        kernel_shape=list(layer.weight.shape[2:]), **options,
    )


def pixel_zero(network: Network) -> int:
    """The byte that stands for 0 in pixels."""
    return int(np.ceil(network.mean))


class Builder:
    """Writes the 8-bit network, and keeps what its bytes mean."""

    def __init__(self, network: Network, ranges: Ranges):
        self.network, self.ranges = network, ranges
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.one, self.none = self.constant("one", np.float32(1)), self.constant("zero", np.uint8(0))
        self.no_shift = self.constant("signed_zero", np.int8(0))

    def build(self) -> onnx.ModelProto:
        """The whole network, from pixels to the embedding."""
        name, zero, layers = self.network.input, pixel_zero(self.network), self.network.layers
        zero_name = self.constant("pixel.zero", np.uint8(zero))
        for index in range(len(layers)):
            self.convolution(index, name, zero_name)
            name, zero_name = self.prelu(index)
        self.dense(name, zero_name)
        return self.model(SIDE, SIDE, 3, self.embedding())

    def part(self, index: int, height: int, width: int) -> onnx.ModelProto:
        """One convolution alone, from the bytes it reads to `q0`, `q1`, …; or the fully connected layer, the last one."""
        _, zero = self.reads(index)
        zero_name = self.constant("reads.zero", np.uint8(zero))
        if index == len(self.network.layers):
            self.dense(self.network.input, zero_name)
            return self.model(height, width, self.network.weight.shape[1], self.embedding())
        layer = self.network.layers[index]
        self.convolution(index, self.network.input, zero_name)
        result = helper.make_tensor_value_info(f"q{index}", TensorProto.UINT8, None)
        return self.model(height, width, layer.weight.shape[1] * layer.group, result)

    def steps(self, index: int) -> Steps:
        """What bytes mean before and behind a PRelu."""
        ranges, slope = self.ranges, self.network.layers[index].slope
        return channel_steps(slope, ranges.low[index], ranges.high[index], ranges.tie[index], ranges.zero[index])

    def reads(self, index: int) -> tuple[np.ndarray, int]:
        """By channel, the real value of one step of the bytes that a layer reads; and the byte for 0."""
        if index == 0:
            return np.full(3, self.network.scale), pixel_zero(self.network)
        return self.steps(index - 1).after, self.ranges.zero[index - 1]

    def weight(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """A convolution's weights in steps, not rounded yet, and the step of each output channel."""
        layer, (scale, _) = self.network.layers[index], self.reads(index)
        weight = layer.weight * (scale[:, None, None, None] if layer.group > 1 else scale[None, :, None, None])
        step = weight_step(weight.reshape(len(weight), -1), layer.partners())
        return weight / step.reshape(-1, 1, 1, 1), step

    def constant(self, name: str, value) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def convolution(self, index, source, zero_name) -> None:
        """Scales of the input go into the weights, those of the output too: the node itself has none."""
        layer, steps = self.network.layers[index], self.steps(index)
        # The padding's 0 is the byte next to the pixels' mean, not the mean itself.
        offset = (pixel_zero(self.network) - self.network.mean) * self.network.scale if index == 0 else 0.0
        bias = layer.bias + self.ranges.shift[index] + offset * layer.weight.sum((1, 2, 3))
        weight, weight_step = self.weight(index)
        weight = np.clip(nearest_bytes(weight) + self.ranges.correction[index], -127, 127).astype(np.int8)
        factor = weight_step / steps.before
        bias = np.clip(rounded(bias / weight_step + steps.threshold / factor), -(2**31), 2**31 - 1)
        inputs = [
            source, self.one, zero_name, self.constant(f"q{index}.weight", weight),
            self.constant(f"q{index}.factor", factor.astype(np.float32)), self.no_shift, self.one, self.none,
            self.constant(f"q{index}.bias", bias.astype(np.int32)),
        ]
        self.nodes.append(
            _convolution("QLinearConv", layer, inputs, f"q{index}", domain=MICROSOFT, channels_last=1)
        )

    def prelu(self, index) -> tuple[str, str]:
        """Name of what comes out, and of its zero byte."""
        steps, name = self.steps(index), f"a{index}"
        positive, negative = prelu_factors(self.network.layers[index].slope, steps)
        inputs = [
            f"q{index}", self.constant(f"{name}.threshold", steps.threshold),
            self.constant(f"{name}.positive", positive), self.constant(f"{name}.negative", negative),
            self.constant(f"{name}.zero", np.uint8(steps.zero)),
        ]
        self.nodes.append(helper.make_node(PRELU, inputs, [name], name, domain=DOMAIN))
        return name, f"{name}.zero"

    def dense(self, source, zero_name) -> None:
        scale, _ = self.reads(len(self.network.layers))
        weight = (self.network.weight * scale[None, :, None]).transpose(2, 1, 0)  # Cells first: NHWC.
        weight = weight.reshape(-1, len(self.network.bias))
        step = weight_step(weight.T, partners(len(weight), 1))
        weight = nearest_bytes(weight / step)
        bias = self.network.bias + self.ranges.shift[-1]
        self.nodes.append(helper.make_node("Reshape", [source, self.constant("rows", np.array([0, -1]))], ["flat"], "flat"))
        inputs = [
            "flat", self.constant("dense.weight", weight), self.one,
            self.constant("dense.factor", step.astype(np.float32)), zero_name,
            self.constant("dense.zero", np.zeros(len(step), np.int8)), self.constant("dense.bias", bias.astype(np.float32)),
        ]
        self.nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [self.network.output], "dense", domain=MICROSOFT))

    def embedding(self) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(self.network.output, TensorProto.FLOAT, [BATCH, len(self.network.bias)])

    def model(self, height, width, channels, result) -> onnx.ModelProto:
        source = helper.make_tensor_value_info(self.network.input, TensorProto.UINT8, [BATCH, height, width, channels])
        graph = helper.make_graph(self.nodes, "quantised", [source], [result], self.tensors)
        versions = [helper.make_opsetid(*version) for version in (("", 17), (MICROSOFT, 1), (DOMAIN, 1))]
        return helper.make_model(graph, opset_imports=versions, ir_version=9, functions=[prelu_function()])


def prelu_function() -> onnx.FunctionProto:
    """`padan.QuantizedPRelu` in standard operators: src/model/prelu.rs computes the same bytes."""
    node = helper.make_node
    body = [
        node("Cast", ["x"], ["byte"], to=TensorProto.FLOAT),
        node("Cast", ["threshold"], ["middle"], to=TensorProto.FLOAT),
        node("Cast", ["zero_point"], ["zero"], to=TensorProto.FLOAT),
        node("Sub", ["byte", "middle"], ["distance"]),
        node("Relu", ["distance"], ["above"]),
        node("Sub", ["distance", "above"], ["below"]),
        node("Mul", ["above", "positive"], ["raised"]),
        node("Mul", ["below", "negative"], ["lowered"]),
        node("Add", ["raised", "lowered"], ["sum"]),
        node("Add", ["sum", "zero"], ["shifted"]),
        node("Constant", [], ["least"], value_float=0.0),
        node("Constant", [], ["most"], value_float=255.0),
        node("Clip", ["shifted", "least", "most"], ["clipped"]),
        node("Round", ["clipped"], ["rounded"]),
        node("Cast", ["rounded"], ["y"], to=TensorProto.UINT8),
    ]
    inputs = ["x", "threshold", "positive", "negative", "zero_point"]
    return helper.make_function(DOMAIN, PRELU, inputs, ["y"], body, [helper.make_opsetid("", 17)])


def quantise(model: onnx.ModelProto, ranges_path: pathlib.Path) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The 8-bit network and where its ranges come from, for the file's metadata."""
    network = read_network(model)
    ranges, digest, count = load_ranges(ranges_path, network)
    built = Builder(network, ranges).build()
    ranges_digest = hashlib.sha256(ranges_path.read_bytes()).hexdigest()
    return built, {
        "padan.calibration_pictures": str(count),
        "padan.calibration_pictures_sha256": digest,
        "padan.calibration_ranges_sha256": ranges_digest,
    }

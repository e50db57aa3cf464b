"""An 8-bit network from a published one: a chain of convolution, batch normalisation and PRelu, then a fully connected layer.

What is written runs in ONNX Runtime's 8-bit kernels from the first byte of the picture to the last layer: activations
are bytes in NHWC order, weights are signed bytes with one scale per output channel. Between two convolutions stands
`padan.QuantizedPRelu`, which padan computes in one pass over the bytes. The file holds its definition in standard
operators too, so that other runtimes can run the network, only slower.

Every channel has its own scale, before and after its PRelu: what a channel's bytes mean is put into the weights of the
convolution that reads them (cross-layer equalisation, taken to its end: Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", 2019). The shift of each channel's mean that rounding leaves is measured and
put right in the bias (the same paper).
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from graph import BATCH, constants

SIDE = 112
# A channel's range covers this share of the pictures' extremes: the rarest per cent would cost all others resolution.
EXTREMES_PERCENTILE = 99
PRELU, DOMAIN = "QuantizedPRelu", "padan"
MICROSOFT = "com.microsoft"


@dataclasses.dataclass
class Layer:
    """A convolution with the normalisation around it folded in, and the slopes of the PRelu behind it."""

    weight: np.ndarray  # [out, in / group, height, width]
    bias: np.ndarray
    slope: np.ndarray
    group: int
    strides: list[int]
    pads: list[int]


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
    shift: list[np.ndarray]  # what rounding moved each channel's mean by; the last one is the embedding's

    def save(self, path: pathlib.Path, digest: str, count: int) -> None:
        """Numbers of all layers one after the other, and which pictures they come from."""
        flat = {name: np.concatenate(getattr(self, name)).astype(np.float32) for name in ("low", "high", "shift")}
        np.savez(path, **flat, pictures_sha256=np.array(digest), pictures=np.array(count))


def load_ranges(path: pathlib.Path, network: Network) -> tuple[Ranges, str, int]:
    """The ranges, the digest of the pictures they come from, and how many those were."""
    try:
        stored = np.load(path, allow_pickle=False)
        sizes = [len(layer.bias) for layer in network.layers]
        cut = lambda values, parts: np.split(values.astype(np.float64), np.cumsum(parts)[:-1])
        if len(stored["low"]) != sum(sizes) or len(stored["shift"]) != sum(sizes) + len(network.bias):
            raise ValueError("they belong to another network")
        shift = cut(stored["shift"], [*sizes, len(network.bias)])
        ranges = Ranges(cut(stored["low"], sizes), cut(stored["high"], sizes), shift)
        return ranges, str(stored["pictures_sha256"]), int(stored["pictures"])
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no usable ranges ({error}). Make them with `prepare.py calibrate`.") from error


def read_network(model: onnx.ModelProto) -> Network:
    """Takes a network apart. Refuses one that is not such a chain."""
    values, layers = constants(model.graph), []
    mean, scale, normalisation, convolution, dense = 0.0, 1.0, None, None, None
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        weights = [values[name].astype(np.float64) for name in node.input[1:] if name in values]
        if node.op_type == "Sub" and not layers:
            mean = float(weights[0].reshape(-1)[0])
        elif node.op_type == "Mul" and not layers:
            scale = float(weights[0].reshape(-1)[0])
        elif node.op_type == "Conv":
            bias = weights[1] if len(weights) > 1 else np.zeros(len(weights[0]))
            convolution = [weights[0], bias, attributes]
        elif node.op_type == "BatchNormalization":
            factor, offset = _normalisation(weights, attributes)
            if dense is not None:
                dense = (dense[0] * factor[:, None], dense[1] * factor + offset)
            elif convolution is not None:
                convolution[0] = convolution[0] * factor[:, None, None, None]
                convolution[1] = convolution[1] * factor + offset
            else:
                normalisation = (factor, offset)
        elif node.op_type == "PRelu" and convolution is not None:
            weight, bias, attributes = convolution
            strides, pads = list(attributes["strides"]), list(attributes["pads"])
            slope = np.broadcast_to(weights[0].reshape(-1), bias.shape)
            layers.append(Layer(weight, bias, slope, attributes.get("group", 1), strides, pads))
            convolution = None
        elif node.op_type == "Gemm":
            dense = (weights[0] if attributes.get("transB", 0) else weights[0].T, weights[1])
        elif node.op_type not in ("Dropout", "Flatten", "Reshape", "Identity", "Constant"):
            raise ValueError(f"{node.op_type} {node.name} is not part of a chain that can be quantised.")
    if dense is None or normalisation is None or not layers:
        raise ValueError("the network is no chain of Conv, PRelu, BatchNormalization and Gemm.")
    weight, bias = _fold_in_front(dense, normalisation)
    inputs = {tensor.name for tensor in model.graph.initializer}
    name = next(value.name for value in model.graph.input if value.name not in inputs)
    return Network(mean, scale, layers, weight, bias, name, model.graph.output[0].name)


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


def float_model(network: Network) -> onnx.ModelProto:
    """The network in 32 bits, with every convolution's result as an output `z0`, `z1`, …"""
    nodes, tensors, before = [], [], "x"
    for index, layer in enumerate(network.layers):
        for name, value in (("w", layer.weight), ("b", layer.bias), ("s", layer.slope.reshape(-1, 1, 1))):
            tensors.append(numpy_helper.from_array(value.astype(np.float32), f"{name}{index}"))
        nodes.append(_convolution("Conv", layer, [before, f"w{index}", f"b{index}"], f"z{index}"))
        nodes.append(helper.make_node("PRelu", [f"z{index}", f"s{index}"], [f"a{index}"]))
        before = f"a{index}"
    for name, value in (("w", network.weight.reshape(len(network.bias), -1)), ("b", network.bias)):
        tensors.append(numpy_helper.from_array(value.astype(np.float32), name))
    nodes += [helper.make_node("Flatten", [before], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["y"], transB=1)]
    outputs = ["y"] + [f"z{index}" for index in range(len(network.layers))]
    return helper.make_model(
        helper.make_graph(
            nodes, "float", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [BATCH, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs], tensors,
        ),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
    )


def _convolution(kind: str, layer: Layer, inputs: list[str], output: str, **options) -> onnx.NodeProto:
    return helper.make_node(
        kind, inputs, [output], output, group=layer.group, strides=layer.strides, pads=layer.pads,
        kernel_shape=list(layer.weight.shape[2:]), **options,
    )


class Builder:
    """Writes the 8-bit network, and keeps what its bytes mean."""

    def __init__(self, network: Network, ranges: Ranges):
        self.network, self.ranges = network, ranges
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        # Of each convolution's bytes: real value = (byte − zero) × step.
        self.step: list[np.ndarray] = []
        self.zero: list[np.ndarray] = []

    def build(self, results: list[str] | None = None) -> onnx.ModelProto:
        """The network; `results` names other outputs than the embedding: convolutions' bytes, `q0`, `q1`, …"""
        self.one, self.none = self.constant("one", np.float32(1)), self.constant("zero", np.uint8(0))
        self.no_shift = self.constant("signed_zero", np.int8(0))
        # (pixel − mean) × scale, with the padding's 0 at the byte next to the mean.
        zero = int(np.ceil(self.network.mean))
        name, scale = self.network.input, np.full(3, self.network.scale)
        zero_name = self.constant("pixel.zero", np.uint8(zero))
        for index, layer in enumerate(self.network.layers):
            offset = (zero - self.network.mean) * self.network.scale if index == 0 else 0.0
            self.convolution(index, layer, name, zero_name, scale, offset)
            name, zero_name, scale = self.prelu(index, layer)
        self.dense(name, zero_name, scale)
        return self.model(results)

    def constant(self, name: str, value) -> str:
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def convolution(self, index, layer, source, zero_name, scale, offset) -> None:
        """Scales of the input go into the weights, those of the output too: the node itself has none."""
        bias = layer.bias + self.ranges.shift[index] + offset * layer.weight.sum((1, 2, 3))
        weight = layer.weight * (scale[:, None, None, None] if layer.group > 1 else scale[None, :, None, None])
        weight_step, weight = _signed_bytes(weight, (1, 2, 3))
        low, high = np.minimum(self.ranges.low[index], 0), np.maximum(self.ranges.high[index], 1e-6)
        step = (high - low) / 255
        zero = np.clip(_round(-low / step), 0, 255)
        factor = weight_step / step
        bias = np.clip(_round(bias / weight_step + zero / factor), -(2**31), 2**31 - 1)
        inputs = [
            source, self.one, zero_name, self.constant(f"q{index}.weight", weight),
            self.constant(f"q{index}.factor", factor.astype(np.float32)), self.no_shift, self.one, self.none,
            self.constant(f"q{index}.bias", bias.astype(np.int32)),
        ]
        self.nodes.append(
            _convolution("QLinearConv", layer, inputs, f"q{index}", domain=MICROSOFT, channels_last=1)
        )
        self.step.append(step)
        self.zero.append(zero)

    def prelu(self, index, layer) -> tuple[str, str, np.ndarray]:
        """Name, name of the zero byte, and scale by channel of what comes out."""
        step, slope = self.step[index], layer.slope
        low, high = np.minimum(self.ranges.low[index], 0), np.maximum(self.ranges.high[index], 1e-6)
        # A negative slope turns the lower end up.
        after_low, after_high = np.minimum(slope * low, 0), np.maximum(high, slope * low)
        # Zero is one byte for all channels, so all must reach further up than down: some are stored with the sign turned.
        sign = np.where(-after_low > after_high, -1.0, 1.0)
        reach = np.maximum(after_high, -after_low)
        zero, scale = _common_zero(-np.minimum(after_high, -after_low), reach)
        scale = sign * scale
        name = f"a{index}"
        inputs = [
            f"q{index}", self.constant(f"{name}.threshold", self.zero[index].astype(np.uint8)),
            self.constant(f"{name}.positive", (step / scale).astype(np.float32)),
            self.constant(f"{name}.negative", (slope * step / scale).astype(np.float32)),
            self.constant(f"{name}.zero", np.uint8(zero)),
        ]
        self.nodes.append(helper.make_node(PRELU, inputs, [name], name, domain=DOMAIN))
        return name, f"{name}.zero", scale

    def dense(self, source, zero_name, scale) -> None:
        weight = (self.network.weight * scale[None, :, None]).transpose(2, 1, 0)  # Cells first: NHWC.
        step, weight = _signed_bytes(weight.reshape(-1, len(self.network.bias)), (0,))
        bias = self.network.bias + self.ranges.shift[-1]
        self.nodes.append(helper.make_node("Reshape", [source, self.constant("rows", np.array([0, -1]))], ["flat"], "flat"))
        inputs = [
            "flat", self.constant("dense.weight", weight), self.one,
            self.constant("dense.factor", step.astype(np.float32)), zero_name,
            self.constant("dense.zero", np.zeros(len(step), np.int8)), self.constant("dense.bias", bias.astype(np.float32)),
        ]
        self.nodes.append(helper.make_node("MatMulIntegerToFloat", inputs, [self.network.output], "dense", domain=MICROSOFT))

    def model(self, results) -> onnx.ModelProto:
        picture = helper.make_tensor_value_info(self.network.input, TensorProto.UINT8, [BATCH, SIDE, SIDE, 3])
        embedding = helper.make_tensor_value_info(self.network.output, TensorProto.FLOAT, [BATCH, len(self.network.bias)])
        inside = [helper.make_tensor_value_info(name, TensorProto.UINT8, None) for name in results or []]
        graph = helper.make_graph(self.nodes, "quantised", [picture], inside or [embedding], self.tensors)
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


def _round(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5)


def _signed_bytes(values: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Values as bytes from −127 to 127, and the step of each output channel; `axes` are the others."""
    step = np.maximum(np.abs(values).max(axes, keepdims=True) / 127, 1e-12)
    return step.reshape(-1), np.clip(_round(values / step), -127, 127).astype(np.int8)


def _common_zero(low: np.ndarray, high: np.ndarray) -> tuple[int, np.ndarray]:
    """The one byte that stands for 0 in all channels (padding needs it), chosen so that steps are small; and the steps."""
    best = None
    for zero in range(129):
        below = np.divide(-low, zero, out=np.where(low < 0, np.inf, 0.0), where=zero > 0)
        step = np.maximum(np.maximum(high / (255 - zero), below), 1e-12)
        cost = np.log(step).mean()
        if best is None or cost < best[0]:
            best = (cost, zero, step)
    return best[1], best[2]


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

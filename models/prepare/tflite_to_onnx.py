#!/usr/bin/env python3
"""Converts an ArcFace-style network from TensorFlow Lite to ONNX, and checks the two against each other.

  tflite_to_onnx.py convert IN.tflite OUT.onnx [--keep-prelu]    writes the network as padan runs it
  tflite_to_onnx.py check IN.tflite OUT.onnx                     compares them on faces and noise, and times them

It knows the operators of MobileFaceNet.tflite and refuses any other: convolutions, additions, a reshape at the end, and
PReLU in the words of TensorFlow 1. What is written takes pictures channels first with a free batch. Apart from that it
computes the same: normalisation stays outside, as it was. The same input gives the same bytes, on every machine.
`check` also needs onnxruntime, pillow and ai-edge-litert, which runs the original: `make second-model` sets it all up.
Exit codes: 0 done, 1 the check found a difference, 2 it could not be done (the message says what to do).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import missing

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    import graph
    import prepare
    import tflite_file
    from tflite_file import Network, Operator
except ImportError as error:
    missing.stop("tflite_to_onnx", "second-model", error)

INPUT, OUTPUT = "input", "embedding"
OPSET, IR_VERSION = 11, 6  # Those of the other models.


def convert(network: Network) -> onnx.ModelProto:
    """The network in ONNX, with each PReLU as one `PRelu`: [batch, 3, height, width] → [batch, dimension]."""
    return _Converter(network).model()


class _Converter:
    def __init__(self, network: Network):
        if len(network.inputs) != 1 or len(network.outputs) != 1:
            found = f"{len(network.inputs)} and {len(network.outputs)}"
            raise ValueError(f"must have one input and one output; it has {found}.")
        self.tensors = network.tensors
        self.input, self.output = network.inputs[0], network.outputs[0]
        self.operators = with_prelus(network)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.names = {self.input: INPUT}
        self.taken = {INPUT, OUTPUT}

    def model(self) -> onnx.ModelProto:
        size = self.picture(self.input)
        if len(self.shape(self.output)) != 2:
            raise ValueError(f"must give one embedding [batch, dimension]; it gives {list(self.shape(self.output))}.")
        for step in self.operators:
            getattr(self, f"_{step.kind.lower()}", self._stray)(step)
        self.source(self.output)  # Refuses an output that nothing computes.
        shapes = (INPUT, [graph.BATCH, *size]), (OUTPUT, [graph.BATCH, self.shape(self.output)[1]])
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes]
        body = helper.make_graph(self.nodes, "network", values[:1], values[1:], self.weights)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(body, opset_imports=[opset], ir_version=IR_VERSION)

    def shape(self, index: int) -> tuple[int, ...]:
        return self.tensors[index].shape

    def picture(self, index: int) -> tuple[int, int, int]:
        """Channels, height and width of a feature map."""
        shape = self.shape(index)
        if len(shape) != 4 or min(shape) < 1:
            raise ValueError(f"has {self.tensors[index].name} of shape {list(shape)} where a feature map is expected.")
        _, height, width, channels = shape
        return channels, height, width

    def source(self, index: int) -> str:
        """The name of something computed before."""
        if index not in self.names:
            raise ValueError(f"reads {self.tensors[index].name} before it is computed.")
        return self.names[index]

    def target(self, step: Operator) -> str:
        """The name of what a step computes."""
        index = step.outputs[0]
        if index in self.names or self.tensors[index].value is not None:
            raise ValueError(f"computes {self.tensors[index].name} twice.")
        self.names[index] = OUTPUT if index == self.output else self.unused(self.tensors[index].name)
        return self.names[index]

    def unused(self, wanted: str) -> str:
        name, count = wanted, 1
        while not name or name in self.taken:
            count += 1
            name = f"{wanted}_{count}"
        self.taken.add(name)
        return name

    def constant(self, index: int) -> np.ndarray:
        value = self.tensors[index].value
        if value is None or value.dtype != np.float32:
            raise ValueError(f"has {self.tensors[index].name} where a constant of floats is expected.")
        return value

    def weight(self, name: str, value: np.ndarray) -> str:
        name = self.unused(name)
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))

    def _conv_2d(self, step: Operator) -> None:
        weight = self.constant(step.inputs[1])  # [out, height, width, in]
        channels = self.picture(step.inputs[0])[0]
        if weight.ndim != 4 or weight.shape[3] != channels:
            raise ValueError(f"has a CONV_2D of {channels} channels with weights {list(weight.shape)}: not converted.")
        self.convolution(step, weight.transpose(0, 3, 1, 2), group=1)

    def _depthwise_conv_2d(self, step: Operator) -> None:
        weight = self.constant(step.inputs[1])  # [1, height, width, channels]
        channels = self.picture(step.inputs[0])[0]
        if weight.ndim != 4 or (weight.shape[0], weight.shape[3]) != (1, channels):
            found = list(weight.shape)
            raise ValueError(f"has a DEPTHWISE_CONV_2D of {channels} channels with weights {found}: not converted.")
        self.convolution(step, weight.transpose(3, 0, 1, 2), group=channels)

    def convolution(self, step: Operator, weight: np.ndarray, group: int) -> None:
        """A convolution with weights [out, in / group, height, width]."""
        _, *size = self.picture(step.inputs[0])
        channels, *size_after = self.picture(step.outputs[0])
        sides = [
            padding(*along, step.same_padding) for along in zip(size, weight.shape[2:], step.strides, strict=True)
        ]
        if (channels, *size_after) != (len(weight), *(after for _, _, after in sides)):
            raise ValueError(f"has {self.tensors[step.outputs[0]].name} in another size than its convolution gives.")
        biases = [self.constant(index) for index in step.inputs[2:]]
        if any(bias.shape != (channels,) for bias in biases):
            raise ValueError(f"has a {step.kind} to {channels} channels with a bias {list(biases[0].shape)}: not converted.")
        inputs, name = [self.source(step.inputs[0])], self.target(step)
        inputs.append(self.weight(f"{name}/weight", weight))
        inputs += [self.weight(f"{name}/bias", bias) for bias in biases]
        pads = [before for before, _, _ in sides] + [behind for _, behind, _ in sides]
        kernel = list(weight.shape[2:])
        self.node("Conv", inputs, name, group=group, kernel_shape=kernel, pads=pads, strides=list(step.strides))

    def _add(self, step: Operator) -> None:
        if len({self.picture(index) for index in (*step.inputs, *step.outputs)}) != 1:
            raise ValueError("has an ADD of feature maps of different sizes, which is not converted.")
        if any(self.tensors[index].value is not None for index in step.inputs):
            raise ValueError("has an ADD of a constant, which is not converted.")
        self.node("Add", [self.source(index) for index in step.inputs], self.target(step))

    def _prelu(self, step: Operator) -> None:
        source, slope = step.inputs
        value = self.constant(slope)
        channels, _, _ = self.picture(source)
        if value.shape != (channels,):
            raise ValueError(f"has a PReLU of {channels} channels with slopes {list(value.shape)}: not converted.")
        # TensorFlow 1 has a·(x − |x|) with half the slope, because x − |x| is 2·x below 0. Doubling is exact.
        doubled = (value * np.float32(2)).reshape(channels, 1, 1)
        read, name = self.source(source), self.target(step)
        self.node("PRelu", [read, self.weight(f"{name}/slope", doubled)], name)

    def _reshape(self, step: Operator) -> None:
        before, after = self.shape(step.inputs[0]), self.shape(step.outputs[0])
        # With one position the order of the dimensions does not matter.
        if len(before) != 4 or before[1:3] != (1, 1) or after != (before[0], before[3]):
            raise ValueError(f"reshapes {list(before)} to {list(after)}; only [n, 1, 1, c] to [n, c] is converted.")
        self.node("Flatten", [self.source(step.inputs[0])], self.target(step), axis=1)

    def _stray(self, step: Operator) -> None:
        raise ValueError(f"has a {step.kind} that is no part of a PReLU, which is not converted.")


def padding(size: int, kernel: int, stride: int, same: bool) -> tuple[int, int, int]:
    """Zeros before and behind, and the size after a convolution, along one side.

    With "SAME" TensorFlow takes what ⌈size / stride⌉ outputs need, and of an odd number one more behind than before.
    """
    if stride < 1 or kernel < 1:
        raise ValueError(f"has a convolution with kernel {kernel} and stride {stride}.")
    if not same:
        return 0, 0, (size - kernel) // stride + 1
    after = -(-size // stride)
    total = max((after - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2, after


def with_prelus(network: Network) -> list[Operator]:
    """The operators, with relu(x) + a·(x − |x|) as one PRELU of inputs x and a.

    TensorFlow 1 has no PReLU, so networks made with it write it like this.
    """
    made_by = {index: step for step in network.operators for index in step.outputs}
    readers = [index for step in network.operators for index in step.inputs] + network.outputs
    found, parts = {}, []
    for step in network.operators:
        match = _prelu_of(step, made_by) if step.kind == "ADD" else None
        if match and all(readers.count(part.outputs[0]) == 1 for part in match[1]):
            found[id(step)] = Operator("PRELU", match[0], step.outputs)
            parts += match[1]
    left_out = {id(part) for part in parts}
    return [found.get(id(step), step) for step in network.operators if id(step) not in left_out]


def _prelu_of(total: Operator, made_by: dict[int, Operator]) -> tuple[list[int], list[Operator]] | None:
    """x and a, and the four operators that lead to `total`; None when it is another sum."""
    relu, product = _made(total.inputs, made_by, "RELU", "MUL")
    if not product:
        return None
    difference, _ = _made(product.inputs, made_by, "SUB", None)
    if not difference:
        return None
    size = made_by.get(difference.inputs[1])
    if not size or size.kind != "ABS" or not size.inputs == relu.inputs == difference.inputs[:1]:
        return None
    slope = next(index for index in product.inputs if made_by.get(index) is not difference)
    return [relu.inputs[0], slope], [relu, product, difference, size]


def _made(inputs: list[int], made_by, one: str, other: str | None) -> tuple:
    """The operators of kinds `one` and `other` that make two inputs, in either order; None, None for other kinds."""
    makers = [made_by.get(index) for index in inputs]
    for pair in (makers, makers[::-1]):
        if len(pair) == 2 and [step.kind if step else None for step in pair] == [one, other]:
            return tuple(pair)
    return None, None


def convert_file(source: pathlib.Path, output: pathlib.Path, keep_prelu: bool) -> prepare.Prepared:
    """Writes the ONNX file of a TensorFlow Lite file; `keep_prelu` leaves out the rewriting that makes it fast."""
    content = prepare.read(source)
    try:
        model = convert(tflite_file.read(content))
    except ValueError as error:
        raise prepare.PrepareError(f"{source} {error}") from error
    rewritten, notes = (0, []) if keep_prelu else graph.rewrite_prelus(model)
    return prepare.finish(model, source, content, output, {}, prelus_rewritten=rewritten, notes=notes)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    path = pathlib.Path
    for name, purpose in (("convert", "write the ONNX file"), ("check", "compare it with the original")):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("source", type=path, metavar="IN.tflite")
        command.add_argument("output", type=path, metavar="OUT.onnx")
        command.add_argument("--json", action="store_true", help="print JSON in place of text")
    commands.choices["convert"].add_argument(
        "--keep-prelu", action="store_true", help="leave PRelu as one operator, which is slow, to compare"
    )
    command = commands.choices["check"]
    command.add_argument("--portraits", type=path, default=HERE.parent.parent / "tests" / "portraits", metavar="DIR",
                         help="JPEG photographs with one clear face each (default: tests/portraits)")
    command.add_argument("--detector", type=path, default=HERE.parent / "yunet_2023mar.onnx", metavar="FILE",
                         help="the prepared YuNet that finds the faces (default: the served one)")
    command.add_argument("--manifest", type=path, default=HERE.parent / "manifest.toml", metavar="FILE",
                         help="where OUT.onnx has an entry: its SHA-256, mean and scale (default: models/manifest.toml)")
    command.add_argument("--cosine-min", type=float, default=0.9999, metavar="C",
                         help="least cosine to the original that passes (default: %(default)s)")
    command.add_argument("--runs", type=int, default=100, metavar="N", help="timed runs of each (default: %(default)s)")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Does what was asked and prints it; returns the exit code."""
    if args.command == "convert":
        done = convert_file(args.source, args.output, args.keep_prelu)
        if args.json:
            print(json.dumps(dataclasses.asdict(done), indent=2))
        else:
            prepare.show(done)
        return 0
    try:
        import tflite_check
    except ImportError as error:
        raise prepare.PrepareError(
            f"`check` needs the Python package {error.name!r} too: run `make second-model`, which sets everything up."
        ) from error
    result = tflite_check.compare(args)
    print(json.dumps(result, indent=2) if args.json else tflite_check.as_text(result))
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    try:
        sys.exit(run(arguments()))
    except (prepare.PrepareError, ValueError) as problem:
        print(f"tflite_to_onnx: {problem}", file=sys.stderr)
        sys.exit(2)

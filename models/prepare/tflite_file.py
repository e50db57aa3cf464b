"""Reads a TensorFlow Lite file: its operators in order, its tensors and the weights in them.

Only what tflite_to_onnx.py converts is understood. Anything else, and any damage, is a `ValueError` that says what it is.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tflite

IDENTIFIER = b"TFL3"  # Stands at byte 4, before anything else that tells what the file is.
KINDS = {
    code: name
    for name, code in vars(tflite.BuiltinOperator).items()
    if name in ("ABS", "ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "MUL", "RELU", "RESHAPE", "SUB")
}
# The table of options that each operator keeps its settings in; ABS and RELU have none.
OPTIONS = {
    "ADD": (tflite.BuiltinOptions.AddOptions, tflite.AddOptions),
    "CONV_2D": (tflite.BuiltinOptions.Conv2DOptions, tflite.Conv2DOptions),
    "DEPTHWISE_CONV_2D": (tflite.BuiltinOptions.DepthwiseConv2DOptions, tflite.DepthwiseConv2DOptions),
    "MUL": (tflite.BuiltinOptions.MulOptions, tflite.MulOptions),
    "SUB": (tflite.BuiltinOptions.SubOptions, tflite.SubOptions),
}
# How many tensors each operator reads; it writes one.
READS = {"ABS": {1}, "ADD": {2}, "CONV_2D": {2, 3}, "DEPTHWISE_CONV_2D": {2, 3}, "MUL": {2}, "RELU": {1}, "RESHAPE": {1, 2},
         "SUB": {2}}
ELEMENTS = {tflite.TensorType.FLOAT32: "<f4", tflite.TensorType.INT32: "<i4"}
DAMAGED = "is no TensorFlow Lite file that can be read, or it is damaged ({}). Fetch it again."


@dataclasses.dataclass
class Tensor:
    """Something an operator reads or writes: `value` is None unless it is a constant."""

    name: str
    shape: tuple[int, ...]
    value: np.ndarray | None = None


@dataclasses.dataclass
class Operator:
    """One step: `inputs` and `outputs` are indices of tensors. Pictures are [batch, height, width, channels]."""

    kind: str
    inputs: list[int]
    outputs: list[int]
    same_padding: bool = False
    strides: tuple[int, int] = (1, 1)


@dataclasses.dataclass
class Network:
    """What a file says."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]


def read(content: bytes) -> Network:
    """The network in a file's bytes."""
    if content[4:8] != IDENTIFIER:
        raise ValueError(DAMAGED.format("it lacks the mark TFL3"))
    try:
        return _network(content)
    except UnsupportedError:
        raise
    except Exception as error:  # A wild offset surfaces as any of several unrelated types.
        raise ValueError(DAMAGED.format(f"{type(error).__name__}: {error}")) from error


class UnsupportedError(ValueError):
    """The file is sound as far as it was read, but holds something that is not converted."""


def _network(content: bytes) -> Network:
    model = tflite.Model.GetRootAs(content)
    if model.SubgraphsLength() != 1:
        raise UnsupportedError(f"holds {model.SubgraphsLength()} graphs; only files with one are converted.")
    graph = model.Subgraphs(0)
    tensors = [_tensor(model, graph.Tensors(index)) for index in range(graph.TensorsLength())]
    kinds = [_kind(model.OperatorCodes(index)) for index in range(model.OperatorCodesLength())]
    operators = [_operator(graph.Operators(index), kinds) for index in range(graph.OperatorsLength())]
    network = Network(tensors, operators, _numbers(graph.InputsAsNumpy()), _numbers(graph.OutputsAsNumpy()))
    used = [index for step in operators for index in (*step.inputs, *step.outputs)]
    for index in (*used, *network.inputs, *network.outputs):
        if not 0 <= index < len(tensors):
            raise ValueError(f"tensor {index} does not exist")
    return network


def _tensor(model, tensor) -> Tensor:
    name, shape = tensor.Name().decode(), tuple(_numbers(tensor.ShapeAsNumpy()))
    if tensor.Type() not in ELEMENTS:
        raise UnsupportedError(f"{name} has elements of type {tensor.Type()}; only 32-bit numbers are converted.")
    data = model.Buffers(tensor.Buffer())
    if not data.DataLength():
        return Tensor(name, shape)
    value = np.frombuffer(data.DataAsNumpy().tobytes(), ELEMENTS[tensor.Type()])
    return Tensor(name, shape, value.reshape(shape))


def _kind(code) -> str:
    # Newer files use the second field; older ones lack it and readers see 0.
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    if number not in KINDS:
        name = next((name for name, code in vars(tflite.BuiltinOperator).items() if code == number), number)
        raise UnsupportedError(f"uses the operator {name}, which is not converted. Converted are: {', '.join(KINDS.values())}.")
    return KINDS[number]


def _operator(step, kinds: list[str]) -> Operator:
    kind = kinds[step.OpcodeIndex()]
    found = Operator(kind, _numbers(step.InputsAsNumpy()), _numbers(step.OutputsAsNumpy()))
    if len(found.inputs) not in READS[kind] or len(found.outputs) != 1:
        raise ValueError(f"{kind} with {len(found.inputs)} inputs and {len(found.outputs)} outputs")
    if kind not in OPTIONS:
        return found
    kind_of_options, reader = OPTIONS[kind]
    if step.BuiltinOptionsType() != kind_of_options:
        raise ValueError(f"{kind} without its options")
    options = reader()
    options.Init(step.BuiltinOptions().Bytes, step.BuiltinOptions().Pos)
    if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
        raise UnsupportedError(f"has a {kind} with an activation inside, which is not converted.")
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise UnsupportedError(f"has a {kind} with dilation, which is not converted.")
        found.same_padding = options.Padding() == tflite.Padding.SAME
        found.strides = (options.StrideH(), options.StrideW())
    return found


def _numbers(found) -> list[int]:
    """A vector of the file; one that is left out reads as 0."""
    return [] if isinstance(found, int) else [int(number) for number in found]

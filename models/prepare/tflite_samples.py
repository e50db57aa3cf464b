"""TensorFlow Lite files made here, byte by byte, for test_tflite.py: what a converter of TensorFlow would have written."""

from __future__ import annotations

import flatbuffers
import numpy as np
import tflite

FLOAT32, INT32 = tflite.TensorType.FLOAT32, tflite.TensorType.INT32


class File:
    """Collects tensors and operators, and writes them."""

    def __init__(self):
        self.tensors: list[tuple] = []
        self.operators: list[tuple] = []
        self.graphs = 1

    def tensor(self, *shape: int, name: str = "", element: int = FLOAT32) -> int:
        """Something that is computed."""
        self.tensors.append((name or f"t{len(self.tensors)}", shape, element, b""))
        return len(self.tensors) - 1

    def constant(self, value) -> int:
        """A weight."""
        value = np.asarray(value)
        element = INT32 if value.dtype.kind == "i" else FLOAT32
        content = value.astype("<i4" if element == INT32 else "<f4").tobytes()
        self.tensors.append((f"t{len(self.tensors)}", value.shape, element, content))
        return len(self.tensors) - 1

    def operator(self, kind: str, inputs: list[int], output: int, options: str = "", **settings) -> int:
        """A step, with the options table `options` and what is set in it; returns its output."""
        self.operators.append((kind, inputs, [output], options, settings))
        return output

    def convolution(self, source: int, weight, bias, output: int, **settings) -> int:
        """A CONV_2D; settings as the schema names them: Padding, StrideH, …"""
        inputs = [source, self.constant(weight), self.constant(bias)]
        settings = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1, **settings}
        return self.operator("CONV_2D", inputs, output, "Conv2DOptions", **settings)

    def depthwise(self, source: int, weight, bias, output: int, **settings) -> int:
        """A DEPTHWISE_CONV_2D."""
        inputs = [source, self.constant(weight), self.constant(bias)]
        settings = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1, **settings}
        return self.operator("DEPTHWISE_CONV_2D", inputs, output, "DepthwiseConv2DOptions", **settings)

    def prelu(self, source: int, half_slope, swapped: bool = False) -> int:
        """relu(x) + a·(x − |x|), as TensorFlow 1 has it; `swapped` has sum and product the other way round."""
        shape = self.tensors[source][1]
        relu, size, difference, product, total = (self.tensor(*shape) for _ in range(5))
        self.operator("RELU", [source], relu)
        self.operator("ABS", [source], size)
        self.operator("SUB", [source, size], difference, "SubOptions")
        order = -1 if swapped else 1
        self.operator("MUL", [self.constant(half_slope), difference][::order], product, "MulOptions")
        return self.operator("ADD", [relu, product][::order], total, "AddOptions")

    def flatten(self, source: int) -> int:
        """[n, h, w, c] to [n, h·w·c] in that order, as a convolution over all of it and a reshape."""
        batch, height, width, channels = self.tensors[source][1]
        count = height * width * channels
        one_each = np.eye(count).reshape(count, height, width, channels)
        spread = self.tensor(batch, 1, 1, count)
        self.convolution(source, one_each, np.zeros(count), spread, Padding=tflite.Padding.VALID)
        shape = self.constant(np.array([batch, count], np.int32))
        return self.operator("RESHAPE", [spread, shape], self.tensor(batch, count))

    def bytes(self, inputs: list[int], outputs: list[int]) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1 << 16)
        kinds = sorted({kind for kind, *_ in self.operators})
        codes = _vector(builder, tflite.ModelStartOperatorCodesVector, [_code(builder, kind) for kind in kinds])
        buffers = [_buffer(builder, content) for *_, content in self.tensors]
        graphs = [self._graph(builder, kinds, inputs, outputs) for _ in range(self.graphs)]
        buffers = _vector(builder, tflite.ModelStartBuffersVector, buffers)
        graphs = _vector(builder, tflite.ModelStartSubgraphsVector, graphs)
        tflite.ModelStart(builder)
        tflite.ModelAddVersion(builder, 3)
        tflite.ModelAddOperatorCodes(builder, codes)
        tflite.ModelAddSubgraphs(builder, graphs)
        tflite.ModelAddBuffers(builder, buffers)
        builder.Finish(tflite.ModelEnd(builder), b"TFL3")
        return bytes(builder.Output())

    def _graph(self, builder, kinds, inputs, outputs) -> int:
        tensors = [_tensor(builder, index, *rest[:3]) for index, rest in enumerate(self.tensors)]
        operators = [_operator(builder, kinds.index(kind), *rest) for kind, *rest in self.operators]
        tensors = _vector(builder, tflite.SubGraphStartTensorsVector, tensors)
        operators = _vector(builder, tflite.SubGraphStartOperatorsVector, operators)
        inputs, outputs = _numbers(builder, inputs), _numbers(builder, outputs)
        tflite.SubGraphStart(builder)
        tflite.SubGraphAddTensors(builder, tensors)
        tflite.SubGraphAddInputs(builder, inputs)
        tflite.SubGraphAddOutputs(builder, outputs)
        tflite.SubGraphAddOperators(builder, operators)
        return tflite.SubGraphEnd(builder)


def _numbers(builder, values) -> int:
    return builder.CreateNumpyVector(np.array(values, np.int32))


def _vector(builder, start, offsets: list[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def _code(builder, kind: str) -> int:
    number = getattr(tflite.BuiltinOperator, kind)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, number)
    return tflite.OperatorCodeEnd(builder)


def _buffer(builder, content: bytes) -> int:
    data = builder.CreateNumpyVector(np.frombuffer(content, np.uint8)) if content else 0
    tflite.BufferStart(builder)
    if data:
        tflite.BufferAddData(builder, data)
    return tflite.BufferEnd(builder)


def _tensor(builder, buffer: int, name: str, shape, element: int) -> int:
    text, sizes = builder.CreateString(name), _numbers(builder, shape)
    tflite.TensorStart(builder)
    tflite.TensorAddShape(builder, sizes)
    tflite.TensorAddType(builder, element)
    tflite.TensorAddBuffer(builder, buffer)
    tflite.TensorAddName(builder, text)
    return tflite.TensorEnd(builder)


def _operator(builder, code: int, inputs, outputs, options: str, settings: dict) -> int:
    inputs, outputs, table = _numbers(builder, inputs), _numbers(builder, outputs), 0
    if options:
        getattr(tflite, f"{options}Start")(builder)
        for name, value in settings.items():
            getattr(tflite, f"{options}Add{name}")(builder, value)
        table = getattr(tflite, f"{options}End")(builder)
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options:
        tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, options))
        tflite.OperatorAddBuiltinOptions(builder, table)
    return tflite.OperatorEnd(builder)

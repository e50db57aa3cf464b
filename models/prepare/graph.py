"""Rewrites a published ONNX network into the form padan serves. Works on the model in memory; touches no file.

Each function changes the model it is given and says what it did. None of them changes what the network computes,
beyond the rounding of `store_fp16`, and none relies on the names of one particular network.
"""

from __future__ import annotations

import collections

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

BATCH = "batch"
# Below this many elements a tensor is not worth halving, and small tensors are the sensitive ones (biases, slopes).
FP16_ELEMENTS_MIN = 4096
# Largest relative error (root mean square over one output channel) that fp16 storage may cause: 2^-10.
FP16_ERROR_MAX = 2.0**-10


def constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """The value of every initializer and of every `Constant` node, by name."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    values[node.output[0]] = numpy_helper.to_array(attribute.t)
                elif attribute.name in ("value_float", "value_floats"):
                    values[node.output[0]] = np.array(helper.get_attribute_value(attribute), np.float32)
    return values


def shapes(model: onnx.ModelProto) -> dict[str, list[int | None]]:
    """The shape of every tensor that ONNX shape inference can find; an unknown dimension is None."""
    graph = shape_inference.infer_shapes(model).graph
    found = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        kind = value.type.tensor_type
        if kind.HasField("shape"):
            found[value.name] = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    return found


def unused_name(graph: onnx.GraphProto, wanted: str) -> str:
    """`wanted`, with a number appended when the graph has that name already."""
    taken = {tensor.name for tensor in graph.initializer}
    taken.update(name for node in graph.node for name in [node.name, *node.input, *node.output])
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def drop_initializer_inputs(model: onnx.ModelProto) -> int:
    """Takes weights out of the graph's inputs: a weight a caller could replace is one the runtime cannot fold."""
    names = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in names]
    dropped = len(model.graph.input) - len(kept)
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.ir_version = max(model.ir_version, 4)  # The first version that allows initializers outside the inputs.
    return dropped


def free_dimensions(model: onnx.ModelProto, free: dict[int, str]) -> int:
    """Gives the dimensions `free` (index → name) of every image input a name in place of a number.

    A reshape to [1, …] becomes [0, …], "as many as come in"; output dimensions that follow an input are freed with it.
    Returns the number of reshapes changed.
    """
    graph = model.graph
    for value in graph.input:
        for index, name in free.items():
            value.type.tensor_type.shape.dim[index].Clear()
            value.type.tensor_type.shape.dim[index].dim_param = name
    changed = _free_reshapes(graph)
    del graph.value_info[:]  # Stale: it was inferred for the published sizes.
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for value in bare.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = shapes(bare)
    for value in graph.output:
        known = inferred.get(value.name, [])
        for index, dim in enumerate(value.type.tensor_type.shape.dim):
            if index == 0:
                dim.Clear()
                dim.dim_param = BATCH
            elif len(free) > 1 and (index >= len(known) or known[index] != dim.dim_value):
                dim.Clear()
    return changed


def _free_reshapes(graph: onnx.GraphProto) -> int:
    values = constants(graph)
    changed = 0
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[0] in values or node.input[1] not in values:
            continue
        target = values[node.input[1]]
        if len(target) > 1 and target[0] == 1:
            freed = target.astype(np.int64)
            freed[0] = 0
            node.input[1] = _shared_constant(graph, f"{node.input[1]}_any_batch", freed)
            changed += 1
    return changed


def _shared_constant(graph: onnx.GraphProto, name: str, value: np.ndarray) -> str:
    for tensor in graph.initializer:
        if tensor.name == name and np.array_equal(numpy_helper.to_array(tensor), value):
            return name
    name = unused_name(graph, name)
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def rewrite_prelus(model: onnx.ModelProto) -> tuple[int, list[str]]:
    """Replaces every PRelu(x) on feature maps by a·x + (1 − a)·relu(x), both scalings as depthwise 1×1 convolutions.

    The same function, for each sign of x, but made of operators that ONNX Runtime runs in its blocked layout: PRelu
    is slow itself and costs a change of layout before and after. Returns how many were rewritten, and a sentence for
    each that was left as it is.
    """
    graph = model.graph
    values, known = constants(graph), shapes(model)
    nodes, left, rewritten = [], [], 0
    for node in graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        slope, obstacle = _slope_per_channel(node, values, known, _opset(model))
        if slope is None:
            left.append(f"PRelu {node.name or node.output[0]} stays as published: {obstacle}")
            nodes.append(node)
            continue
        nodes.extend(_prelu_as_convolutions(graph, node, slope))
        rewritten += 1
    del graph.node[:]
    graph.node.extend(nodes)
    return rewritten, left


def _opset(model: onnx.ModelProto) -> int:
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def _slope_per_channel(node, values, known, opset) -> tuple[np.ndarray | None, str]:
    """The slope as one number per channel, or None and the reason why there is no such thing."""
    data, slope_name = node.input
    shape = known.get(data)
    if shape is None:
        return None, "the shape of its input could not be inferred"
    if len(shape) != 4:
        return None, f"its input has {len(shape)} dimensions, a feature map has 4"
    channels, width = shape[1], shape[3]
    if channels is None:
        return None, "the number of channels of its input could not be inferred"
    if slope_name not in values:
        return None, f"its slope {slope_name!r} is computed, not a constant"
    slope = values[slope_name]
    if slope.size == 1:
        return np.full(channels, slope.reshape(()), slope.dtype), ""
    if slope.shape in [(channels, 1, 1), (1, channels, 1, 1)]:
        return slope.reshape(channels), ""
    # [C]: ONNX before opset 7, and exporters since, mean channels by it; the letter of ONNX since opset 7 is columns.
    # When the width is another number only the first reading is a valid network.
    if slope.shape == (channels,) and (opset < 7 or (width is not None and width != channels)):
        return slope, ""
    return None, f"its slope has shape {list(slope.shape)}, which is not one number per channel of {channels}"


def _prelu_as_convolutions(graph, node, slope) -> list[onnx.NodeProto]:
    data, output = node.input[0], node.output[0]
    channels = len(slope)

    def scaling(what: str, source: str, factor: np.ndarray) -> onnx.NodeProto:
        weight = unused_name(graph, f"{output}/{what}/weight")
        graph.initializer.append(numpy_helper.from_array(factor.reshape(channels, 1, 1, 1), weight))
        name = unused_name(graph, f"{output}/{what}")
        return helper.make_node("Conv", [source, weight], [name], name, group=channels, kernel_shape=[1, 1])

    complement = (np.ones_like(slope) - slope).astype(slope.dtype)
    linear = scaling("linear", data, slope)
    rectified = unused_name(graph, f"{output}/rectified")
    if np.all(complement >= 0):
        # (1 − a)·relu(x) = relu((1 − a)·x): this way round the runtime fuses the Relu into the convolution.
        inner = scaling("complement", data, complement)
        positive = [inner, helper.make_node("Relu", [inner.output[0]], [rectified], rectified)]
    else:
        inner = helper.make_node("Relu", [data], [rectified], rectified)
        positive = [inner, scaling("complement", rectified, complement)]
    total = helper.make_node("Add", [linear.output[0], positive[-1].output[0]], [output], node.name)
    return [linear, *positive, total]


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for field, names in ((graph.initializer, lambda t: [t.name]), (graph.node, lambda n: n.output)):
        kept = [item for item in field if used.intersection(names(item))]
        del field[:]
        field.extend(kept)


def store_fp16(model: onnx.ModelProto) -> tuple[int, list[str]]:
    """Stores large weights as float16 followed by a Cast to float32.

    The runtime evaluates the Cast once, when it loads the model: arithmetic stays in float32, the file halves. A
    weight that float16 cannot hold to `FP16_ERROR_MAX` stays as it is. Returns how many were changed, and a sentence
    for each that was not.
    """
    graph = model.graph
    weights = {
        name
        for node in graph.node
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")
        for name in node.input[:2]
    }
    casts, left = [], []
    for tensor in graph.initializer:
        if tensor.name not in weights or tensor.data_type != TensorProto.FLOAT:
            continue
        value = numpy_helper.to_array(tensor)
        if value.size < FP16_ELEMENTS_MIN:
            continue
        error = fp16_error(value)
        if not error <= FP16_ERROR_MAX:
            left.append(f"{tensor.name} stays float32: float16 would change a channel by {error:.2g}")
            continue
        name, stored = tensor.name, unused_name(graph, f"{tensor.name}/fp16")
        tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], f"{stored}/cast", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return len(casts), left


def fp16_error(value: np.ndarray) -> float:
    """The largest relative error, root mean square over one output channel, of a round trip through float16."""
    with np.errstate(over="ignore"):
        stored = value.astype(np.float16).astype(np.float64)
    rows = value.reshape(value.shape[0], -1).astype(np.float64)
    size = np.linalg.norm(rows, axis=1)
    error = np.linalg.norm(stored.reshape(rows.shape) - rows, axis=1)
    return float(np.max(np.where(size > 0, error / np.where(size > 0, size, 1), error)))


def tidy(model: onnx.ModelProto, provenance: dict[str, str]) -> None:
    """Removes what is left behind (unused weights, doc strings, stale shapes) and records where the model comes from."""
    _drop_unused(model.graph)
    model.doc_string = model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    for item in [*model.graph.initializer, *model.graph.input, *model.graph.output]:
        item.doc_string = ""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    for key in sorted(provenance):
        model.metadata_props.add(key=key, value=provenance[key])


def operators(model: onnx.ModelProto) -> str:
    """How often each operator occurs, as one line."""
    counts = collections.Counter(node.op_type for node in model.graph.node)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())

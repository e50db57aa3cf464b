"""Makes partly_supported.onnx: an embedder in shape only, with one operator (Mish) that ONNX Runtime runs on the CPU and
its OpenVINO provider does not take. Without padan's strictness such a model is computed on two providers in silence.

    .runtime/venv/bin/python -B tests/openvino/make_partly_supported.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

weights = np.sin(np.arange(3 * 128, dtype=np.float32)).reshape(3, 128)
nodes = [
    helper.make_node("ReduceMean", ["data", "axes"], ["mean"], keepdims=0),
    helper.make_node("Mish", ["mean"], ["bent"]),
    helper.make_node("MatMul", ["bent", "weights"], ["fc1"]),
]
graph = helper.make_graph(
    nodes,
    "partly_supported",
    [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["batch", 3, 112, 112])],
    [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, ["batch", 128])],
    [
        numpy_helper.from_array(np.array([2, 3], dtype=np.int64), "axes"),
        numpy_helper.from_array(weights, "weights"),
    ],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
onnx.checker.check_model(model)
pathlib.Path(__file__).with_name("partly_supported.onnx").write_bytes(model.SerializeToString())

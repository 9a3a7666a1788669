"""Writes the network as ONNX: float32, opset 13, NCHW, weights inside the file."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import dataset


def write(path: pathlib.Path, params) -> None:
    """Write (weight, bias) pairs, convolutions first, as an ONNX graph with a fixed batch of 1."""
    nodes, weights, value = [], [], "image"

    def tensor(name: str, array: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def node(op: str, name: str, inputs, output: str, **attributes) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    convolutions = sum(weight.ndim == 4 for weight, _ in params)
    for i, (weight, bias) in enumerate(params):
        if weight.ndim == 4:
            name = f"conv_{i + 1}"
            inputs = [value, tensor(f"{name}.weight", weight), tensor(f"{name}.bias", bias)]
            value = node(
                "Conv", name, inputs, f"{name}.out", kernel_shape=list(weight.shape[2:]),
                strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], group=1,
            )
            value = node("Relu", f"relu_{i + 1}", [value], f"relu_{i + 1}.out")
            value = node(
                "AveragePool", f"pool_{i + 1}", [value], f"pool_{i + 1}.out",
                kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0],
            )
        else:
            name = f"dense_{i + 1 - convolutions}"
            if i == convolutions:
                value = node("Flatten", "flatten", [value], "flatten.out", axis=1)
            inputs = [value, tensor(f"{name}.weight", weight), tensor(f"{name}.bias", bias)]
            last = i + 1 == len(params)
            value = node("Gemm", name, inputs, "logits" if last else f"{name}.out", transB=1)
            if not last:
                value = node("Relu", f"{name}.relu", [value], f"{name}.relu.out")

    side = dataset.SIDE
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, side, side])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        weights,
        doc_string="Handwritten digits. Input: pixels in [0, 1], white ink on black.",
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7,
        producer_name="zkml scripts/train_digits.py",
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)

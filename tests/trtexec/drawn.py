"""Random networks of layers that keep one shape, on the DLA and on the GPU, with branches that join again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper

_SHAPE = [1, 8, 16, 16]
_ONE = ("Conv", "Conv", "Relu", "Sigmoid", "MaxPool", "Erf", "Softplus")
_TWO = ("Add", "Mul", "Concat")


@st.composite
def networks(draw: st.DrawFn, most: int = 24) -> onnx.ModelProto:
    """A model of up to ``most`` nodes, every tensor of which reaches an output."""
    count = draw(st.integers(2, most))
    tensors, nodes, weights, read = ["x"], [], [], set()
    for number in range(count):
        op = draw(st.sampled_from((*_ONE, *_TWO)))
        picks = [tensors[draw(st.integers(max(0, len(tensors) - 4), len(tensors) - 1))] for _ in range(2 if op in _TWO else 1)]
        name, output = f"/{op.lower()}_{number}", f"t{number}"
        read.update(picks)
        inputs = list(picks)
        attributes: dict[str, Any] = {}
        if op in ("Conv", "Concat"):
            channels = 8 if op == "Conv" else 16
            weights.append(weight(f"w{number}", 8, channels, 1, 1))
        if op == "Conv":
            inputs, attributes = [*inputs, f"w{number}"], {"kernel_shape": [1, 1]}
        elif op == "MaxPool":
            attributes = {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}
        elif op == "Concat":
            nodes.append(helper.make_node("Concat", inputs, [f"c{number}"], name=name, axis=1))
            nodes.append(helper.make_node("Conv", [f"c{number}", f"w{number}"], [output], name=f"/narrow_{number}", kernel_shape=[1, 1]))
        if op != "Concat":
            nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        tensors.append(output)
    ends = [name for name in tensors[1:] if name not in read]
    graph = helper.make_graph(
        nodes,
        "drawn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, _SHAPE)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, _SHAPE) for name in ends],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def made(*nodes: onnx.NodeProto, outputs: tuple[str, ...], weights: tuple[TensorProto, ...] = (), opset: int = 17) -> onnx.ModelProto:
    """A model of ``nodes`` on an input ``x``; shapes of outputs are left to inference."""
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, _SHAPE)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, name: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; tensors are separated by blanks."""
    return helper.make_node(op, inputs.split(), outputs.split(), name=name, **attributes)


def weight(name: str, *dims: int) -> TensorProto:
    """Weights of that shape."""
    count = 1
    for size in dims:
        count *= size
    return helper.make_tensor(name, TensorProto.FLOAT, list(dims), [0.5] * count)


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    """The file that holds ``model``."""
    path = folder / "drawn.onnx"
    path.write_bytes(model.SerializeToString())
    return path

"""What a file of the corpus is, and the small things most of them are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "models"


def nothing(folder: Path) -> None:
    """For a model that needs nothing beside it."""


class Case(NamedTuple):
    """A model file: its bytes, what ``prepare`` puts beside it, and whether it must be refused, reported, or either (``None``)."""

    name: str
    data: bytes
    refused: bool | None = None
    prepare: Callable[[Path], None] = nothing


def info(name: str, shape: Sequence[Any] | None = (1, 8, 16, 16), kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """A graph input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: Sequence[NodeProto],
    constants: Sequence[TensorProto] = (),
    *,
    opset: int = 17,
    inputs: Sequence[onnx.ValueInfoProto] | None = None,
    outputs: Sequence[str] | None = None,
    functions: Sequence[onnx.FunctionProto] = (),
) -> ModelProto:
    """A model of ``nodes`` from the input ``x``; its output is the first of the last node unless named."""
    names = [nodes[-1].output[0]] if outputs is None else outputs
    graph = helper.make_graph(nodes, "g", [info("x")] if inputs is None else inputs, [info(name, None) for name in names], constants)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in ("f", "ai.onnx.ml", "com.microsoft"))]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions)


def relu() -> ModelProto:
    """The smallest model."""
    return model([helper.make_node("Relu", ["x"], ["y"], "n")])


def conv() -> ModelProto:
    """A convolution with a bias, its activation, and a reshape by a constant: a little of everything."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Reshape", ["r", "s"], ["y"], "reshape"),
    ]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, (8, 8, 3, 3), bytes(8 * 8 * 9 * 4), raw=True),
        helper.make_tensor("b", TensorProto.FLOAT, (8,), [0.5] * 8),
        helper.make_tensor("s", TensorProto.INT64, (2,), [1, -1]),
    ]
    return model(nodes, constants)


def graph_of(nodes: Sequence[NodeProto], outputs: Sequence[str]) -> GraphProto:
    """A body of If, Loop or Scan."""
    return helper.make_graph(nodes, "body", [], [info(name, None) for name in outputs])

"""Nodes that hand values on without changing them, so that what they read and what they make can share a scale.

Rounding to a symmetric grid and cutting off at its ends are monotone and keep zero; so they commute with picking, moving and comparing
elements, with Relu, and with a Clip whose bounds have zero between them.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from dlalint.calibration.moves import MOVES, ONE_OUTPUT
from dlalint.graph import FLOATING
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.graph import Array, Graph, attribute

_FIRST = MOVES | {"ReduceMax", "Relu"}
_AVERAGES = frozenset({"AveragePool", "GlobalAveragePool", "ReduceMean"})


class Move(NamedTuple):
    """The tensors whose values a node takes, and those that get them."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def move(graph: Graph, node: NodeProto, *, average: bool = False, selections: bool = False) -> Move | None:
    """What a node hands on, ``None`` when it computes new values.

    ``average`` takes means for values of the tensor, which they are not; ``selections`` looks for convolutions whose weights pick elements.
    """
    op_type = node.op_type
    if node.domain not in ("", "ai.onnx") or not node.input or graph.is_constant(node.output[0]):
        return None
    if op_type == "Concat":
        return Move(tuple(node.input), tuple(node.output))
    if op_type in _FIRST or _conditional(graph, node) or (average and op_type in _AVERAGES) or (selections and _selects(graph, node)):
        return Move(tuple(node.input[:1]), tuple(filter(None, node.output[: 1 if op_type in ONE_OUTPUT else None])))
    return None


def _conditional(graph: Graph, node: NodeProto) -> bool:
    if node.op_type == "Clip":
        low, high = (_bound(graph, node, index, name) for index, name in ((1, "min"), (2, "max")))
        return low is not None and high is not None and low <= 0 <= high
    if node.op_type == "Pad":
        value = attribute(node, "value", 0.0)
        if len(node.input) > 2 and node.input[2]:
            value = graph.number(node.input[2])
        return bool(attribute(node, "mode", "constant") != "constant" or value == 0)
    if node.op_type in ("Resize", "Upsample"):
        crops = attribute(node, "coordinate_transformation_mode") == "tf_crop_and_resize"
        return bool(attribute(node, "mode", "nearest") == "nearest" and not crops)
    if node.op_type == "Cast":
        kinds = [graph.type(name) for name in (node.input[0], node.output[0])]
        return all(kind is not None and kind.dtype in FLOATING for kind in kinds)
    return False


def _bound(graph: Graph, node: NodeProto, index: int, name: str) -> float | None:
    """A bound of a Clip; ``None`` when it is computed."""
    endless = -np.inf if name == "min" else np.inf
    if len(node.input) > index and node.input[index]:
        return graph.number(node.input[index])
    return float(attribute(node, name, endless))


def _selects(graph: Graph, node: NodeProto) -> bool:
    """Whether a convolution picks one element of its input, or zero, for each of its output: weights of 0 and 1, one of them a filter."""
    if node.op_type not in ("Conv", "ConvTranspose") or len(node.input) < 2:
        return False
    weights = graph.constant(node.input[1])
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
    if weights is None or bias is None or bias.any() or not np.isin(weights, (0, 1)).all():
        return False
    if node.op_type == "Conv":
        return bool((np.count_nonzero(weights.reshape(weights.shape[0], -1), axis=1) <= 1).all())
    strides = attribute(node, "strides", (1,) * (weights.ndim - 2))
    if any(step < size for step, size in zip(strides, weights.shape[2:], strict=True)):
        return False
    groups = weights.reshape(attribute(node, "group", 1), -1, *weights.shape[1:])
    return bool((np.count_nonzero(groups, axis=1) <= 1).all())


def largest(array: Array) -> float:
    """The largest magnitude of a constant."""
    return float(np.abs(array.astype(np.float64)).max()) if array.size else 0.0

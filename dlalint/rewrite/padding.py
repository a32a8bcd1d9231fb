"""What a Pad node adds and takes away, and what is known of the values at its border."""

from __future__ import annotations

import math

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.graph import Graph, attribute

INPUTS_SINCE = 11  # the operator set from which padding and value of Pad are inputs


class Padding(NamedTuple):
    """``begin`` and ``end`` are the elements added to each of the four axes, negative where some are cut off."""

    source: str
    dims: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    value: float


def padding(graph: Graph, index: int) -> Padding | Miss:
    """A Pad with a constant on a tensor of four static dimensions."""
    node = graph.nodes[index]
    dims, made = graph.dims(node.input[0]), graph.dims(node.output[0])
    mode = attribute(node, "mode", "constant")
    if mode != "constant" or dims is None or made is None or len(dims) != 4:
        return Miss(f"its mode is {mode}" if mode != "constant" else "its input has not four static dimensions")
    if 0 in (*dims, *made):
        return Miss("it has no elements")
    if graph.opset < INPUTS_SINCE:
        pads, value = attribute(node, "pads", ()), attribute(node, "value", 0.0)
        return Padding(node.input[0], dims, tuple(pads[:4]), tuple(pads[4:]), value)
    inputs = [*node.input, "", "", ""]
    found = graph.ints(inputs[1])
    axes = graph.ints(inputs[3]) if inputs[3] else (0, 1, 2, 3)
    number = graph.number(inputs[2]) if inputs[2] else 0.0
    if found is None or axes is None or number is None:
        return Miss("its padding or value is computed")
    amounts = {axis % 4: (first, last) for axis, first, last in zip(axes, found, found[len(axes) :], strict=False)}
    begin, end = zip(*(amounts.get(axis, (0, 0)) for axis in range(4)), strict=True)
    return Padding(node.input[0], dims, begin, end, number)


# operators whose results are never negative, and those that hand on values of their input
_POSITIVE = frozenset({"Abs", "Exp", "HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus", "Sqrt"})
_HANDS_ON = frozenset(
    {
        "Concat",
        "Dropout",
        "Flatten",
        "GlobalMaxPool",
        "Identity",
        "MaxPool",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
_DEPTH = 16


def least(graph: Graph, name: str, depth: int = _DEPTH) -> float:
    """A number that no element of a tensor is below; minus infinity when nothing is known."""
    index = graph.producer(name)
    if index is None or not depth:
        return -math.inf
    node = graph.nodes[index]
    if node.op_type in _POSITIVE:
        return 0.0
    if node.op_type == "Clip":
        return min(_bound(graph, index, 1, "min", -math.inf), _bound(graph, index, 2, "max", math.inf))
    if node.op_type in _HANDS_ON:
        sources = node.input if node.op_type == "Concat" else node.input[:1]
        return min(least(graph, source, depth - 1) for source in sources)
    return -math.inf


def _bound(graph: Graph, index: int, place: int, name: str, missing: float) -> float:
    node = graph.nodes[index]
    if graph.opset < INPUTS_SINCE:
        return float(attribute(node, name, missing))
    if len(node.input) <= place or not node.input[place]:
        return missing
    found = graph.number(node.input[place])
    return -math.inf if found is None else found

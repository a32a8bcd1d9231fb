"""Transposes around elementwise work and joins: the work in the layout before them, the transposes composed, or gone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import NodeProto

from dlalint.rewrite.base import CANCEL, EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.regions import Layout, Region, elementwise, grow, handed_on, operands, rebuild

_ALONG_AXIS = frozenset({"Concat", "LogSoftmax", "Softmax"})
SOFTMAX_SINCE = 13  # the operator set from which a softmax runs over one axis


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    behind = _moved(graph, index, node.output[0])
    before = behind if isinstance(behind, Replacement) else _moved(graph, index, node.input[0])
    return before if isinstance(before, Replacement) else behind


def _moved(graph: Graph, index: int, start: str) -> Replacement | Miss:
    region = grow(graph, start, lambda item: graph.nodes[item].op_type == "Transpose", lambda item: _works(graph, item))
    if isinstance(region, Miss):
        return region
    orders = {item: _order(graph, item) for item in (*region.entries, *region.exits)}
    order = orders[region.entries[0]]
    if not order or any(orders[entry] != order for entry in region.entries):
        return Miss("the tensors that meet are transposed in different ways")
    if any(_rank(graph, name) not in range(len(order) + 1) for item in region.inner for name in operands(graph.nodes[item])):
        return Miss("a tensor that it meets has more dimensions")
    composed = {item: tuple(order[axis] for axis in orders[item]) for item in region.exits}
    return _rebuilt(graph, index, region, order, composed)


def _rebuilt(
    graph: Graph, index: int, region: Region, order: tuple[int, ...], composed: Mapping[int, tuple[int, ...]]
) -> Replacement | Miss:
    build = Builder(graph, index, REWRITE.name)
    unmoved = tuple(range(len(order)))
    names = {graph.nodes[entry].output[0]: graph.nodes[entry].input[0] for entry in region.entries}
    wanted = handed_on(graph, region.exits, lambda item: composed[item] == unmoved)

    def constant(values: Array) -> Array:
        laid: Array = values.reshape((1,) * (len(order) - values.ndim) + values.shape)
        return np.transpose(laid, [order.index(axis) for axis in unmoved])

    def attributes(node: NodeProto) -> Mapping[str, int]:
        return {"axis": order[attribute(node, "axis", -1)]} if node.op_type in _ALONG_AXIS else {}

    found = rebuild(build, region, Layout(constant, attributes), names, wanted)
    if isinstance(found, Miss):
        return found
    for item in region.exits:
        source, made = found[graph.nodes[item].input[0]], graph.nodes[item].output[0]
        if composed[item] != unmoved:
            build.transpose(source, composed[item], made)
        elif source != made:
            build.add("Identity", [source], made)
    return build.replacement(*region.entries, *region.inner, *region.exits)


def _works(graph: Graph, index: int) -> bool:
    """Whether a node does the same in any layout."""
    op_type = graph.nodes[index].op_type
    return elementwise(graph, index) or op_type == "Concat" or (op_type in _ALONG_AXIS and graph.opset >= SOFTMAX_SINCE)


def _order(graph: Graph, index: int) -> tuple[int, ...]:
    node = graph.nodes[index]
    reverse = tuple(reversed(range(_rank(graph, node.input[0]))))
    return tuple(attribute(node, "perm", reverse))


def _rank(graph: Graph, name: str) -> int:
    """The number of dimensions, -1 when it is not known."""
    kind = graph.type(name)
    return len(kind.shape) if kind is not None and kind.shape is not None else -1


REWRITE = Rewrite(
    "transpose-pairs",
    EXACT,
    "Transposes around elementwise work cancel each other or become one.",
    frozenset({"Transpose"}),
    _plan,
    CANCEL,
)

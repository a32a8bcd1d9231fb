"""One-dimensional convolutions and poolings and the work between them: which nodes compute the same on maps of one row or column."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.regions import MAX_NODES, elementwise, operands, relabels

CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
WINDOWS = CONVOLUTIONS | {"AveragePool", "MaxPool"}
_OTHERS = frozenset({"BatchNormalization", "GlobalAveragePool", "GlobalMaxPool"})
# attributes with one value a spatial axis, and what they are for an axis of length one; pads have two values
_PER_AXIS = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0, "output_shape": 1}


class Row(NamedTuple):
    """Connected nodes on three dimensions, in the order of the graph, and where a fourth dimension of length one goes: 2 or 3."""

    nodes: tuple[int, ...]
    axis: int

    def dims(self, graph: Graph, name: str) -> tuple[int, ...]:
        """The shape of a tensor with the fourth dimension."""
        return _with_one(graph, name, self.axis)

    def constant(self, build: Builder, name: str) -> str:
        """A constant with the fourth dimension."""
        values = constant(build.graph, name)
        assert values is not None
        return build.tensor(np.expand_dims(values.reshape((1,) * (3 - values.ndim) + values.shape), self.axis))

    def attributes(self, node: NodeProto) -> dict[str, Any]:
        """The attributes of a window with their values for the fourth dimension."""
        if node.op_type not in WINDOWS:
            return {}
        place = self.axis - 2
        given = {name: attribute(node, name) for name in (*_PER_AXIS, "pads")}
        wide: dict[str, Any] = {}
        for name, value in given.items():
            if value and name == "pads":
                wide[name] = [0, value[0], 0, value[1]] if place == 0 else [value[0], 0, value[1], 0]
            elif value:
                wide[name] = [*value[:place], _PER_AXIS[name], *value[place:]]
        return wide


def row(graph: Graph, index: int) -> Row | None:
    """The row that a node is part of, or leads to or from; ``None`` when there is none with a window."""
    for start in _near(graph, index):
        nodes = _grown(graph, start)
        if any(graph.nodes[item].op_type in WINDOWS for item in nodes):
            return Row(nodes, _axis(graph, nodes))
    return None


def maps(node: NodeProto) -> list[str]:
    """The inputs that are maps, not weights."""
    return list(node.input[:1]) if node.op_type in WINDOWS | _OTHERS else operands(node)


def _near(graph: Graph, index: int) -> list[int]:
    """The node, or those behind and before it when it is a reshape."""
    if not relabels(graph, index):
        return [index]
    maker = graph.producer(graph.nodes[index].input[0])
    readers = [reader for reader in graph.consumers(graph.nodes[index].output[0]) if reader != NOT_A_NODE]
    return readers if maker is None else [*readers, maker]


def _grown(graph: Graph, start: int) -> tuple[int, ...]:
    pending, found = [start], set[int]()
    while pending and len(found) < MAX_NODES:
        index = pending.pop()
        if index in found or index == NOT_A_NODE or not _fits(graph, index):
            continue
        found.add(index)
        node = graph.nodes[index]
        pending += [maker for maker in map(graph.producer, maps(node)) if maker is not None]
        pending += graph.consumers(node.output[0])
    return tuple(sorted(found))


def _fits(graph: Graph, index: int) -> bool:
    """Whether a node computes on tensors of three dimensions in a way that a fourth one of length one does not change."""
    node = graph.nodes[index]
    if node.domain or any(node.output[1:]) or not (node.op_type in WINDOWS | _OTHERS | {"Concat"} or elementwise(graph, index)):
        return False
    if node.op_type == "Concat" and attribute(node, "axis", 0) not in (0, 1):
        return False
    computed = [name for name in (*maps(node), node.output[0]) if not graph.is_constant(name)]
    known = [name for name in maps(node) if graph.is_constant(name)] + list(node.input[1:2] if node.op_type in CONVOLUTIONS else ())
    ranks = [len(graph.dims(name) or ()) for name in computed]
    return all(rank == 3 for rank in ranks) and all(constant(graph, name) is not None for name in known)


def _axis(graph: Graph, nodes: tuple[int, ...]) -> int:
    """2 where that fits more of the shapes around than 3."""
    pairs = [(name, _source(graph, name)) for item in nodes for name in maps(graph.nodes[item])]
    for item in nodes:
        made = graph.nodes[item].output[0]
        pairs += [
            (made, graph.nodes[reader].output[0]) for reader in graph.consumers(made) if reader != NOT_A_NODE and relabels(graph, reader)
        ]
    first, second = (sum(graph.dims(other) == _with_one(graph, name, axis) for name, other in pairs) for axis in (2, 3))
    return 2 if first > second else 3


def _source(graph: Graph, name: str) -> str:
    """What a tensor is a reshape of, else the tensor."""
    maker = graph.producer(name)
    return str(graph.nodes[maker].input[0]) if maker is not None and relabels(graph, maker) else name


def _with_one(graph: Graph, name: str, axis: int) -> tuple[int, ...]:
    dims = graph.dims(name) or ()
    return (*dims[:axis], 1, *dims[axis:])


def entering(graph: Graph, found: Row) -> dict[str, str]:
    """The maps that come from outside, each with what it is a reshape of."""
    made = {graph.nodes[item].output[0] for item in found.nodes}
    names = dict.fromkeys(name for item in found.nodes for name in maps(graph.nodes[item]))
    return {name: _source(graph, name) for name in names if name not in made and not graph.is_constant(name)}

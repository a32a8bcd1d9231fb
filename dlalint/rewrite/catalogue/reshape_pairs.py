"""Reshapes around elementwise work: the work in the four dimensions outside, the reshapes become one, or none."""

from __future__ import annotations

from collections import Counter
from math import prod

import numpy as np

from dlalint.rewrite.base import CANCEL, EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph
from dlalint.rewrite.regions import RESHAPES, Layout, Region, elementwise, grow, handed_on, operands, rebuild, relabels

MAX_ELEMENTS = 1 << 22  # of a constant that is laid out anew


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    behind = _reshaped(graph, index, node.output[0])
    before = behind if isinstance(behind, Replacement) else _reshaped(graph, index, node.input[0])
    return before if isinstance(before, Replacement) else behind


def _reshaped(graph: Graph, index: int, start: str) -> Replacement | Miss:
    inside = graph.dims(start)
    if inside is None:
        return Miss("a shape is not static")
    region = grow(graph, start, lambda item: relabels(graph, item), lambda item: _works(graph, item, inside))
    if isinstance(region, Miss):
        return region
    outside = _outside(graph, region)
    if outside is None or outside == inside:
        return Miss("no tensor outside has four dimensions")
    return _rebuilt(graph, index, region, inside, outside)


def _rebuilt(graph: Graph, index: int, region: Region, inside: tuple[int, ...], outside: tuple[int, ...]) -> Replacement | Miss:
    build = Builder(graph, index, REWRITE.name)
    names = {}
    for item in region.entries:
        source, made = graph.nodes[item].input[0], graph.nodes[item].output[0]
        names[made] = source if graph.dims(source) == outside else build.reshape(source, outside)
    wanted = handed_on(graph, region.exits, lambda item: graph.dims(graph.nodes[item].output[0]) == outside)
    found = rebuild(build, region, Layout(lambda values: _laid(values, inside, outside)), names, wanted)
    if isinstance(found, Miss):
        return found
    for item in region.exits:
        source, made = found[graph.nodes[item].input[0]], graph.nodes[item].output[0]
        shape = graph.dims(made)
        assert shape is not None
        if shape != outside:
            build.reshape(source, shape, made)
        elif source != made:
            build.add("Identity", [source], made)
    return build.replacement(*region.entries, *region.inner, *region.exits)


def _outside(graph: Graph, region: Region) -> tuple[int, ...] | None:
    """The most frequent shape of four dimensions among the tensors that enter and leave."""
    names = [*(graph.nodes[item].input[0] for item in region.entries), *(graph.nodes[item].output[0] for item in region.exits)]
    shapes = Counter(dims for dims in map(graph.dims, names) if dims is not None and len(dims) == 4)
    return shapes.most_common(1)[0][0] if shapes else None


def _works(graph: Graph, index: int, inside: tuple[int, ...]) -> bool:
    """Whether a node treats each element alone, with nothing broadcast but constants."""
    node = graph.nodes[index]
    computed = [name for name in operands(node) if not graph.is_constant(name)]
    return elementwise(graph, index) and all(graph.dims(name) == inside for name in (*computed, node.output[0]))


def _laid(values: Array, inside: tuple[int, ...], outside: tuple[int, ...]) -> Array | None:
    """A constant that is broadcast to ``inside`` as one that is broadcast to ``outside``: one number, one a channel, one map, or whole."""
    if values.size == 1:
        return values.reshape((1,) * len(outside))
    if prod(inside) > MAX_ELEMENTS:
        return None
    found: Array = np.broadcast_to(values, inside).reshape(outside)
    smaller = (found[:1, :, :1, :1], found[:1], found)
    return next(np.ascontiguousarray(item) for item in smaller if np.array_equal(np.broadcast_to(item, found.shape), found))


REWRITE = Rewrite(
    "reshape-pairs",
    EXACT,
    "Reshapes around elementwise work go, which is done in four dimensions instead.",
    RESHAPES | {"Transpose"},
    _plan,
    CANCEL,
)

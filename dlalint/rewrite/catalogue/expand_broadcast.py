"""Expand and Tile left out before arithmetic that broadcasts by itself, else as convolutions that repeat."""

from __future__ import annotations

from math import prod

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph
from dlalint.rewrite.known import only_worker, settle
from dlalint.rewrite.picks import UNKNOWN, rearranged
from dlalint.rewrite.sandwich import keep_shared
from dlalint.rewrite.selection import pick
from dlalint.rewrite.shuffles import RESHAPES
from dlalint.rewrite.weights import Array

_BROADCASTING = frozenset({"Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Pow"})
_MAX_ELEMENTS = 1 << 24
_SINCE = 8  # the operator set from which all of them broadcast in every direction


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    source, output = node.input[0], node.output[0]
    if len(graph.dims(output) or ()) > 4:
        return _through_more(graph, index)
    dims, made = graph.dims(source), graph.dims(output)
    if dims is None or made is None or len(dims) != 4 or len(made) != 4 or 0 in (*dims, *made):
        return UNKNOWN
    build = Builder(graph, index, REWRITE.name)
    readers = graph.consumers(output)
    grown = all(less in (1, more) for less, more in zip(dims, made, strict=True))
    if graph.opset >= _SINCE and grown and readers and all(_broadcasts(graph, reader, output, made) for reader in readers):
        for reader in readers:
            build.keep(graph.nodes[reader], [source if name == output else name for name in graph.nodes[reader].input])
        return build.replacement(index, *readers)
    taken = tuple(np.arange(more) % less for less, more in zip(dims, made, strict=True))
    return pick(build, source, taken, output) or build.replacement(index)


def _through_more(graph: Graph, index: int) -> Replacement | Miss:
    """An Expand or Tile of five dimensions or more between two reshapes, which repeats elements of four."""
    first, last = graph.producer(graph.nodes[index].input[0]), only_worker(graph, graph.nodes[index].output[0])
    if first is None or last is None or not {graph.nodes[first].op_type, graph.nodes[last].op_type} <= RESHAPES:
        return Miss("it is not between reshapes of four dimensions")
    node, source, output = graph.nodes[index], graph.nodes[first].input[0], graph.nodes[last].output[0]
    dims, before, more, made = (graph.dims(name) for name in (source, node.input[0], node.output[0], output))
    if dims is None or before is None or more is None or made is None or len(dims) != 4 or len(made) != 4 or 0 in more:
        return Miss("it is not between reshapes of four dimensions")
    if prod(more) > _MAX_ELEMENTS:
        return Miss("its output is very large")
    flat: Array = np.arange(prod(dims), dtype=np.int32).reshape((1,) * (len(more) - len(before)) + before)
    if node.op_type == "Expand":
        flat = np.broadcast_to(flat, more)
    else:
        flat = np.tile(flat, [large // small for small, large in zip(flat.shape, more, strict=True)])
    taken = rearranged(flat.reshape(made), dims)
    if taken is None:
        return Miss("it repeats other things than rows, columns or channels")
    build = Builder(graph, index, REWRITE.name)
    keep_shared(build, first, {index})
    return pick(build, source, taken, output) or build.replacement(first, index, last, *settle(build, node.output[0]))


def _broadcasts(graph: Graph, reader: int, name: str, made: tuple[int, ...]) -> bool:
    """Whether a node gives the same result when ``name``, of the shape ``made``, is not expanded before: another operand has its shape."""
    if reader == NOT_A_NODE or graph.nodes[reader].op_type not in _BROADCASTING:
        return False
    return any(other != name and graph.dims(other) == made for other in graph.nodes[reader].input)


REWRITE = Rewrite("expand-broadcast", EXACT, "Expand and Tile are left out, or become convolutions.", frozenset({"Expand", "Tile"}), _plan)

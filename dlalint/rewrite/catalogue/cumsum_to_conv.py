"""A running sum over channels as a convolution with triangular weights; over height or width as a kernel of ones as long as the axis."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    kind, given = graph.type(node.input[0]), graph.ints(node.input[1])
    dims = kind.dims if kind is not None else None
    if kind is None or dims is None or len(dims) != 4 or 0 in dims:
        return Miss("its input has not four static dimensions")
    if kind.dtype not in ("float16", "float32"):
        return Miss(f"its input is {kind.dtype}")
    if given is None:
        return Miss("its axis is computed")
    axis = given[0] % 4
    if axis == 0:
        return Miss("it sums over the batch")
    exclusive, reverse = attribute(node, "exclusive", 0), attribute(node, "reverse", 0)
    build = Builder(graph, index, REWRITE.name)
    size, dtype = dims[axis], build.dtype(node.input[0])
    if axis == 1:
        weights = np.tril(np.ones((size, size), dtype), -1 if exclusive else 0)
        weights = weights.T if reverse else weights
        build.conv(node.input[0], weights.reshape(size, size, 1, 1), output=node.output[0])
        return build.replacement(index)
    row = np.ones(size, dtype)
    row[-1] = 0 if exclusive else 1
    pads, kernel = [0, 0, 0, 0], [1, 1]
    pads[axis - 2 + 2 * bool(reverse)], kernel[axis - 2] = size - 1, size
    weights = np.tile((row[::-1] if reverse else row).reshape(1, 1, *kernel), (dims[1], 1, 1, 1))
    build.conv(node.input[0], weights, output=node.output[0], pads=pads, group=dims[1])
    return build.replacement(index)


REWRITE = Rewrite("cumsum-to-conv", ROUNDING, "A running sum becomes a convolution.", frozenset({"CumSum"}), _plan)

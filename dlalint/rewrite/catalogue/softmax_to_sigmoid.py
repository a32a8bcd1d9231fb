"""A softmax over two channels as the sigmoid of their difference."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.arithmetic import refusal
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute

ONE_AXIS_SINCE = 13  # before this operator set a softmax runs over its axis and all behind it


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    source = node.input[0]
    refused = refusal(graph, source, by_conv=True)
    if refused:
        return Miss(refused)
    dims = graph.dims(source) or ()
    old = graph.opset < ONE_AXIS_SINCE
    axis = int(attribute(node, "axis", 1 if old else -1)) % 4
    if axis != 1 or dims[1] != 2 or (old and dims[2:] != (1, 1)):
        return Miss("it does not run over two channels alone")
    build = Builder(graph, index, REWRITE.name)
    weights = np.array([[1, -1], [-1, 1]], build.dtype(source)).reshape(2, 2, 1, 1)
    build.add("Sigmoid", [build.conv(source, weights)], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "softmax-to-sigmoid", ROUNDING, "A softmax over two channels becomes a convolution and Sigmoid.", frozenset({"Softmax"}), _plan
)

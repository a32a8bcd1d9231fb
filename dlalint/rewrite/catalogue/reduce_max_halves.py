"""The largest of all channels as the larger of two halves, again and again; 1x1 convolutions with 0/1 weights choose the halves."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reduction import reduction


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = reduction(graph, index)
    if isinstance(found, Miss):
        return found
    if found.long != {1}:
        return Miss("it does not go over the channels alone")
    build = Builder(graph, index, REWRITE.name)
    source, channels, dtype = node.input[0], found.dims[1], build.dtype(node.input[0])
    larger = "Max" if node.op_type == "ReduceMax" else "Min"
    while channels > 1:
        half = -(-channels // 2)
        picks = np.eye(channels, dtype=dtype).reshape(channels, channels, 1, 1)
        pair = [build.conv(source, part) for part in (picks[:half], picks[-half:])]
        channels = half
        source = build.add(larger, pair, node.output[0] if half == 1 and found.keeps else "")
    if not found.keeps:
        build.squeeze(source, found.axes, node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "reduce-max-halves",
    EXACT,
    "The largest channel is found by comparing halves of the channels.",
    frozenset({"ReduceMax", "ReduceMin"}),
    _plan,
)

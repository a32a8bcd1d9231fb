"""An average that does not count its padding as one that does, times a constant map."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.averages import average, correction
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = average(graph, index)
    if isinstance(found, Miss):
        return found
    ratio = correction(graph, index, found)
    if not any(found.pads):
        return Miss("it has no padding")
    build = Builder(graph, index, REWRITE.name)
    same = bool(np.all(ratio == 1))
    options = {"kernel_shape": list(found.kernel), "strides": list(found.strides), "pads": list(found.pads), "count_include_pad": 1}
    made = build.add("AveragePool", [node.input[0]], node.output[0] if same else "", **options)
    if not same:
        channels = (graph.dims(node.input[0]) or (0, 0))[1]
        whole = np.broadcast_to(ratio, (1, channels, *ratio.shape))  # the DLA repeats a constant along H and W only
        build.add("Mul", [made, build.like(whole, node.input[0])], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "pooling-excluded-padding",
    ROUNDING,
    "An average without its padding becomes one with it, times a constant.",
    frozenset({"AveragePool"}),
    _plan,
)

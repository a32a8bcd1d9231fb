"""An average whose padding differs between two sides as a convolution with one kernel a channel, which may be padded in any way.

Releases up to TensorRT 6 pad an average alike on both sides and crop the result. No release does so with a convolution or a maximum.
"""

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
    if found.begin == found.end and not any(found.beyond):
        return Miss("its padding is the same on both sides")
    source = node.input[0]
    build = Builder(graph, index, REWRITE.name)
    channels = (graph.dims(source) or (0, 0))[1]
    ratio = correction(graph, index, found)
    same = bool(np.all(ratio == 1))
    weights = np.full((channels, 1, *found.kernel), 1 / (found.kernel[0] * found.kernel[1]), build.dtype(source))
    made = build.conv(source, weights, output=node.output[0] if same else "", strides=found.strides, pads=found.pads, group=channels)
    if not same:
        build.add("Mul", [made, build.like(np.broadcast_to(ratio, (1, channels, *ratio.shape)), source)], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite("asymmetric-pads", ROUNDING, "An average with uneven padding becomes a convolution.", frozenset({"AveragePool"}), _plan)

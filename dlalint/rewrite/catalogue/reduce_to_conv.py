"""A sum, or a mean over channels, as a convolution with equal weights."""

from __future__ import annotations

from math import prod

import numpy as np

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reduction import Reduction, add_mean, add_summed, reduction


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = reduction(graph, index)
    if isinstance(found, Miss):
        return found
    mean = node.op_type == "ReduceMean"
    if mean and 1 not in found.long:
        return Miss("it takes the mean over the map alone, which global-average-pool does")
    build = Builder(graph, index, REWRITE.name)
    made = _add(build, found, node.input[0], mean, node.output[0] if found.keeps else "")
    if not found.keeps:
        build.squeeze(made, found.axes, node.output[0])
    return build.replacement(index)


def _add(build: Builder, found: Reduction, source: str, mean: bool, output: str) -> str:
    """The map first, then the channels; a mean of the map is undone by the weights where the sum is wanted."""
    channels, size = found.dims[1], prod(found.map)
    if 1 not in found.long:
        return add_summed(build, source, channels, found.map, 1.0, output)
    made = add_mean(build, source, channels, found.map) if size > 1 else source
    weight = 1 / channels if mean else size
    return build.conv(made, np.full((1, channels, 1, 1), weight, build.dtype(source)), output=output)


REWRITE = Rewrite(
    "reduce-to-conv",
    ROUNDING,
    "A sum, or a mean over channels, becomes a convolution with equal weights.",
    frozenset({"ReduceMean", "ReduceSum"}),
    _plan,
)

"""An average over a large window as a chain of averages where blocks do not overlap, else as a convolution with one kernel a channel."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.averages import average, correction
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reduction import POOLING, STRIDE, add_pooled
from dlalint.rewrite.windows import Window, pair

SAMPLING = 16  # of the pooling engine (card pooling-stride-too-large)


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = average(graph, index)
    if isinstance(found, Miss):
        return found
    if max(found.kernel) <= POOLING and max(found.strides) <= SAMPLING:
        return Miss("its window and stride are within the limits")
    build = Builder(graph, index, REWRITE.name)
    if found.kernel == found.strides and not any(found.pads) and add_pooled(build, node.input[0], found.kernel, node.output[0]):
        return build.replacement(index)
    sampling = pair(_sampling(step) for step in found.strides)
    if not all(sampling):
        return Miss("its stride has no factors within the limits")
    _convolve(build, index, found, sampling)
    return build.replacement(index)


def _sampling(step: int) -> int:
    """The smallest part of a stride that leaves no more than the limit of a convolution; 0 when there is none."""
    return next((part for part in range(1, SAMPLING + 1) if step % part == 0 and step // part <= STRIDE), 0)


def _convolve(build: Builder, index: int, found: Window, sampling: tuple[int, int]) -> None:
    """Equal weights; a constant map where places divide by different numbers, and a pooling of single elements for the rest of a stride."""
    graph, node = build.graph, build.graph.nodes[index]
    source, channels = node.input[0], (build.graph.dims(node.input[0]) or (0, 0))[1]
    ratio = correction(graph, index, found)
    same = bool(np.all(ratio == ratio.flat[0]))
    value = (ratio.flat[0] if same else 1) / (found.kernel[0] * found.kernel[1])
    weights = np.full((channels, 1, *found.kernel), value, build.dtype(source))
    strides = pair(step // part for step, part in zip(found.strides, sampling, strict=True))
    rows = same and sampling == (1, 1)
    made = build.conv(source, weights, output=node.output[0] if rows else "", strides=strides, pads=found.pads, group=channels)
    if sampling != (1, 1):
        made = build.add("MaxPool", [made], node.output[0] if same else "", kernel_shape=[1, 1], strides=list(sampling))
    if not same:
        whole = np.broadcast_to(ratio, (1, channels, *ratio.shape))
        build.add("Mul", [made, build.like(whole, source)], node.output[0])


REWRITE = Rewrite(
    "average-pool-steps",
    ROUNDING,
    "An average over a large window becomes a chain of averages, or a convolution.",
    frozenset({"AveragePool"}),
    _plan,
)

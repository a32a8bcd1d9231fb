"""A product or sum with a constant per channel as a depthwise 1x1 convolution, where no convolution beside it takes the constant."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.affine import affine
from dlalint.rewrite.base import LAST, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = affine(graph, index)
    if isinstance(found, Miss):
        return found
    kind = graph.type(found.source)
    if kind is None or kind.dims is None or len(kind.dims) != 4:
        return Miss("its input has not four static dimensions")
    channels = kind.dims[1]
    build = Builder(graph, index, REWRITE.name)
    with np.errstate(over="ignore"):
        scale, shift = (np.broadcast_to(item, (channels,)).astype(build.dtype(found.source)) for item in (found.scale, found.shift))
    if not (np.all(np.isfinite(scale)) and np.all(np.isfinite(shift))):
        return Miss(f"the constant is out of the range of {scale.dtype}")
    weights = scale.reshape(channels, 1, 1, 1)
    build.conv(found.source, weights, shift if np.any(shift) else None, graph.nodes[index].output[0], group=channels)
    return build.replacement(index)


REWRITE = Rewrite(
    "affine-to-conv",
    ROUNDING,
    "A product or sum with a constant per channel becomes a depthwise 1x1 convolution.",
    frozenset({"Add", "Mul"}),
    _plan,
    LAST,
)

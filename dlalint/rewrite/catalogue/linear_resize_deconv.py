"""A linear resize by whole factors as a transposed convolution that repeats, a smoothing depthwise convolution, and a product.

For releases without a resize on their DLA (up to TensorRT 8.0). They take no groups in a transposed convolution, so it is dense.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from dlalint.rewrite.base import LAST, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.interpolation import Linear, linear, smooth, write_smoothed

LARGE = 1 << 20  # weights of a transposed convolution; beyond, one for each axis needs fewer


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = linear(graph, index)
    if isinstance(found, Miss):
        return found
    if not smooth(found):
        return Miss("its factors are not whole, or it aligns corners")
    node = graph.nodes[index]
    build = Builder(graph, index, REWRITE.name)
    write_smoothed(build, found, partial(_repeated, build, node.input[0], found), node.output[0])
    return build.replacement(index)


def _repeated(build: Builder, source: str, found: Linear, output: str) -> str:
    """Each sample repeated, in both directions at once or first down and then to the right."""
    down, right = found.factors or (1, 1)
    channels, dtype = found.before[1], build.dtype(source)
    together = channels**2 * down * right <= LARGE or 1 in (down, right)
    steps = [(down, right)] if together else [(down, 1), (1, right)]
    for number, step in enumerate(steps, 1):
        weights = np.zeros((channels, channels, *step), dtype)
        weights[np.arange(channels), np.arange(channels)] = 1
        source = build.conv(source, weights, output=output if number == len(steps) else "", strides=step, transposed=True)
    return source


REWRITE = Rewrite(
    "linear-resize-deconv",
    ROUNDING,
    "A linear resize becomes a transposed convolution and a smoothing one.",
    frozenset({"Resize", "Upsample"}),
    _plan,
    LAST,
)

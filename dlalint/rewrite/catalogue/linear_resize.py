"""A linear resize by whole factors as a nearest one, a smoothing depthwise convolution, and a product that mends the border."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.interpolation import linear, smooth, write_smoothed


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = linear(graph, index)
    if isinstance(found, Miss):
        return found
    if not smooth(found):
        return Miss("its factors are not whole, or it aligns corners")
    node = graph.nodes[index]
    build = Builder(graph, index, REWRITE.name)
    write_smoothed(build, found, lambda output: _repeated(build, node.input[0], found.scales, output), node.output[0])
    return build.replacement(index)


def _repeated(build: Builder, source: str, scales: tuple[float, float], output: str) -> str:
    """Each sample repeated: the nearest resize that every release with a resize on its DLA takes."""
    factors = (1.0, 1.0, *scales)
    opset = build.graph.opset
    if opset < 9:
        return build.add("Upsample", [source], output, mode="nearest", scales=factors)
    given = build.tensor(np.array(factors, np.float32))
    if opset < 11:
        return build.add("Upsample" if opset < 10 else "Resize", [source, given], output, mode="nearest")
    inputs = [source, "" if opset >= 13 else build.tensor(np.zeros(0, np.float32)), given]
    return build.add("Resize", inputs, output, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


REWRITE = Rewrite(
    "linear-resize",
    ROUNDING,
    "A linear resize becomes a nearest one and a smoothing convolution.",
    frozenset({"Resize", "Upsample"}),
    _plan,
)

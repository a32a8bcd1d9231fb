"""Any linear resize as 1x1 convolutions with interpolation matrices over an axis that is transposed to where the channels are."""

from __future__ import annotations

from dlalint.rewrite.base import LAST, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.interpolation import Linear, linear, matrix


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    found = linear(graph, index)
    if isinstance(found, Miss):
        return found
    node = graph.nodes[index]
    build = Builder(graph, index, REWRITE.name)
    axes = [axis for axis in _cheapest(found) if found.before[axis] != found.after[axis] or found.scales[axis - 2] != 1]
    if not axes:
        return Miss("it keeps the size")
    source, order = node.input[0], [0, 1, 2, 3]
    for axis in axes:
        wanted = [0, axis, *(other for other in order[1:] if other != axis)]
        weights = matrix(found.before[axis], found.after[axis], found.scales[axis - 2], found.coordinates)
        source = build.transpose(source, [order.index(item) for item in wanted])
        source = build.conv(source, weights[:, :, None, None].astype(build.dtype(node.output[0])))
        order = wanted
    build.transpose(source, [order.index(item) for item in range(4)], node.output[0])
    return build.replacement(index)


def _cheapest(found: Linear) -> tuple[int, int]:
    """Height (2) and width (3) in the order that multiplies less."""
    _, _, height, width = found.before
    _, _, taller, wider = found.after
    down_first = height * taller * width + width * wider * taller
    return (2, 3) if down_first <= width * wider * height + height * taller * wider else (3, 2)


REWRITE = Rewrite(
    "linear-resize-matrix",
    ROUNDING,
    "A linear resize becomes 1x1 convolutions with interpolation matrices between transposes.",
    frozenset({"Resize", "Upsample"}),
    _plan,
    LAST,
)

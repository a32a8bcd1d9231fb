"""A mean over height and width as average poolings one after the other, or as convolutions with one kernel a channel."""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reduction import add_mean, reduction


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = reduction(graph, index)
    if isinstance(found, Miss):
        return found
    if not found.long <= {2, 3}:
        return Miss("it takes the mean over channels too, which reduce-to-conv does")
    build = Builder(graph, index, REWRITE.name)
    output = node.output[0] if found.keeps else ""
    made = add_mean(build, node.input[0], found.dims[1], found.map, output)
    if not found.keeps:
        build.squeeze(made, found.axes, node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "global-average-pool",
    ROUNDING,
    "A mean over the map becomes average poolings or convolutions.",
    frozenset({"GlobalAveragePool", "ReduceMean"}),
    _plan,
)

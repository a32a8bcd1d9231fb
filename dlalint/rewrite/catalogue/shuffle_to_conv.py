"""A channel shuffle (Reshape to N,G,C/G,H,W; Transpose of the two; Reshape back) as a 1x1 convolution with a permutation matrix."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.index_layers import one_hot
from dlalint.rewrite.selection import computable, too_large
from dlalint.rewrite.shuffles import chain, spelled, spread


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    nodes = chain(graph, index)
    if nodes is None:
        return Miss("it is no Reshape, Transpose, Reshape that nothing else reads")
    found = spelled(graph, nodes)
    if isinstance(found, Miss):
        return found
    rows = spread(found) if found.before == found.after else None
    if rows is None:
        return Miss("it moves more than whole channels")
    source, channels = graph.nodes[nodes[0]].input[0], found.before[1]
    refused = computable(graph, source) or too_large(channels, channels)
    if refused:
        return refused
    build = Builder(graph, nodes[0], REWRITE.name)
    weights = one_hot((channels, channels, 1, 1), build.dtype(source), rows[:, 1], rows[:, 0])
    build.conv(source, weights, output=graph.nodes[nodes[2]].output[0])
    return build.replacement(*nodes)


REWRITE = Rewrite(
    "shuffle-to-conv",
    EXACT,
    "A channel shuffle becomes a 1x1 convolution.",
    frozenset({"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze"}),
    _plan,
)

"""Reshape, Transpose, Reshape through five or more dimensions as the same through four: neighbours that move together are one dimension.

It costs no multiplications, and comes after the convolutions that do the same in one layer.
"""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, LAST, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.shuffles import RESHAPES, chain, merged, spelled


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    nodes = chain(graph, index)
    if nodes is None:
        return Miss("it is no Reshape, Transpose, Reshape that nothing else reads")
    found = spelled(graph, nodes)
    if isinstance(found, Miss):
        return found
    first, last = graph.nodes[nodes[0]], graph.nodes[nodes[-1]]
    if len(graph.dims(first.output[0]) or ()) == len(found.before):
        return Miss("it goes through four dimensions already")
    moves = merged(found)
    if moves is None or len(moves[0]) > 3:
        return Miss("it moves the batch, or more than three axes against each other")
    sizes, order = moves
    spare = 3 - len(sizes)
    build = Builder(graph, nodes[0], REWRITE.name)
    apart = build.reshape(first.input[0], [found.before[0], *sizes, *[1] * spare])
    turned = build.transpose(apart, [0, *(axis + 1 for axis in order), *range(len(sizes) + 1, 4)])
    build.reshape(turned, found.after, last.output[0])
    return build.replacement(*nodes)


REWRITE = Rewrite(
    "shuffle-in-4d", EXACT, "Reshape, Transpose, Reshape goes through four dimensions.", RESHAPES | {"Transpose"}, _plan, LAST
)

"""A Flatten, Squeeze or Reshape of N, C, 1, 1 to N, C goes behind the nodes that compute the same in four dimensions."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.lifting import BORDER, entrance, exits, has_product, lifted, reads, regions
from dlalint.rewrite.lifts import BINARY, SOFTMAX, UNARY


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    for found in regions(graph, index):
        if found.frame.between or has_product(graph, found):
            continue
        entering = any(entrance(graph, found, name) for name in reads(graph, found))
        if entering or any(exits(graph, found, graph.nodes[item].output[0]) for item in found.nodes):
            return lifted(graph, found, Builder(graph, found.nodes[0], REWRITE.name))
    return Miss("nothing behind it computes the same in four dimensions")


REWRITE = Rewrite(
    "flatten-last",
    EXACT,
    "A flattening moves behind the nodes that compute the same in four dimensions.",
    BORDER | UNARY | BINARY | SOFTMAX,
    _plan,
)

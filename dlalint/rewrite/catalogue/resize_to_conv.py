"""A nearest Resize or Upsample as a transposed convolution that repeats, or, where it makes less, as what selects."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.sampling import nearest, resizing
from dlalint.rewrite.selection import pick


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = resizing(graph, node)
    taken = found if isinstance(found, Miss) else nearest(found)
    if isinstance(taken, Miss):
        return taken
    build = Builder(graph, index, REWRITE.name)
    return pick(build, node.input[0], taken, node.output[0]) or build.replacement(index)


REWRITE = Rewrite("resize-to-conv", EXACT, "A nearest Resize becomes a transposed convolution.", frozenset({"Resize", "Upsample"}), _plan)

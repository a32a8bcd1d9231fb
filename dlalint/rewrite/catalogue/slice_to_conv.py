"""A Slice as a convolution that selects channels by its weights, rows and columns by its stride and by where the ones lie."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.branches import as_layers
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return as_layers(graph, index, REWRITE.name)


REWRITE = Rewrite("slice-to-conv", EXACT, "A Slice becomes a convolution or pooling that selects.", frozenset({"Slice"}), _plan)

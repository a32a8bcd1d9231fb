"""A Split as convolutions, each of which selects one part."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.branches import as_layers
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return as_layers(graph, index, REWRITE.name)


REWRITE = Rewrite("split-to-conv", EXACT, "A Split becomes convolutions that select.", frozenset({"Split"}), _plan)

"""SpaceToDepth, also spelled Reshape, Transpose, Reshape, as a convolution whose kernel and stride are the block."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.blocks import as_convolution
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return as_convolution(graph, index, REWRITE.name, deeper=True)


REWRITE = Rewrite(
    "space-to-depth",
    EXACT,
    "SpaceToDepth becomes a strided convolution.",
    frozenset({"SpaceToDepth", "Reshape", "Transpose"}),
    _plan,
)

"""DepthToSpace, also spelled Reshape, Transpose, Reshape, as a transposed convolution whose kernel and stride are the block."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.blocks import as_convolution
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return as_convolution(graph, index, REWRITE.name, deeper=False)


REWRITE = Rewrite(
    "depth-to-space",
    EXACT,
    "DepthToSpace becomes a transposed convolution.",
    frozenset({"DepthToSpace", "Reshape", "Transpose"}),
    _plan,
)

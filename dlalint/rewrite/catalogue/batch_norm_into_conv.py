"""Batch normalization in the weights of the convolution or Gemm before or behind it."""

from __future__ import annotations

from dlalint.rewrite.base import BATCH_NORM, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.folding import fold
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return fold(graph, index, REWRITE.name)


REWRITE = Rewrite(
    "batch-norm-into-conv",
    ROUNDING,
    "Batch normalization becomes part of the weights and bias of a convolution or Gemm beside it.",
    frozenset({"BatchNormalization"}),
    _plan,
    BATCH_NORM,
)

"""Arithmetic with a constant per channel in the weights of the convolution or Gemm before or behind it."""

from __future__ import annotations

from dlalint.rewrite.base import FOLD, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.folding import fold
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    return fold(graph, index, REWRITE.name)


REWRITE = Rewrite(
    "fold-constant-operand",
    ROUNDING,
    "Arithmetic with a constant becomes part of the weights and bias of a convolution or Gemm beside it.",
    frozenset({"Add", "Div", "Mul", "Neg", "Sub"}),
    _plan,
    FOLD,
)

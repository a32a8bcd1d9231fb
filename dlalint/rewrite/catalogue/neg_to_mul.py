"""Neg as a product with -1."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import EXACT, Rewrite
from dlalint.rewrite.graph import Graph


def _formula(graph: Graph, index: int, write: Arithmetic) -> None:
    """-x is x * -1."""
    node = graph.nodes[index]
    write.affine(node.input[0], -1.0, output=node.output[0])


REWRITE = Rewrite("neg-to-mul", EXACT, "Neg becomes a multiplication with -1.", frozenset({"Neg"}), spelled("neg-to-mul", _formula))

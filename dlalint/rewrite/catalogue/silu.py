"""Swish as a product with a sigmoid."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import ROUNDING, Rewrite
from dlalint.rewrite.graph import Graph, attribute


def _formula(graph: Graph, index: int, write: Arithmetic) -> None:
    """x * sigmoid(alpha x)."""
    node = graph.nodes[index]
    slope = float(attribute(node, "alpha", 1.0))
    scaled = write.affine(node.input[0], slope) if slope != 1 else node.input[0]
    write.build.add("Mul", [node.input[0], write.build.add("Sigmoid", [scaled])], node.output[0])


REWRITE = Rewrite("silu", ROUNDING, "Swish becomes Sigmoid and Mul.", frozenset({"Swish"}), spelled("silu", _formula))

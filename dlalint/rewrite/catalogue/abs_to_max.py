"""Abs as the larger one of a tensor and its negative."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import EXACT, Rewrite
from dlalint.rewrite.graph import Graph


def formula(graph: Graph, index: int, write: Arithmetic) -> None:
    """|x| is max(x, -x)."""
    node = graph.nodes[index]
    write.build.add("Max", [node.input[0], write.affine(node.input[0], -1.0)], node.output[0])


REWRITE = Rewrite("abs-to-max", EXACT, "Abs becomes the maximum of x and -x.", frozenset({"Abs"}), spelled("abs-to-max", formula))

"""Sub as a sum with the negative."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import EXACT, Miss, Rewrite
from dlalint.rewrite.graph import Graph


def formula(graph: Graph, index: int, write: Arithmetic) -> Miss | None:
    """x - y is x + y * -1; a constant y changes its sign before the model runs."""
    node = graph.nodes[index]
    left, right = node.input
    if write.by_conv and (graph.is_constant(left) or graph.is_constant(right) or graph.dims(left) != graph.dims(right)):
        return Miss("an operand is constant or broadcast")
    known = graph.constant(right)
    negative = write.constant(-known) if known is not None else write.affine(right, -1.0)
    write.build.add("Add", [left, negative], node.output[0])
    return None


REWRITE = Rewrite("sub-to-add", EXACT, "Sub becomes an addition of the negative.", frozenset({"Sub"}), spelled("sub-to-add", formula))

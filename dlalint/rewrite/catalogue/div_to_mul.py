"""A division by a constant as a multiplication with its reciprocal."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    divisor = graph.constant(node.input[1])
    if divisor is None:
        return Miss("the divisor is computed")
    if divisor.dtype.kind != "f" or not np.all(np.isfinite(divisor)) or np.any(divisor == 0):
        return Miss("the divisor is not a finite float other than zero")
    build = Builder(graph, index, REWRITE.name)
    build.add("Mul", [node.input[0], build.tensor(1 / divisor)], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite("div-to-mul", ROUNDING, "A division by a constant becomes a multiplication.", frozenset({"Div"}), _plan)

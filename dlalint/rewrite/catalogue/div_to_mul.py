"""A division by a constant as a multiplication with its reciprocal."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import ROUNDING, Miss, Rewrite
from dlalint.rewrite.graph import Graph


def _formula(graph: Graph, index: int, write: Arithmetic) -> Miss | None:
    """x / c is x * (1 / c), which is bit-equal when c is a power of two."""
    node = graph.nodes[index]
    divisor = graph.constant(node.input[1])
    if divisor is None:
        return Miss("the divisor is computed")
    with np.errstate(divide="ignore", over="ignore"):
        reciprocal = 1 / divisor
    normal = np.isfinite(divisor) & np.isfinite(reciprocal) & (np.abs(reciprocal) >= np.finfo(divisor.dtype).tiny)
    if not np.all(normal):
        return Miss("the reciprocal of the divisor is no normal number")
    write.build.add("Mul", [node.input[0], write.constant(reciprocal)], node.output[0])
    return None


REWRITE = Rewrite(
    "div-to-mul", ROUNDING, "A division by a constant becomes a multiplication.", frozenset({"Div"}), spelled("div-to-mul", _formula)
)

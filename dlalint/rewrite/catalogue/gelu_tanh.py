"""The operator Gelu with the approximation by tanh, spelled out."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, spelled
from dlalint.rewrite.base import ROUNDING, Miss, Rewrite
from dlalint.rewrite.gelu import write_tanh_form
from dlalint.rewrite.graph import Graph, attribute


def _formula(graph: Graph, index: int, write: Arithmetic) -> Miss | None:
    node = graph.nodes[index]
    if attribute(node, "approximate", "none") != "tanh":
        return Miss("it is the GELU of the error function")
    write_tanh_form(write, node.input[0], node.output[0])
    return None


REWRITE = Rewrite(
    "gelu-tanh", ROUNDING, "Gelu in its tanh form becomes products and Sigmoid.", frozenset({"Gelu"}), spelled("gelu-tanh", _formula)
)

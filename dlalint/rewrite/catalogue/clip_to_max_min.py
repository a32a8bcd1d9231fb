"""Clip as Max and Min with its bounds; as Relu where the lower bound is 0."""

from __future__ import annotations

from dlalint.rewrite.arithmetic import Arithmetic, cannot_bound, spelled
from dlalint.rewrite.base import EXACT, Miss, Rewrite
from dlalint.rewrite.graph import Graph, attribute

SPLIT_SINCE = 11  # the operator set in which the bounds became inputs


def formula(graph: Graph, index: int, write: Arithmetic) -> Miss | None:
    """min(max(x, low), high)."""
    node = graph.nodes[index]
    if graph.opset < SPLIT_SINCE:
        low, high = attribute(node, "min"), attribute(node, "max")
    else:
        given = [name for name in node.input[1:] if name]
        if any(graph.number(name) is None for name in given):
            return Miss("a bound is computed")
        low, high = (graph.number(name) if name else None for name in (*node.input[1:], "", "")[:2])
    if low is None and high is None:
        return Miss("it has no bounds")
    if cannot_bound(write):
        return Miss("Max and Min of this operator set do not broadcast")
    if write.by_conv and low is not None and high is not None and low > high:
        return Miss("its lower bound is above the upper one")
    write.between(node.input[0], low, high, node.output[0])
    return None


REWRITE = Rewrite(
    "clip-to-max-min", EXACT, "Clip becomes Max and Min with its bounds.", frozenset({"Clip"}), spelled("clip-to-max-min", formula)
)

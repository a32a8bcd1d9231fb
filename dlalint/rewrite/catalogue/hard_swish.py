"""HardSwish as a product with a clipped sum: x * clip(x + 3, 0, 6) / 6."""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement:
    node = graph.nodes[index]
    build = Builder(graph, index, REWRITE.name)
    source = node.input[0]
    shifted = build.add("Add", [source, build.like(3, source)])
    gate = build.clip(shifted, 0, 6, source)
    scaled = build.add("Mul", [gate, build.like(1 / 6, source)])
    build.add("Mul", [source, scaled], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite("hard-swish", ROUNDING, "HardSwish becomes Add, Clip and Mul.", frozenset({"HardSwish"}), _plan)

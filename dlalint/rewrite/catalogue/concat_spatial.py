"""A Concat on height or width as one on channels, between transposes."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    made = graph.dims(node.output[0])
    if made is None or len(made) != 4:
        return Miss("its output has not four static dimensions")
    axis = attribute(node, "axis", 1) % 4
    if axis not in (2, 3):
        return Miss("it joins neither height nor width")
    order = [0, 2, 1, 3] if axis == 2 else [0, 3, 2, 1]
    build = Builder(graph, index, REWRITE.name)
    joined = build.add("Concat", [build.transpose(name, order) for name in node.input], axis=1)
    build.transpose(joined, order, node.output[0])
    return build.replacement(index)


REWRITE = Rewrite("concat-spatial", EXACT, "A Concat on height or width becomes one on channels.", frozenset({"Concat"}), _plan)

"""A Resize to stated sizes as one by stated scales, where those are whole numbers."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.sampling import resizing


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = resizing(graph, node)
    if isinstance(found, Miss):
        return found
    if not found.sized:
        return Miss("its scales are stated")
    if found.factors is None:
        return Miss("its sizes are no multiples of those before")
    build = Builder(graph, index, REWRITE.name)
    scales = build.tensor(np.array(found.factors, np.float32))
    roi = build.tensor(np.zeros(0, np.float32)) if graph.opset < 13 else ""
    build.keep(node, [node.input[0], roi, scales], axes=None, keep_aspect_ratio_policy=None)
    return build.replacement(index)


REWRITE = Rewrite("resize-sizes-to-scales", EXACT, "A Resize states scales instead of sizes.", frozenset({"Resize"}), _plan)

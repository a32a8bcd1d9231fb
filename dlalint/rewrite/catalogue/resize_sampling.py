"""A nearest Resize by whole factors with the sampling that repeats every element: asymmetric coordinates, rounded down.

By a factor s, half_pixel looks at most (s - 1) / 2s beside the element, so that rounding to the nearest finds it; other samplings find it
for some factors and sizes only. So the elements are compared one by one.
"""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.sampling import nearest, resizing


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = resizing(graph, node)
    if isinstance(found, Miss):
        return found
    taken = nearest(found)
    if isinstance(taken, Miss):
        return taken
    if found.factors is None:
        return Miss("its factors are no whole numbers")
    repeats = [np.repeat(np.arange(size), factor) for size, factor in zip(found.dims, found.factors, strict=True)]
    if not all(map(np.array_equal, taken, repeats)):
        return Miss("it does not repeat every element alike")
    if (found.transform, found.rounding, found.sized) == ("asymmetric", "floor", False):
        return Miss("its sampling is asymmetric and rounded down already")
    build = Builder(graph, index, REWRITE.name)
    scales = build.tensor(np.array(found.factors, np.float32))
    roi = build.tensor(np.zeros(0, np.float32)) if graph.opset < 13 else ""
    sampling = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    build.keep(node, [node.input[0], roi, scales], axes=None, keep_aspect_ratio_policy=None, **sampling)
    return build.replacement(index)


REWRITE = Rewrite("resize-sampling", EXACT, "A nearest Resize samples in the way the DLA does.", frozenset({"Resize"}), _plan)

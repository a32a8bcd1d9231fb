"""Average poolings: how many elements each place divides by."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import Miss
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.windows import Window, inside, window


def average(graph: Graph, index: int) -> Window | Miss:
    """The window of an AveragePool; a :class:`Miss` unless its maps are static and its window is dense."""
    found = window(graph, index)
    if isinstance(found, Miss):
        return found
    if found.dilations != (1, 1):
        return Miss("its window is dilated")
    return found if inside(found) else Miss("a window of it lies in the padding")


def correction(graph: Graph, index: int, found: Window) -> Array:
    """The size of the window divided by the elements that are counted, for each place of the result."""
    included = bool(attribute(graph.nodes[index], "count_include_pad", 0))
    counts = [_counts(found, axis, included) for axis in (0, 1)]
    whole: Array = np.outer(counts[0], counts[1]).astype(np.float64)
    ratio: Array = found.kernel[0] * found.kernel[1] / whole
    return ratio


def _counts(found: Window, axis: int, included: bool) -> Array:
    """What the windows along an axis count: the map, with ``included`` the padding too, but never what ceil_mode reads behind it."""
    first = np.arange(found.made[axis]) * found.strides[axis] - found.begin[axis]
    low, high = 0, found.size[axis]
    if included:
        low, high = -found.begin[axis], high + found.end[axis]
    counted: Array = np.minimum(first + found.kernel[axis], high) - np.maximum(first, low)
    return counted

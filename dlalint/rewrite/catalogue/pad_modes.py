"""A Pad with copies (reflect, edge, wrap) as convolutions that make the border, or between transposes where it comes from too far."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.picks import UNKNOWN, Pick
from dlalint.rewrite.selection import pick

_MODES = ("reflect", "edge", "wrap")


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    dims, mode = graph.dims(node.input[0]), attribute(node, "mode", "constant")
    if mode not in _MODES:
        return Miss(f"it pads with a {mode}")
    if dims is None or len(dims) != 4 or 0 in dims:
        return UNKNOWN
    pads = attribute(node, "pads") if graph.opset < 11 else graph.ints(node.input[1])
    axes = graph.ints(node.input[3]) if len(node.input) > 3 and node.input[3] else tuple(range(4))
    if pads is None or axes is None:
        return Miss("its pads are computed")
    found = _padded(dims, mode, pads, axes)
    if isinstance(found, Miss):
        return found
    build = Builder(graph, index, REWRITE.name)
    return pick(build, node.input[0], found, node.output[0]) or build.replacement(index)


def _padded(dims: tuple[int, ...], mode: str, pads: tuple[int, ...], axes: tuple[int, ...]) -> Pick | Miss:
    """The element that each element of the padded tensor is."""
    found = [np.arange(size) for size in dims]
    for number, axis in enumerate(axes):
        begin, end, size = pads[number], pads[number + len(axes)], dims[axis]
        if min(begin, end) < 0:
            return Miss("it pads and crops at once")
        if mode == "reflect" and max(begin, end) >= size:
            return Miss("it reflects more than there is")
        found[axis] = np.pad(found[axis], (begin, end), mode=mode)  # type: ignore[call-overload]
    return tuple(found)


REWRITE = Rewrite("pad-modes", EXACT, "A Pad with copies of the border becomes convolutions.", frozenset({"Pad"}), _plan)

"""A Concat on height or width as the sum of its inputs, each padded with zeros to the size of the whole by convolutions."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, LAST, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.index_layers import one_hot
from dlalint.rewrite.selection import computable

_PADDING = 31  # the most that every release takes, with a kernel of one more (cards conv-padding-too-large, conv-kernel-too-large)
_LAYERS = 32


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    axis = attribute(node, "axis", 1) % 4
    if axis not in (2, 3):
        return Miss("it joins neither height nor width")
    for name in node.input:
        refused = computable(graph, name)
        if refused:
            return refused
    sizes = [(graph.dims(name) or ())[axis] for name in node.input]
    if sum(sizes) * len(sizes) > _PADDING * _LAYERS:
        return Miss("it would take many convolutions to pad its inputs")
    build = Builder(graph, index, REWRITE.name)
    made = ""
    for number, name in enumerate(node.input):
        padded = _padded(build, name, axis, sum(sizes[:number]), sum(sizes[number + 1 :]))
        made = build.add("Add", [made, padded], node.output[0] if number == len(sizes) - 1 else "") if made else padded
    return build.replacement(index) if len(sizes) > 1 else Miss("it has one input")


def _padded(build: Builder, name: str, axis: int, begin: int, end: int) -> str:
    """``name`` with zeros before and behind, as many at a time as a convolution can pad."""
    channels, dtype = (build.graph.dims(name) or ())[1], build.dtype(name)
    while begin or end:
        first = min(begin, _PADDING)
        last = min(end, _PADDING - first)
        kernel = (first + last + 1, 1) if axis == 2 else (1, first + last + 1)
        place = (last, 0) if axis == 2 else (0, last)
        pads = [0, 0, 0, 0]
        pads[axis - 2] = pads[axis] = first + last
        weights = one_hot((channels, 1, *kernel), dtype, np.arange(channels), 0, *place)
        name = build.conv(name, weights, pads=pads, group=channels)
        begin, end = begin - first, end - last
    return name


REWRITE = Rewrite("concat-to-sum", EXACT, "A Concat on height or width becomes a sum of padded inputs.", frozenset({"Concat"}), _plan, LAST)

"""Padding that is not below the kernel, as dilated convolutions have, as layers before; a large dilation as zeros in the kernel.

Rows and columns of the kernel that lie in the padding wherever the kernel stands are left out first: a dilation as long as the map.
"""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.convolution import add, convolution
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reach import padded, tightened, unpadded


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = convolution(graph, index)
    if isinstance(found, Miss):
        return found
    small = tightened(found)
    if unpadded(small) is found:
        return Miss("its padding is below its kernel and its dilation in bounds")
    build = Builder(graph, index, REWRITE.name)
    source = node.input[0]
    if unpadded(small) is not small:
        source = padded(build, source, small.channels, small.window.pads, source)
    add(build, unpadded(small), source, node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "dilated-conv",
    ROUNDING,
    "Padding as large as the kernel is made by layers of its own; a large dilation becomes zeros in the kernel.",
    frozenset({"Conv"}),
    _plan,
)

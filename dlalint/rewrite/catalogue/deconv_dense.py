"""A transposed convolution with groups or dilation as one with zeros in its kernel, cropped by a slice where it was padded."""

from __future__ import annotations

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.deconvolution import add_cropped, deconvolution, dense, grown
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = deconvolution(graph, index)
    if isinstance(found, Miss):
        return found
    if found.plain:
        return Miss("it has neither groups nor dilation")
    build = Builder(graph, index, REWRITE.name)
    add_cropped(build, grown(dense(found)), node.input[0], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "deconv-dense",
    ROUNDING,
    "Groups and dilation of a transposed convolution become zeros in its kernel.",
    frozenset({"ConvTranspose"}),
    _plan,
)

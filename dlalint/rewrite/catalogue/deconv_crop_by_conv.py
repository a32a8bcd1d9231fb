"""A padded transposed convolution as one without padding, and a convolution with one weight a channel that crops its result."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.deconvolution import add_crop, add_full, deconvolution, grown
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = deconvolution(graph, index)
    if isinstance(found, Miss):
        return found
    if not found.plain:
        return Miss("it has groups or dilation, which deconv-subpixel writes out")
    found = grown(found)
    if not any((*found.cut, *found.behind)):
        return Miss("it leaves nothing out")
    build = Builder(graph, index, REWRITE.name)
    full = add_full(build, found, node.input[0])
    add_crop(build, full, found.weights.shape[1], found.cut, found.behind, node.output[0], node.input[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "deconv-crop-by-conv",
    EXACT,
    "A padded transposed convolution becomes one without padding and a convolution that crops.",
    frozenset({"ConvTranspose"}),
    _plan,
)

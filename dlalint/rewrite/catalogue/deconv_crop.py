"""A padded transposed convolution as one without padding, and a slice that crops its result; output_padding as zeros in the kernel."""

from __future__ import annotations

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.deconvolution import add_cropped, deconvolution, grown
from dlalint.rewrite.graph import Graph


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = deconvolution(graph, index)
    if isinstance(found, Miss):
        return found
    if not any((*found.cut, *found.behind)):
        return Miss("it leaves nothing out")
    if not found.plain:
        return Miss("it has groups or dilation, which deconv-dense writes out")
    build = Builder(graph, index, REWRITE.name)
    add_cropped(build, grown(found), node.input[0], node.output[0])
    return build.replacement(index)


REWRITE = Rewrite(
    "deconv-crop",
    EXACT,
    "A padded transposed convolution becomes one without padding and a slice.",
    frozenset({"ConvTranspose"}),
    _plan,
)

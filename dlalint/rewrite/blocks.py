"""Moves between channels and blocks of the map (SpaceToDepth, DepthToSpace and their spellings) as convolutions."""

from __future__ import annotations

from dlalint.rewrite.base import Miss, Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.index_layers import one_hot
from dlalint.rewrite.selection import computable, too_large
from dlalint.rewrite.shuffles import Shuffle, chain, shuffle, spelled, spread

_OPERATORS = ("DepthToSpace", "SpaceToDepth")


def as_convolution(graph: Graph, index: int, rewrite: str, *, deeper: bool) -> Replacement | Miss:
    """What ``index`` is part of as one convolution, transposed unless the channels become more (``deeper``)."""
    own = graph.nodes[index].op_type in _OPERATORS
    nodes = chain(graph, index) if not own else (index,)
    if nodes is None:
        return Miss("it is no Reshape, Transpose, Reshape that nothing else reads")
    source = graph.nodes[nodes[0]].input[0]
    refused = computable(graph, source)
    if refused:
        return refused
    found = _operator(graph, index) if own else spelled(graph, nodes)
    if isinstance(found, Miss):
        return found
    rows = spread(found.inverse if deeper else found)
    if rows is None or found.before == found.after:
        return Miss("it moves no blocks of the map into channels" if deeper else "it moves no channels into blocks of the map")
    large, small = (found.before, found.after) if deeper else (found.after, found.before)
    block = (large[2] // small[2], large[3] // small[3])
    refused = too_large(small[1], large[1], *block)
    if refused:
        return refused
    build = Builder(graph, nodes[0], rewrite)
    weights = one_hot((small[1], large[1], *block), build.dtype(source), *rows.T)
    build.conv(source, weights, output=graph.nodes[nodes[-1]].output[0], strides=block, transposed=not deeper)
    return build.replacement(*nodes)


def _operator(graph: Graph, index: int) -> Shuffle | Miss:
    """The move that a DepthToSpace or SpaceToDepth is; in the mode DCR, the default, the block lies in front of the channels."""
    node = graph.nodes[index]
    batch, channels, height, width = graph.dims(node.input[0]) or (0, 0, 0, 0)
    size, after = attribute(node, "blocksize", 1), graph.dims(node.output[0])
    if after is None:
        return Miss("its output has not four static dimensions")
    found: Shuffle | None
    if node.op_type == "SpaceToDepth":
        middle, order = (batch, channels, height // size, size, width // size, size), (0, 3, 5, 1, 2, 4)
    elif attribute(node, "mode", "DCR") == "CRD":
        middle, order = (batch, channels // size**2, size, size, height, width), (0, 1, 4, 2, 5, 3)
    else:
        middle, order = (batch, size, size, channels // size**2, height, width), (0, 3, 4, 1, 5, 2)
    found = shuffle((batch, channels, height, width), middle, order, after)
    return found or Miss("its block does not divide its input")

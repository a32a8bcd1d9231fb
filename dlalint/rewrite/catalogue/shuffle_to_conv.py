"""A channel shuffle (Reshape to N,G,C/G,H,W; Transpose of the two; Reshape back) as a 1x1 convolution with a permutation matrix."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    chain = _chain(graph, index)
    if chain is None:
        return Miss("it is no Reshape, Transpose, Reshape that nothing else reads")
    first, middle, last = chain
    source, made = graph.nodes[first].input[0], graph.nodes[last].output[0]
    dims, split = graph.dims(source), graph.dims(graph.nodes[first].output[0])
    if dims is None or split is None or len(dims) != 4 or graph.dims(made) != dims:
        return Miss("its shapes are not those of a channel shuffle of four static dimensions")
    order = attribute(graph.nodes[middle], "perm", tuple(reversed(range(len(split)))))
    moved = _permutation(dims, split, order)
    if moved is None:
        return Miss("it moves more than whole channels")
    build = Builder(graph, first, REWRITE.name)
    weights = np.zeros((dims[1], dims[1], 1, 1), build.dtype(source))
    weights[np.arange(dims[1]), moved] = 1
    build.conv(source, weights, output=made)
    return build.replacement(*chain)


def _chain(graph: Graph, index: int) -> tuple[int, int, int] | None:
    """The Reshape, Transpose and Reshape of which ``index`` is one."""
    for back in (0, 1, 2):
        first: int | None = index
        for _ in range(back):
            first = graph.producer(graph.nodes[first].input[0]) if first is not None else None
        if first is None:
            continue
        found = [first]
        for op_type in ("Transpose", "Reshape"):
            reader = graph.only_consumer(graph.nodes[found[-1]].output[0])
            if reader is None or graph.nodes[reader].op_type != op_type:
                break
            found.append(reader)
        if len(found) == 3 and graph.nodes[first].op_type == "Reshape" and index in found:
            return found[0], found[1], found[2]
    return None


def _permutation(dims: tuple[int, ...], split: tuple[int, ...], order: tuple[int, ...]) -> list[int] | None:
    """For each channel of the result the channel it comes from; ``None`` when the moves are of another kind."""
    channels = dims[1]
    spatial = dims[2] * dims[3]
    if channels > 8192 or int(np.prod(dims)) > 1 << 24:
        return None
    moved = np.arange(channels * spatial).reshape(1, channels, spatial)
    whole = np.broadcast_to(moved, (dims[0], channels, spatial)).reshape(split).transpose(order).reshape(dims[0], channels, spatial)
    if not all(np.array_equal(whole[0], item) for item in whole):
        return None
    sources = whole[0, :, 0] // max(spatial, 1)
    if not np.array_equal(whole[0], moved[0, sources]):
        return None
    return [int(item) for item in sources]


REWRITE = Rewrite("shuffle-to-conv", EXACT, "A channel shuffle becomes a 1x1 convolution.", frozenset({"Reshape", "Transpose"}), _plan)

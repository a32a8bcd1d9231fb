"""Writing channels of a tensor at constant places as a Concat of data and updates, and a convolution that selects.

ScatterND with one index is understood between transposes that bring the channels to the front, as torch.export writes x[:, 2:5] = y.
"""

from __future__ import annotations

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import EXACT, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.index_layers import one_hot
from dlalint.rewrite.known import settle
from dlalint.rewrite.picks import COMPUTED
from dlalint.rewrite.sandwich import keep_shared, sandwich, transposed
from dlalint.rewrite.selection import computable, too_large
from dlalint.rewrite.weights import Array

_PARTIAL = Miss("it does not write whole channels")


class _Written(NamedTuple):
    """``channels`` of ``data`` become those of ``updates``; ``nodes`` do it, after the Transposes ``before``."""

    data: str
    updates: str
    channels: Array
    output: str
    nodes: tuple[int, ...]
    before: tuple[int, ...] = ()


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    indices = constant(graph, node.input[1])
    if indices is None:
        return COMPUTED
    if attribute(node, "reduction", "none") != "none":
        return Miss("it combines what it writes with what is there")
    if attribute(node, "axis", 0) not in (1, -3) and node.op_type != "ScatterND":
        return Miss("it writes along another axis than the channels")
    found = _nd(graph, index, indices) if node.op_type == "ScatterND" else _elements(graph, index, indices)
    if isinstance(found, Miss):
        return found
    refused = computable(graph, found.data) or computable(graph, found.updates)
    if refused:
        return refused
    channels = (graph.dims(found.data) or ())[1]
    written = found.channels % channels
    if len(np.unique(written)) < len(written):
        return Miss("it writes a channel twice")
    taken = np.arange(channels)
    taken[written] = channels + np.arange(len(written))
    shape = (channels, channels + len(written), 1, 1)
    refused = too_large(*shape)
    if refused:
        return refused
    build = Builder(graph, index, REWRITE.name)
    joined = build.add("Concat", [found.data, found.updates], axis=1)
    build.conv(joined, one_hot(shape, build.dtype(found.data), np.arange(channels), taken, 0, 0), output=found.output)
    for before in found.before:
        keep_shared(build, before, set(found.nodes))
    known = settle(build, node.output[0]) if found.output != node.output[0] else []
    return build.replacement(*found.nodes, *found.before, *known)


def _elements(graph: Graph, index: int, indices: Array) -> _Written | Miss:
    """What a ScatterElements along the channels writes."""
    node = graph.nodes[index]
    dims = graph.dims(node.input[0])
    if dims is None or len(dims) != 4 or (indices.shape[0], *indices.shape[2:]) != (dims[0], *dims[2:]):
        return _PARTIAL
    channels = indices[0, :, 0, 0] % dims[1]
    if np.any(indices % dims[1] != channels.reshape(1, -1, 1, 1)):
        return _PARTIAL
    return _Written(node.input[0], node.input[2], channels, node.output[0], (index,))


def _nd(graph: Graph, index: int, indices: Array) -> _Written | Miss:
    """What a ScatterND writes: indices of batch and channel for the whole batch, or of the channel, which transposes bring to the front."""
    node = graph.nodes[index]
    dims, part = graph.dims(node.input[0]), graph.dims(node.input[2])
    if dims is None or part is None or len(dims) != 4 or len(part) != 4:
        return _PARTIAL
    if indices.ndim == 3 and indices.shape[2] == 2 and len(indices) == dims[0]:
        whole = np.array_equal(indices[..., 0] % dims[0], np.broadcast_to(np.arange(dims[0])[:, None], indices.shape[:2]))
        if not whole or np.any(indices[..., 1] % dims[1] != indices[0, :, 1] % dims[1]):
            return _PARTIAL
        return _Written(node.input[0], node.input[2], indices[0, :, 1], node.output[0], (index,))
    around, updates = sandwich(graph, index), transposed(graph, node.input[2])
    if around is None or updates is None or updates[1] != around.order or around.order[0] != 1 or indices.shape[1:] != (1,):
        return _PARTIAL
    source = graph.nodes[updates[0]].input[0]
    return _Written(around.source, source, indices[:, 0], around.output, (index, around.after), (around.before, updates[0]))


REWRITE = Rewrite(
    "scatter-elements",
    EXACT,
    "Written channels become a Concat and a convolution.",
    frozenset({"Scatter", "ScatterElements", "ScatterND"}),
    _plan,
)

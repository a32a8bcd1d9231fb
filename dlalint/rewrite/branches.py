"""The parts that Slice and Split nodes take of a tensor, also through a convolution that only selects channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss, Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.known import settle, workers
from dlalint.rewrite.picks import Pick, sliced, split
from dlalint.rewrite.selection import pick
from dlalint.rewrite.weights import Array

Branch = tuple[str, Pick]


class Selection(NamedTuple):
    """The convolution ``node`` whose every output channel is the channel of ``source`` that ``order`` names."""

    node: int
    source: str
    order: Array


def branches(graph: Graph, node: NodeProto) -> list[Branch] | Miss:
    """The outputs of a Slice or Split, and what each takes of the input."""
    if node.op_type == "Split":
        return split(graph, node)
    found = sliced(graph, node)
    return found if isinstance(found, Miss) else [(node.output[0], found)]


def selection(graph: Graph, name: str) -> Selection | None:
    """The convolution that makes ``name``, if it only selects channels."""
    index = graph.producer(name)
    if index is None or graph.nodes[index].op_type != "Conv":
        return None
    node = graph.nodes[index]
    weights = graph.constant(node.input[1])
    single = all(value == 1 for key in ("strides", "dilations", "group") for value in np.atleast_1d(attribute(node, key, 1)))
    if weights is None or weights.ndim != 4 or not weights.size or weights[0, 0].size != 1:
        return None
    if any(node.input[2:]) or any(attribute(node, "pads", ())) or not single:
        return None
    rows = weights[:, :, 0, 0]
    order = rows.argmax(1)
    selects = np.array_equal(rows != 0, order[:, None] == np.arange(rows.shape[1])) and bool(np.all(rows[np.arange(len(rows)), order] == 1))
    return Selection(index, node.input[0], order) if selects else None


def as_layers(graph: Graph, index: int, rewrite: str) -> Replacement | Miss:
    """The Slice or Split ``index`` as layers that select.

    Where a convolution before it only selects channels and all its readers are of this kind, they are replaced together with it. What
    is known before the model runs, like the shape of what they cut, becomes a constant.
    """
    source = graph.nodes[index].input[0]
    before, cuts = selection(graph, source), workers(graph, source)
    if before is not None and all(cut != NOT_A_NODE and graph.nodes[cut].op_type in ("Slice", "Split") for cut in cuts):
        together = _built(graph, index, rewrite, cuts, before)
        if not isinstance(together, Miss):
            return together
    return _built(graph, index, rewrite, [index], None)


def _built(graph: Graph, index: int, rewrite: str, nodes: Sequence[int], before: Selection | None) -> Replacement | Miss:
    """Layers for the Slices and Splits ``nodes``, past the selection ``before``."""
    build = Builder(graph, index, rewrite)
    for number in nodes:
        found = branches(graph, graph.nodes[number])
        if isinstance(found, Miss):
            return found
        for output, (batch, channels, *rest) in found:
            channels = channels if before is None else before.order[channels]
            source = graph.nodes[number].input[0] if before is None else before.source
            refused = pick(build, source, (batch, channels, *rest), output)
            if refused:
                return refused
    if before is None:
        return build.replacement(*nodes)
    return build.replacement(*nodes, before.node, *settle(build, graph.nodes[before.node].output[0]))

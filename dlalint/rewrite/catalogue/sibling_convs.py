"""Convolutions of one tensor whose results are joined, as one convolution with the maps of all of them."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from dlalint.rewrite.base import LAST, ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Array, Graph, attribute


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    makers = [graph.producer(name) for name in node.input]
    convs = [maker for maker in makers if maker is not None and graph.nodes[maker].op_type == "Conv"]
    if len(set(convs)) < max(2, len(node.input)):
        return Miss("not all it joins are convolutions")
    if any(graph.only_consumer(name) != index for name in node.input):
        return Miss("a convolution has other readers")
    shapes = {graph.nodes[conv].input[0]: graph.dims(graph.nodes[conv].input[1]) for conv in convs}
    if len(shapes) > 1 or len({_attributes(graph, graph.nodes[conv]) for conv in convs}) > 1:
        return Miss("the convolutions differ in more than their weights")
    dims = graph.dims(node.output[0])
    if dims is None or attribute(node, "axis", 1) not in (1, 1 - len(dims)) or attribute(graph.nodes[convs[0]], "group", 1) != 1:
        return Miss("it does not join the channels of convolutions with one group")
    weights = [constant(graph, graph.nodes[conv].input[1]) for conv in convs]
    biases = [_bias(graph, graph.nodes[conv], found) for conv, found in zip(convs, weights, strict=True)]
    known = [item for item in (*weights, *biases) if item is not None]
    if len(known) < 2 * len(convs):
        return Miss("weights are computed")
    build = Builder(graph, index, REWRITE.name)
    parameters = [build.tensor(np.concatenate(known[: len(convs)])), build.tensor(np.concatenate(known[len(convs) :]))]
    build.keep(graph.nodes[convs[0]], [*shapes, *parameters], [node.output[0]])
    return build.replacement(index, *convs)


def _attributes(graph: Graph, node: NodeProto) -> str:
    """All that has to be the same."""
    kernel = graph.dims(node.input[1])
    return f"{kernel[1:] if kernel is not None else None} {sorted(str(item) for item in node.attribute)}"


def _bias(graph: Graph, node: NodeProto, weights: Array | None) -> Array | None:
    if len(node.input) > 2 and node.input[2]:
        return constant(graph, node.input[2])
    return None if weights is None else np.zeros(len(weights), weights.dtype)


REWRITE = Rewrite(
    "sibling-convs", ROUNDING, "Convolutions of one tensor that are joined become one convolution.", frozenset({"Concat"}), _plan, LAST
)

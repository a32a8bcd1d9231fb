"""Batch normalization in the convolution before it: what lies between the two had no Q/DQ pair, and so has no scale.

Weights on a grid of their own for each channel stay on one, as every channel is multiplied as a whole.
"""

from __future__ import annotations

from collections.abc import Collection

from onnx import ModelProto, NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.affine import affine
from dlalint.rewrite.applying import apply
from dlalint.rewrite.base import Miss, Replacement
from dlalint.rewrite.folding import into_source
from dlalint.rewrite.graph import Graph


class Joined(NamedTuple):
    """``model`` with the normalizations in their convolutions. ``outputs`` maps what a convolution made to what it makes now, ``weights``
    what its weights were to the new ones."""

    model: ModelProto
    outputs: dict[str, str]
    weights: dict[str, str]


def joined(graph: Graph, paired: Collection[str]) -> Joined:
    """The model of ``graph``; a tensor in ``paired`` between the two keeps them apart."""
    replacements: list[Replacement] = []
    outputs: dict[str, str] = {}
    weights: dict[str, str] = {}
    for index, node in enumerate(graph.nodes):
        if node.op_type != "BatchNormalization" or node.domain not in ("", "ai.onnx") or node.input[0] in paired:
            continue
        found = affine(graph, index)
        planned = found if isinstance(found, Miss) else into_source(graph, index, found, "folded")
        if isinstance(planned, Miss):
            continue
        source = graph.nodes[graph.producers[node.input[0]]]
        replacements.append(planned._replace(nodes=tuple(_called(item, source) for item in planned.nodes)))
        outputs[source.output[0]] = node.output[0]
        made = next(item for item in planned.nodes if node.output[0] in item.output)
        weights[source.input[1]] = made.input[1] if len(made.input) > 1 else ""
    return Joined(apply(graph, replacements) if replacements else graph.proto, outputs, weights)


def _called(node: NodeProto, source: NodeProto) -> NodeProto:
    """The node under the name of the convolution that it stands for."""
    if node.op_type == source.op_type:
        node.name = source.name
    return node

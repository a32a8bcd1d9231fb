"""Affine nodes folded into the linear nodes around them."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from dlalint.rewrite.affine import Affine, affine
from dlalint.rewrite.base import Miss, Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.linear import LINEAR, linear, put


def fold(graph: Graph, index: int, rewrite: str) -> Replacement | Miss:
    """The node in the weights of the linear node before it, else of those behind it."""
    found = affine(graph, index)
    if isinstance(found, Miss):
        return found
    before = into_source(graph, index, found, rewrite)
    if not isinstance(before, Miss):
        return before
    behind = _into_readers(graph, index, found, rewrite)
    return Miss(f"{before}, and {behind}") if isinstance(behind, Miss) else behind


def into_source(graph: Graph, index: int, found: Affine, rewrite: str) -> Replacement | Miss:
    """The affine node ``found`` in the weights of the linear node before it."""
    source = graph.producer(found.source)
    if source is None or graph.nodes[source].op_type not in LINEAR or graph.only_consumer(found.source) != index:
        return Miss("the node before is no convolution or Gemm that it alone reads")
    known = linear(graph, source)
    if isinstance(known, Miss):
        return Miss("the weights before are computed")
    build = Builder(graph, index, rewrite)
    refused = put(build, known.behind(found), graph.nodes[source].input[0], graph.nodes[index].output[0])
    return refused or build.replacement(source, index)


def _into_readers(graph: Graph, index: int, found: Affine, rewrite: str) -> Replacement | Miss:
    made = graph.nodes[index].output[0]
    readers = graph.consumers(made)
    if not readers or any(reader == NOT_A_NODE or graph.nodes[reader].op_type not in LINEAR for reader in readers):
        return Miss("not every node behind is a convolution or Gemm")
    build = Builder(graph, index, rewrite)
    for reader in readers:
        node = graph.nodes[reader]
        if list(node.input).index(made) or list(node.input).count(made) > 1 or attribute(node, "transA", 0):
            return Miss("a node behind takes it as weights or transposed")
        if np.any(found.shift) and _sees_less(node):
            return Miss("a convolution behind sees less than its whole kernel at the border")
        known = linear(graph, reader)
        if isinstance(known, Miss):
            return Miss("the weights behind are computed")
        refused = put(build, known.before(found), found.source, node.output[0])
        if refused is not None:
            return refused
    return build.replacement(index, *readers)


def _sees_less(node: NodeProto) -> bool:
    """Whether a sum over the whole kernel is not what the border of the output gets."""
    auto = attribute(node, "auto_pad", "NOTSET")
    padded = auto in ("SAME_UPPER", "SAME_LOWER") or (auto != "VALID" and any(attribute(node, "pads", ())))
    return node.op_type == "ConvTranspose" or padded

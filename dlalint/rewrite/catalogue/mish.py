"""Mish, x * tanh(softplus(x)), through the one division that the DLA has: a local response normalization.

With q = sigmoid(-x), tanh(softplus(x)) is 2 / (1 + q^2) - 1. A normalization over three channels (q, 1/2, 0) with the exponent 1 makes
(1/2) / (3/4 + 1/4 + q^2) of the one in the middle, whose denominator lies between 1 and 2.

In floats that is exact up to rounding. The DLA looks the normalization up in a table, and how finely is not published: approximate.
"""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.arithmetic import refusal
from dlalint.rewrite.base import APPROXIMATE, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph

WINDOW = 3  # the narrowest that the DLA takes


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    chain = _chain(graph, index)
    if chain is None:
        return Miss("it is no x * Tanh(Softplus(x)) that nothing else reads")
    source, made = graph.nodes[index].input[0], graph.nodes[chain[-1]].output[0]
    refused = refusal(graph, source, by_conv=True)
    if refused:
        return Miss(refused)
    build = Builder(graph, index, REWRITE.name)
    channels = (graph.dims(source) or (0, 0))[1]
    spread = np.zeros((channels, WINDOW, 1, 1), build.dtype(source))
    spread[:, 0] = -1
    bias = np.tile(np.array([1, 0.5, 0], spread.dtype), channels)
    gate = build.add("Sigmoid", [source])
    apart = build.conv(gate, spread.reshape(-1, 1, 1, 1), bias, group=channels)
    divided = build.add("LRN", [apart], size=WINDOW, alpha=float(WINDOW), beta=1.0, bias=0.75)
    pick = np.zeros((channels, WINDOW, 1, 1), spread.dtype)
    pick[:, 1] = 4
    gate = build.conv(divided, pick, np.full(channels, -1, spread.dtype), group=channels)
    build.add("Mul", [source, gate], made)
    return build.replacement(*chain)


def _chain(graph: Graph, index: int) -> tuple[int, ...] | None:
    """The nodes of the function that starts at ``index``: Mish itself, or Softplus, Tanh and Mul."""
    node = graph.nodes[index]
    if node.op_type == "Mish":
        return (index,)
    tanh = graph.only_consumer(node.output[0])
    if tanh is None or graph.nodes[tanh].op_type != "Tanh":
        return None
    product = graph.only_consumer(graph.nodes[tanh].output[0])
    if product is None or graph.nodes[product].op_type != "Mul" or node.input[0] not in graph.nodes[product].input:
        return None
    return index, tanh, product


REWRITE = Rewrite("mish", APPROXIMATE, "Mish becomes Sigmoid, LRN and two convolutions.", frozenset({"Mish", "Softplus"}), _plan)

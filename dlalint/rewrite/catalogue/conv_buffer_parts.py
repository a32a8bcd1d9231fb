"""A convolution that needs too much of the convolution buffer as convolutions over parts of its channels, summed up or joined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dlalint.engine.memory import banks
from dlalint.graph import TensorType
from dlalint.network import LayerSpec, Operand
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.convolution import Convolution, add, convolution
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.reach import padded, tightened, unpadded
from dlalint.target import Target

ROOM = 14  # banks that are known to be had (card conv-buffer-tight)
MOST_PARTS = 64


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = convolution(graph, index)
    if isinstance(found, Miss):
        return found
    found = tightened(found)
    if _banks(found, found.channels) <= ROOM:
        return Miss("it fits into the buffer")
    units = found.channels if found.groups == 1 else found.groups
    each = found.channels // units
    count = next((count for count in range(2, MOST_PARTS + 1) if _banks(found, -(-units // count) * each) <= ROOM), 0)
    if not count or count > units:
        return Miss("parts of its channels do not fit either")
    build = Builder(graph, index, REWRITE.name)
    edges = [units * part // count for part in range(count + 1)]
    made = [_part(build, found, node.input[0], first, last) for first, last in pairwise(edges)]
    if found.groups > 1:
        build.add("Concat", made, node.output[0], axis=1)
        return build.replacement(index)
    total = made[0]
    for number, name in enumerate(made[1:], 2):
        total = build.add("Add", [total, name], node.output[0] if number == count else "")
    return build.replacement(index)


def _part(build: Builder, found: Convolution, source: str, first: int, last: int) -> str:
    """The convolution over some input channels, or over some groups."""
    each = found.channels // found.groups if found.groups > 1 else 1
    sliced = build.slice(source, (first * each,), (last * each,), (1,))
    inner = unpadded(found)
    if inner is not found:
        sliced = padded(build, sliced, (last - first) * each, found.window.pads, source)
    if found.groups == 1:
        bias = found.bias if first == 0 else None
        return add(build, inner._replace(weights=found.weights[:, first:last], bias=bias), sliced)
    maps = found.weights.shape[0] // found.groups
    rows = np.arange(first * maps, last * maps)
    bias = found.bias[rows] if found.bias is not None else None
    return add(build, inner._replace(weights=found.weights[rows], bias=bias, groups=last - first), sliced)


def _banks(found: Convolution, channels: int) -> int:
    """What the convolution needs in FP16 when it reads ``channels``."""
    place = unpadded(found).window
    kind = TensorType("float16", (1, channels, *place.size))
    spec = LayerSpec("CONVOLUTION", {"kernel": place.kernel, "dilation": place.dilations}, (Operand(kind),), ())
    return int(banks(spec, Target("", "", (0, 0))))


REWRITE = Rewrite(
    "conv-buffer-parts",
    ROUNDING,
    "A convolution too large for the convolution buffer becomes several over parts of its channels.",
    frozenset({"Conv"}),
    _plan,
)

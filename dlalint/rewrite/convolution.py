"""Convolutions with constant weights."""

from __future__ import annotations

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph, attribute
from dlalint.rewrite.windows import Window, window

KERNEL = 32  # what the convolution engine of every release takes (cards conv-kernel-too-large, conv-padding-too-large)


class Convolution(NamedTuple):
    """A convolution over height and width; ``weights`` are (maps, channels / groups, height, width)."""

    weights: Array
    bias: Array | None
    groups: int
    window: Window

    @property
    def channels(self) -> int:
        """The channels of its input."""
        return int(self.weights.shape[1]) * self.groups


def convolution(graph: Graph, index: int) -> Convolution | Miss:
    """The convolution of a node; a :class:`Miss` unless its weights are constants and its maps of static size."""
    node = graph.nodes[index]
    found = window(graph, index)
    if isinstance(found, Miss):
        return found
    weights = graph.constant(node.input[1])
    third = node.input[2] if len(node.input) > 2 else ""
    bias = graph.constant(third) if third else None
    if weights is None or (third and bias is None):
        return Miss("its weights are computed")
    return Convolution(weights, bias, int(attribute(node, "group", 1)), found)


def add(build: Builder, found: Convolution, source: str, output: str = "") -> str:
    """Add a convolution as it is."""
    place = found.window
    return build.conv(
        source,
        found.weights,
        found.bias,
        output,
        strides=place.strides,
        pads=place.pads,
        dilations=place.dilations,
        group=found.groups,
    )

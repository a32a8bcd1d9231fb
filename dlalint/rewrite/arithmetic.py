"""Arithmetic with constants, spelled in the two ways that releases take.

Elementwise nodes with a constant operand, or, for releases whose DLA takes none (up to TensorRT 7.0), depthwise 1x1 convolutions and Relu.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Union

import numpy as np

from dlalint.graph import NUMPY_FLOATS
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss, Plan, Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph

Number = Union[float, Array]
BROADCASTING_SINCE = 8  # the operator set from which Max and Min broadcast


class Arithmetic(NamedTuple):
    """Writes sums, products and bounds over tensors of the type and rank of ``like``.

    ``factor`` and ``offset`` are numbers or arrays that broadcast to ``like``; with ``by_conv`` they hold one number, or one a channel.
    """

    build: Builder
    like: str
    by_conv: bool

    def affine(self, source: str, factor: Number, offset: Number = 0.0, output: str = "") -> str:
        """``source`` * factor + offset. A factor of 1 and an offset of 0 cost no node."""
        if self.by_conv:
            return self._convolution(source, factor, offset, output)
        moved = bool(np.any(np.asarray(offset)))
        if np.any(np.asarray(factor) != 1) or (output and not moved):
            source = self.build.add("Mul", [source, self.constant(factor)], "" if moved else output)
        return self.build.add("Add", [source, self.constant(offset)], output) if moved else source

    def constant(self, values: Number) -> str:
        """An initializer of the element type of ``like``."""
        return self.build.like(values, self.like)

    def between(self, source: str, low: float | None, high: float | None, output: str = "") -> str:
        """``source`` held between two bounds by Max and Min, and by Relu where that is the same or nothing else is left."""
        if self.by_conv:
            return self._rectified(source, low, high, output)
        if low is not None:
            made = output if high is None else ""
            source = self.build.add("Relu", [source], made) if low == 0 else self.build.add("Max", [source, self.constant(low)], made)
        return source if high is None else self.build.add("Min", [source, self.constant(high)], output)

    def _rectified(self, source: str, low: float | None, high: float | None, output: str) -> str:
        """x + Relu(low - x) - Relu(x - high), and Relu(x) - Relu(x - high) for a lower bound of 0: both bit-equal between the bounds."""
        if low == 0 and high is None:
            return self.build.add("Relu", [source], output)
        parts = [(1.0, 0.0, 1.0)] if low == 0 else [(-1.0, low, 1.0)] if low is not None else []
        parts += [(1.0, -high, -1.0)] if high is not None else []
        channels = (self.build.graph.dims(self.like) or (0, 0))[1]
        factors, offsets, signs = (np.tile(values, channels).astype(self.build.dtype(self.like)) for values in zip(*parts, strict=True))
        apart = self.build.conv(source, factors.reshape(-1, 1, 1, 1), offsets, group=channels)
        last = output if low == 0 else ""
        summed = self.build.conv(self.build.add("Relu", [apart]), signs.reshape(channels, len(parts), 1, 1), output=last, group=channels)
        return summed if low == 0 else self.build.add("Add", [source, summed], output)

    def _convolution(self, source: str, factor: Number, offset: Number, output: str) -> str:
        dims = self.build.graph.dims(self.like)
        assert dims is not None
        weights, bias = (np.broadcast_to(_channels(values, dims[1]), dims[1]) for values in (factor, offset))
        dtype = self.build.dtype(self.like)
        shift = bias.astype(dtype) if np.any(bias) else None
        return self.build.conv(source, weights.astype(dtype).reshape(-1, 1, 1, 1), shift, output, group=dims[1])


Formula = Callable[[Graph, int, Arithmetic], Union[Miss, None]]


def spelled(name: str, formula: Formula, *, by_conv: bool = False) -> Plan:
    """The plan of a rewrite that replaces one node, whose first computed input sets the type, by what ``formula`` writes."""

    def plan(graph: Graph, index: int) -> Replacement | Miss:
        node = graph.nodes[index]
        like = next((item for item in node.input if item and not graph.is_constant(item)), node.input[0])
        refused = refusal(graph, like, by_conv=by_conv)
        if refused:
            return Miss(refused)
        build = Builder(graph, index, name)
        missed = formula(graph, index, Arithmetic(build, like, by_conv))
        return missed if missed is not None else build.replacement(index)

    return plan


def refusal(graph: Graph, name: str, *, by_conv: bool) -> str:
    """Why arithmetic over a tensor cannot be written; empty when it can."""
    kind = graph.type(name)
    if kind is None or kind.dtype not in NUMPY_FLOATS:
        return f"its input is {kind.dtype if kind is not None else 'of unknown type'}, not float"
    four = kind.dims is not None and len(kind.dims) == 4
    return "its input has not four static dimensions" if by_conv and not four else ""


def cannot_bound(write: Arithmetic) -> bool:
    """Whether Max and Min with a constant cannot be written."""
    return not write.by_conv and write.build.graph.opset < BROADCASTING_SINCE


def per_channel(values: Array, channels: int) -> bool:
    """Whether an array that is broadcast to N,C,H,W holds one number, or one a channel."""
    shape = (1,) * (4 - values.ndim) + values.shape
    return values.ndim <= 4 and shape in ((1, 1, 1, 1), (1, channels, 1, 1))


def _channels(values: Number, channels: int) -> Array:
    found = np.asarray(values, dtype=np.float64)
    assert per_channel(found, channels)
    return found.reshape(-1)

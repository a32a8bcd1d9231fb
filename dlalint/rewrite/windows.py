"""Kernels, strides and paddings of convolutions and poolings over height and width, with automatic padding and ceil_mode worked out.

Source: the operator pages of ONNX for Conv, MaxPool and AveragePool.
"""

from __future__ import annotations

from collections.abc import Iterable

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.graph import Graph, attribute

Pair = tuple[int, int]


class Window(NamedTuple):
    """A window over maps of ``size``, each field for height and width.

    ``begin`` and ``end`` are the padding in front and behind. ``beyond`` is what ceil_mode lets the last window read behind the padding.
    """

    size: Pair
    made: Pair
    kernel: Pair
    strides: Pair
    dilations: Pair
    begin: Pair
    end: Pair
    beyond: Pair

    @property
    def reach(self) -> Pair:
        """The size of the kernel with its dilation."""
        return pair(step * (size - 1) + 1 for step, size in zip(self.dilations, self.kernel, strict=True))

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """The padding in ONNX's order, with what ceil_mode reads."""
        last = pair(end + more for end, more in zip(self.end, self.beyond, strict=True))
        return (*self.begin, *last)


def pair(values: Iterable[int]) -> Pair:
    """Two integers from an iterable of two."""
    first, second = (int(value) for value in values)
    return first, second


def inside(found: Window) -> bool:
    """Whether every window begins or ends in the map, and none lies wholly in the padding, as the last one with ceil_mode may."""
    return all(pad < size for pad, size in zip(found.pads, found.reach * 2, strict=True))


def window(graph: Graph, index: int) -> Window | Miss:
    """The window of a Conv, MaxPool or AveragePool; a :class:`Miss` unless it moves over maps of static size."""
    node = graph.nodes[index]
    dims, made = graph.dims(node.input[0]), graph.dims(node.output[0])
    if dims is None or made is None or len(dims) != 4:
        return Miss("its input has not four static dimensions")
    weights = graph.dims(node.input[1]) if node.op_type == "Conv" else None
    kernel = weights[2:] if weights is not None else attribute(node, "kernel_shape", ())
    if len(kernel) != 2 or not all(kernel) or 0 in dims or 0 in made:
        return Miss("its window is not known")
    size, kernel, out = pair(dims[2:]), pair(kernel), pair(made[2:])
    strides, dilations = pair(attribute(node, "strides", (1, 1))), pair(attribute(node, "dilations", (1, 1)))
    plain = Window(size, out, kernel, strides, dilations, (0, 0), (0, 0), (0, 0))
    total = [(count - 1) * step + reach - length for count, step, reach, length in zip(out, strides, plain.reach, size, strict=True)]
    auto = attribute(node, "auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        small, large = pair(max(pad, 0) // 2 for pad in total), pair((max(pad, 0) + 1) // 2 for pad in total)
        return plain._replace(begin=small, end=large) if auto == "SAME_UPPER" else plain._replace(begin=large, end=small)
    pads = (0, 0, 0, 0) if auto == "VALID" else attribute(node, "pads", (0, 0, 0, 0))
    begin, end = pair(pads[:2]), pair(pads[2:])
    if min(pads) < 0:
        return Miss("its padding is negative")
    beyond = pair(max(more - first - last, 0) for more, first, last in zip(total, begin, end, strict=True))
    return plain._replace(begin=begin, end=end, beyond=beyond)

"""A convolution with a kernel beyond the limit as a sum of convolutions with parts of it.

Each part has the padding that brings it to its place. One that begins behind the padding is filled with zeros in front, or reads a slice.
"""

from __future__ import annotations

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.convolution import KERNEL, add, convolution
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.windows import Window

OLD_KERNEL = 16  # of TensorRT 5.1 to 7.0


class Part(NamedTuple):
    """Along one axis: the rows ``first`` to ``last`` of the kernel with ``before`` and ``after`` zeros, their padding, what is read."""

    first: int
    last: int
    before: int
    after: int
    begin: int
    end: int
    start: int
    stop: int


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = convolution(graph, index)
    if isinstance(found, Miss):
        return found
    place = found.window
    limit = KERNEL if max(place.kernel) > KERNEL else OLD_KERNEL  # with a finding the limit is the smaller one
    if max(place.kernel) <= limit:
        return Miss("its kernel is within the limit")
    rows, columns = _parts(place, 0, limit), _parts(place, 1, limit)
    if any(part.start >= part.stop for part in (*rows, *columns)):
        return Miss("a part of its kernel sees only padding")
    build = Builder(graph, index, REWRITE.name)
    made: list[str] = []
    for high in rows:
        for wide in columns:
            source = node.input[0]
            if (high.start, wide.start, high.stop, wide.stop) != (0, 0, *place.size):
                source = build.slice(source, (high.start, wide.start), (high.stop, wide.stop), (2, 3))
            zeros = ((0, 0), (0, 0), (high.before, high.after), (wide.before, wide.after))
            weights = np.pad(found.weights[:, :, high.first : high.last, wide.first : wide.last], zeros)
            part = found._replace(weights=weights, bias=None if made else found.bias)
            begin, end = (high.begin, wide.begin), (high.end, wide.end)
            made.append(add(build, part._replace(window=place._replace(begin=begin, end=end, beyond=(0, 0))), source))
    total = made[0]
    for number, name in enumerate(made[1:], 2):
        total = build.add("Add", [total, name], node.output[0] if number == len(made) else "")
    return build.replacement(index)


def _parts(place: Window, axis: int, limit: int) -> list[Part]:
    """As few parts as the limit allows, those without a slice preferred."""
    parts: list[Part] = []
    kernel = place.kernel[axis]
    while not parts or parts[-1].last < kernel:
        first = parts[-1].last if parts else 0
        whole = (_filled(place, axis, first, last, limit) for last in range(min(first + limit, kernel), first, -1))
        parts.append(next(filter(None, whole), None) or _sliced(place, axis, first, min(first + limit, kernel)))
    return parts


def _filled(place: Window, axis: int, first: int, last: int, limit: int) -> Part | None:
    """A part that reads the whole map, with zeros where its padding would be negative; ``None`` when it gets too long."""
    size, made, step, spread = place.size[axis], place.made[axis], place.strides[axis], place.dilations[axis]
    before = max(first - place.begin[axis] // spread, 0)
    begin = place.begin[axis] - (first - before) * spread
    for after in range(limit - (last - first) - before + 1):
        reach = (last - first + before + after - 1) * spread + 1
        end = max((made - 1) * step + reach - begin - size, 0)
        if (size + begin + end - reach) // step + 1 == made:
            return Part(first, last, before, after, begin, end, 0, size)
    return None


def _sliced(place: Window, axis: int, first: int, last: int) -> Part:
    """A part that reads as much of the map as it needs."""
    size, spread = place.size[axis], place.dilations[axis]
    front = first * spread - place.begin[axis]
    stop = (place.made[axis] - 1) * place.strides[axis] + (last - 1) * spread - place.begin[axis] + 1
    return Part(first, last, 0, 0, max(-front, 0), max(stop - size, 0), max(front, 0), min(stop, size))


REWRITE = Rewrite(
    "conv-kernel-parts",
    ROUNDING,
    "A convolution with a large kernel becomes a sum of convolutions with parts of it.",
    frozenset({"Conv"}),
    _plan,
)

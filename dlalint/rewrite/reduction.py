"""What a reduction reduces, and sums and means over maps as poolings or as convolutions with one kernel a channel."""

from __future__ import annotations

from itertools import zip_longest
from math import prod

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.windows import Pair, pair

# what the engines of every release take (cards pooling-window-too-large, conv-kernel-too-large, conv-stride-too-large)
POOLING = 8
KERNEL = 16  # 32 from 7.1 on
STRIDE = 8


class Reduction(NamedTuple):
    """Axes of a tensor of four static dimensions ``dims``; those of size 1 count as reduced only where the result loses them."""

    dims: tuple[int, int, int, int]
    axes: tuple[int, ...]
    keeps: bool

    @property
    def long(self) -> frozenset[int]:
        """The reduced axes that are longer than 1."""
        return frozenset(axis for axis in self.axes if self.dims[axis] > 1)

    @property
    def map(self) -> Pair:
        """How many rows and columns become one."""
        return self.dims[2] if 2 in self.axes else 1, self.dims[3] if 3 in self.axes else 1


def reduction(graph: Graph, index: int) -> Reduction | Miss:
    """What a Reduce or Global operator reduces; a :class:`Miss` unless it is known and leaves the batch as it is."""
    node = graph.nodes[index]
    kind = graph.type(node.input[0])
    dims = kind.dims if kind is not None else None
    if kind is None or dims is None or len(dims) != 4 or 0 in dims:
        return Miss("its input has not four static dimensions")
    if kind.dtype not in ("float16", "float32"):
        return Miss(f"its input is {kind.dtype}")
    axes = (2, 3) if node.op_type.startswith("Global") else _axes(graph, index)
    if isinstance(axes, Miss):
        return axes
    found = Reduction((dims[0], dims[1], dims[2], dims[3]), axes, bool(attribute(node, "keepdims", 1)))
    return Miss("it reduces the batch") if 0 in found.long else found


def _axes(graph: Graph, index: int) -> tuple[int, ...] | Miss:
    node = graph.nodes[index]
    given = attribute(node, "axes")
    if given is None and len(node.input) > 1 and node.input[1]:
        given = graph.ints(node.input[1])
        if given is None:
            return Miss("its axes are computed")
    if not given and attribute(node, "noop_with_empty_axes", 0):
        return Miss("it reduces nothing")
    return tuple(sorted({axis % 4 for axis in given})) if given else (0, 1, 2, 3)


def factors(size: int, most: int) -> list[int]:
    """``size`` as a product of as few numbers up to ``most`` as a greedy choice finds; empty when it has a larger prime."""
    if size == 1:
        return [1]
    found = []
    while size > 1:
        part = next((part for part in range(min(size, most), 1, -1) if size % part == 0), 0)
        if not part:
            return []
        found.append(part)
        size //= part
    return found


def add_pooled(build: Builder, source: str, sizes: Pair, output: str = "") -> str | None:
    """The mean over blocks of ``sizes`` by average poolings; ``None``, and nothing added, when they do not factorise."""
    parts = [factors(size, POOLING) for size in sizes]
    if not all(parts):
        return None
    steps = list(zip_longest(*parts, fillvalue=1))
    for number, step in enumerate(steps, 1):
        source = build.add("AveragePool", [source], output if number == len(steps) else "", kernel_shape=list(step), strides=list(step))
    return source


def add_mean(build: Builder, source: str, channels: int, sizes: Pair, output: str = "") -> str:
    """The mean over the whole map: by poolings, else by convolutions behind a pooling that makes long axes shorter."""
    made = add_pooled(build, source, sizes, output)
    if made is not None:
        return made
    blocks = pair(_divisor(size) if size > KERNEL else 1 for size in sizes)
    rest = pair(size // part for size, part in zip(sizes, blocks, strict=True))
    smaller = (add_pooled(build, source, blocks) or source) if blocks != (1, 1) else source
    return add_summed(build, smaller, channels, rest, 1 / prod(rest), output, like=source)


def add_summed(build: Builder, source: str, channels: int, sizes: Pair, weight: float, output: str = "", *, like: str = "") -> str:
    """The sum over the whole map times ``weight``, by convolutions with one kernel a channel, first along the width.

    So few rows lie in the convolution buffer at a time. Every step but the last takes means, so that sums stay within FP16.
    ``like`` names a tensor of the element type where ``source`` is new.
    """
    flat = (1, 1, 0)
    steps = [(flat, step) for step in _steps(sizes[1])] + [(step, flat) for step in _steps(sizes[0])] or [(flat, flat)]
    dtype = build.dtype(like or source)
    for number, (high, wide) in enumerate(steps, 1):
        last = number == len(steps)
        block = high[0] * wide[0]
        value = weight if last else 1 / block
        weight *= block
        weights = np.full((channels, 1, high[0], wide[0]), value, dtype)
        pads = (0, 0, high[2], wide[2])
        source = build.conv(source, weights, output=output if last else "", strides=(high[1], wide[1]), pads=pads, group=channels)
    return source


def _steps(size: int) -> list[tuple[int, int, int]]:
    """Kernel, stride and padding behind of each step over a row of ``size``."""
    found = []
    while size > KERNEL:
        step = _divisor(size) if _divisor(size) > 1 else STRIDE
        found.append((step, step, -size % step))
        size = -(-size // step)
    return [*found, (size, 1, 0)] if size > 1 or found else []


def _divisor(size: int) -> int:
    """The largest divisor up to 8, the limit of a pooling's window and of a convolution's stride."""
    return next(part for part in range(min(POOLING, STRIDE), 0, -1) if size % part == 0)

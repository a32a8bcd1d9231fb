"""Tensors whose last axis holds the channels, seen as maps of four dimensions with the channels in front of height and width."""

from __future__ import annotations

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.graph import Array, Graph

FLOATS = ("float16", "float32")  # what convolutions compute in


class Frame(NamedTuple):
    """The shape shared by tensors of a region: ``batch``, the axes between, and the channels, which differ.

    ``space`` is the height and width into which the axes between are laid.
    """

    batch: int
    between: tuple[int, ...]
    space: tuple[int, int]

    def dims(self, channels: int) -> tuple[int, int, int, int]:
        """The shape of a tensor once it has four dimensions."""
        return (self.batch, channels, *self.space)

    def holds(self, graph: Graph, name: str) -> bool:
        """Whether a tensor is a float tensor of this shape."""
        found, dims = graph.type(name), graph.dims(name)
        return bool(dims) and dims is not None and found is not None and found.dtype in FLOATS and self.same(dims)

    def same(self, dims: tuple[int, ...]) -> bool:
        """Whether ``dims`` differ from this shape in the channels only."""
        return len(dims) == len(self.between) + 2 and dims[0] == self.batch and dims[1:-1] == self.between and dims[-1] > 0

    def constant(self, array: Array) -> Array | None:
        """A constant operand that is broadcast to a tensor of this shape, for the same tensor in four dimensions."""
        rank = len(self.between) + 2
        if array.ndim > rank:
            return None
        whole: Array = array.reshape((1,) * (rank - array.ndim) + array.shape)
        between: tuple[int, ...] = whole.shape[1:-1]
        if whole.shape[0] not in (1, self.batch) or any(size not in (1, full) for size, full in zip(between, self.between, strict=True)):
            return None
        if any(size > 1 for size in between):
            whole = np.broadcast_to(whole, (whole.shape[0], *self.between, whole.shape[-1]))
            return np.moveaxis(whole, -1, 1).reshape(whole.shape[0], whole.shape[-1], *self.space)
        return whole.reshape(whole.shape[0], whole.shape[-1], 1, 1)


def frame(graph: Graph, name: str) -> Frame | None:
    """The frame of a float tensor of two, three or four static dimensions."""
    found, dims = graph.type(name), graph.dims(name)
    if found is None or dims is None or found.dtype not in FLOATS or not 2 <= len(dims) <= 4 or 0 in dims:
        return None
    between = dims[1:-1]
    space = (1, 1) if not between else (1, between[0]) if len(between) == 1 else (between[0], between[1])
    return Frame(dims[0], between, space)

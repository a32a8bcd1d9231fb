"""Reshape, Transpose, Reshape read as a move of axes: which part of which dimension goes where."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.weights import Array

RESHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_CHANNELS = 1


class Place(NamedTuple):
    """A dimension, and how many elements of it one step of an axis passes."""

    dim: int
    step: int


class Axis(NamedTuple):
    """A part of the dimension ``source.dim`` that becomes a part of ``target.dim``."""

    size: int
    source: Place
    target: Place


class Shuffle(NamedTuple):
    """A move of axes from a tensor of the shape ``before`` to one of the shape ``after``; ``axes`` in the order of the source."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    axes: tuple[Axis, ...]

    @property
    def inverse(self) -> Shuffle:
        """The move back."""
        turned = [Axis(axis.size, axis.target, axis.source) for axis in self.axes]
        return Shuffle(self.after, self.before, tuple(sorted(turned, key=lambda axis: (axis.source.dim, -axis.source.step))))


def shuffle(before: Sequence[int], middle: Sequence[int], order: Sequence[int], after: Sequence[int]) -> Shuffle | None:
    """Reshape ``before`` to ``middle``, permute by ``order``, reshape to ``after``; ``None`` when the axes do not line up."""
    if 0 in before or sorted(order) != list(range(len(middle))):
        return None
    first = _cut(middle, before)
    if first is None:
        return None
    flat = [(axis, number) for axis in order for number in range(len(first[axis]))]
    second = _cut([first[axis][number] for axis, number in flat], after)
    if second is None:
        return None
    pieces = {(axis, number, part): size for (axis, number), sizes in zip(flat, second, strict=True) for part, size in enumerate(sizes)}
    sources = _places([pieces[key] for key in sorted(pieces)], before)
    targets = dict(zip(pieces, _places(list(pieces.values()), after), strict=True))
    found = [Axis(pieces[key], source, targets[key]) for key, source in zip(sorted(pieces), sources, strict=True)]
    return Shuffle(tuple(before), tuple(after), tuple(axis for axis in found if axis.size > 1))


def _cut(sizes: Sequence[int], others: Sequence[int]) -> list[list[int]] | None:
    """Each of ``sizes`` as factors, such that where an element of ``others`` ends, a factor ends; ``None`` when that cannot be."""
    left = [size for size in reversed(others) if size > 1]
    out = []
    for size in reversed(sizes):
        factors = []
        while size > 1:
            if not left:
                return None
            taken = min(size, left[0])
            if size % taken or left[0] % taken:
                return None
            factors.append(taken)
            size //= taken
            left[0] //= taken
            if left[0] == 1:
                del left[0]
        out.append(factors[::-1] or [1])
    return out[::-1] if not left else None


def _places(sizes: Sequence[int], dims: Sequence[int]) -> list[Place]:
    """Where factors that line up with ``dims`` lie in them."""
    dim, step, out = len(dims) - 1, 1, []
    for size in reversed(sizes):
        while size > 1 and step == dims[dim]:
            dim, step = dim - 1, 1
        out.append(Place(dim, step))
        step *= size
    return out[::-1]


def chain(graph: Graph, index: int) -> tuple[int, ...] | None:
    """The Reshape, Transpose and Reshape of which ``index`` is one; what is in between nothing else reads."""
    for back in (0, 1, 2):
        first: int | None = index
        for _ in range(back):
            first = graph.producer(graph.nodes[first].input[0]) if first is not None else None
        if first is None or graph.nodes[first].op_type not in RESHAPES:
            continue
        middle = graph.only_consumer(graph.nodes[first].output[0])
        if middle is None or graph.nodes[middle].op_type != "Transpose":
            continue
        last = graph.only_consumer(graph.nodes[middle].output[0])
        if last is not None and graph.nodes[last].op_type in RESHAPES and index in (first, middle, last):
            return first, middle, last
    return None


def spelled(graph: Graph, found: tuple[int, ...]) -> Shuffle | Miss:
    """What a :func:`chain` does to a tensor of four static dimensions."""
    first, middle, last = (graph.nodes[index] for index in found)
    before, split, after = graph.dims(first.input[0]), graph.dims(first.output[0]), graph.dims(last.output[0])
    if before is None or split is None or after is None or len(before) != 4 or len(after) != 4:
        return Miss("it does not lead from four static dimensions to four")
    order = attribute(middle, "perm", tuple(reversed(range(len(split)))))
    return shuffle(before, split, order, after) or Miss("its axes do not line up with the dimensions")


def spread(found: Shuffle) -> Array | None:
    """A move of channels onto the map: rows of (channel before, channel after, row, column of the block that it fills).

    The block of every pixel is filled alike; the channels stay channels when the block is 1x1. ``None`` for moves of another kind.
    """
    (batch, _, *size), (others, _, *grown) = found.before, found.after
    if batch != others or any(more % less for less, more in zip(size, grown, strict=True)):
        return None
    block = [more // less for less, more in zip(size, grown, strict=True)]
    moving = [axis for axis in found.axes if axis.source.dim == _CHANNELS]
    for axis in found.axes:
        source, target = axis.source, axis.target
        if source.dim == _CHANNELS:
            fits = target.dim == _CHANNELS or (target.dim > _CHANNELS and target.step * axis.size <= block[target.dim - 2])
        else:
            fits = target == Place(source.dim, source.step * (block[source.dim - 2] if source.dim > _CHANNELS else 1))
        if not fits:
            return None
    grid = np.indices([axis.size for axis in moving]).reshape(len(moving), found.before[_CHANNELS])
    rows = np.zeros((4, grid.shape[1]), np.int64)
    for axis, steps in zip(moving, grid, strict=True):
        rows[0] += steps * axis.source.step
        rows[axis.target.dim] += steps * axis.target.step
    return np.asarray(rows.T)


def merged(found: Shuffle) -> tuple[list[int], list[int]] | None:
    """A move within each element of the batch with as few axes as it takes: their sizes without the batch, and how they are permuted.

    ``None`` when the batch moves too.
    """
    axes = [axis for axis in found.axes if axis.source.dim]
    if found.before[0] != found.after[0] or any(not axis.target.dim for axis in axes):
        return None
    turned = sorted(range(len(axes)), key=lambda number: (axes[number].target.dim, -axes[number].target.step))
    runs: list[list[int]] = []
    for number in turned:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    kept = sorted(runs)
    return [prod(axes[number].size for number in run) for run in kept], [kept.index(run) for run in runs]

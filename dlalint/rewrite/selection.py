"""Picks out of a tensor as a row of layers that the DLA has."""

from __future__ import annotations

from itertools import zip_longest
from math import prod

import numpy as np

from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.frame import FLOATS
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.index_layers import Layer, Spot, border, bordered, kernel_of, mixed, repeated, strided, turned
from dlalint.rewrite.picks import Pick, is_whole
from dlalint.rewrite.weights import Array

Step = tuple[Layer, Pick]

MAX_WEIGHTS = 1 << 24
# the usual limits of the DLA, which decide between forms; the check of the result has the last word (cards conv-*, deconv-*)
_KERNEL = 32
_GROWTH = 16
_CROPS = 8
_MAP = (2, 3)


def computable(graph: Graph, name: str) -> Miss | None:
    """Why a tensor cannot go through a convolution over height and width; ``None`` when it can."""
    kind = graph.type(name)
    if kind is None or kind.dims is None or len(kind.dims) != 4:
        return Miss("its input has not four static dimensions")
    if kind.dtype not in FLOATS:
        return Miss(f"its input is {kind.dtype}, and convolutions compute floats")
    return Miss("its input is a constant") if graph.is_constant(name) else None


def too_large(*shape: int) -> Miss | None:
    """Why a kernel of that shape is not made; ``None`` when it is small enough."""
    return Miss(f"it would take {prod(shape)} weights") if prod(shape) > MAX_WEIGHTS else None


def pick(build: Builder, source: str, found: Pick, output: str) -> Miss | None:
    """Build what takes ``found`` of the tensor ``source`` as ``output``; a :class:`Miss` when no form is known."""
    refused = computable(build.graph, source)
    if refused:
        return refused
    dims = build.graph.dims(source) or ()
    if not is_whole(found[0], dims[0]):
        return Miss("it picks from the batch")
    if not all(len(indices) for indices in found):
        return Miss("its output is empty")
    steps = _steps(dims, found)
    if not steps:
        return Miss("it takes everything as it is")
    spot = Spot(source, dims, build.dtype(source))
    for layer, part in steps:
        refused = too_large(*_weights(layer, dims, part))
        if refused:
            return refused
        dims = _sizes(part)
    for number, (layer, part) in enumerate(steps, 1):
        spot = spot.made(layer(build, spot, part, output if number == len(steps) else ""), part)
    return None


def _weights(layer: Layer, dims: tuple[int, ...], part: Pick) -> tuple[int, ...]:
    """The dimensions of the kernel of a layer; those of single channels are small."""
    if layer is turned:
        return tuple(len(part[axis]) * dims[axis] if not is_whole(part[axis], dims[axis]) else 1 for axis in _MAP)
    if layer is repeated:
        return (dims[1], len(part[1]), *(len(part[axis]) // dims[axis] for axis in _MAP))
    if is_whole(part[1], dims[1]):
        return (1,)
    return (dims[1], len(part[1]), *(kernel_of(part[axis], dims[axis])[0] for axis in _MAP))


def _steps(dims: tuple[int, ...], found: Pick) -> list[Step]:
    """The layers one after the other; the first ones choose the channels as they go, those that take less before those that make more."""
    steps: list[Step] = []
    left, now = list(found), dims
    forms = {axis: _form(found[axis], dims[axis]) for axis in _MAP if not is_whole(found[axis], dims[axis])}
    for form, divided in ((strided, _cropped), (repeated, _grown)):
        wanted = [axis for axis in forms if forms[axis] is form]
        if wanted:
            part = tuple(left[axis] if axis in (1, *wanted) else np.arange(now[axis]) for axis in range(4))
            steps += divided(now, part)
            now = _sizes(part)
            left = [np.arange(now[axis]) if axis in (1, *wanted) else left[axis] for axis in range(4)]
    for axis, layer in ((1, mixed), *forms.items()):
        if not is_whole(left[axis], now[axis]):
            part = tuple(left[axis] if axis == other else np.arange(now[other]) for other in range(4))
            steps.append((layer, part))
            now = _sizes(part)
    return steps


def _form(indices: Array, size: int) -> Layer:
    """The layer that takes ``indices`` of an axis of the map."""
    gaps = np.unique(np.diff(indices))
    if len(gaps) == 0 or (len(gaps) == 1 and gaps[0] > 0):
        return strided
    times = len(indices) // size
    if np.array_equal(indices, np.repeat(np.arange(size), times)) and _factors(times):
        return repeated
    around = border(indices, size)
    return bordered if around is not None and sum(around.window) < _KERNEL else turned


def _cropped(dims: tuple[int, ...], part: Pick) -> list[Step]:
    """Crops until the kernel that takes the rest is small enough, and what takes it."""
    steps: list[Step] = []
    while len(steps) < _CROPS:
        kept = [np.arange(dims[0]), np.arange(dims[1])]
        for axis in _MAP:
            spare = (_KERNEL - 1) * (kernel_of(part[axis], dims[axis])[0] > _KERNEL)
            front = min(int(part[axis][0]), spare)
            back = min(dims[axis] - 1 - int(part[axis][-1]), spare - front)
            kept.append(np.arange(front, dims[axis] - back))
        if all(is_whole(indices, size) for indices, size in zip(kept, dims, strict=True)):
            break
        steps.append((strided, tuple(kept)))
        part = tuple(indices - inside[0] * (axis in _MAP) for axis, (indices, inside) in enumerate(zip(part, kept, strict=True)))
        dims = _sizes(tuple(kept))
    return [*steps, (strided, part)]


def _grown(dims: tuple[int, ...], part: Pick) -> list[Step]:
    """Repetitions in one step or two."""
    steps: list[Step] = []
    times = zip_longest(*(_factors(len(part[axis]) // dims[axis]) for axis in _MAP), fillvalue=1)
    for factors in times:
        grown = [np.repeat(np.arange(dims[axis]), factor) for axis, factor in zip(_MAP, factors, strict=True)]
        channels = np.arange(dims[1]) if steps else part[1]
        steps.append((repeated, (part[0], channels, *grown)))
        dims = _sizes(steps[-1][1])
    return steps


def _factors(times: int) -> list[int]:
    """One or two factors of usual size; none when there are no such."""
    if times <= _GROWTH:
        return [times]
    return next(([times // first, first] for first in range(2, _GROWTH + 1) if times % first == 0 and times // first <= _GROWTH), [])


def _sizes(part: Pick) -> tuple[int, ...]:
    return tuple(len(indices) for indices in part)

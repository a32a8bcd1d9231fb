"""Single layers that only move elements, for a tensor of batch, channels, height and width.

All but :func:`turned` are convolutions with weights of zeros and ones, or a pooling of single elements: bit-equal on finite data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.picks import Pick, is_whole
from dlalint.rewrite.weights import Array

_MAP = (2, 3)
_USUAL_STRIDE = 8


class Spot(NamedTuple):
    """A tensor that a layer starts from."""

    name: str
    dims: tuple[int, ...]
    dtype: np.dtype[Any]

    def made(self, name: str, part: Pick) -> Spot:
        """What a layer made of it."""
        return Spot(name, tuple(len(indices) for indices in part), self.dtype)


Layer = Callable[[Builder, Spot, Pick, str], str]


def one_hot(shape: tuple[int, ...], dtype: np.dtype[Any], *places: Any) -> Array:
    """A kernel of zeros with ones at ``places``: indices for each dimension, as numpy takes them."""
    found = np.zeros(shape, dtype)
    found[places] = 1
    return found


def kernel_of(indices: Array, size: int) -> tuple[int, int, int]:
    """Kernel, stride and place of the one with which a convolution over ``size`` elements takes ``indices``, which rise evenly."""
    step = int(indices[1] - indices[0]) if len(indices) > 1 else min(size, _USUAL_STRIDE)
    return max(int(indices[0]) + 1, size - len(indices) * step + 1), step, int(indices[0])


def strided(build: Builder, spot: Spot, part: Pick, output: str) -> str:
    """Some channels, and every nth row and column from anywhere on: a convolution, or a pooling of single elements."""
    kernel, strides, (row, column) = zip(*(kernel_of(part[axis], spot.dims[axis]) for axis in _MAP), strict=True)
    channels = np.arange(len(part[1]))
    if not is_whole(part[1], spot.dims[1]):
        weights = one_hot((len(channels), spot.dims[1], *kernel), spot.dtype, channels, part[1], row, column)
        return build.conv(spot.name, weights, output=output, strides=strides)
    if kernel == (1, 1):
        return build.add("MaxPool", [spot.name], output, kernel_shape=[1, 1], strides=list(strides))
    weights = one_hot((len(channels), 1, *kernel), spot.dtype, channels, 0, row, column)
    return build.conv(spot.name, weights, output=output, strides=strides, group=len(channels))


def repeated(build: Builder, spot: Spot, part: Pick, output: str) -> str:
    """Some channels, and every row and column a number of times in a row: a transposed convolution."""
    times = tuple(len(part[axis]) // spot.dims[axis] for axis in _MAP)
    weights = np.zeros((spot.dims[1], len(part[1]), *times), spot.dtype)
    weights[part[1], np.arange(len(part[1]))] = 1
    return build.conv(spot.name, weights, output=output, strides=times, transposed=True)


def mixed(build: Builder, spot: Spot, part: Pick, output: str) -> str:
    """Some channels in any order: a convolution."""
    shape = (len(part[1]), spot.dims[1], 1, 1)
    return build.conv(spot.name, one_hot(shape, spot.dtype, np.arange(len(part[1])), part[1], 0, 0), output=output)


def turned(build: Builder, spot: Spot, part: Pick, output: str) -> str:
    """Rows or columns in any order: they are the channels of a convolution between two transposes."""
    axis = next(axis for axis in _MAP if not is_whole(part[axis], spot.dims[axis]))
    order = [0, 2, 1, 3] if axis == _MAP[0] else [0, 3, 2, 1]
    across = build.transpose(spot.name, order)
    dims = tuple(spot.dims[axis] for axis in order)
    made = mixed(build, Spot(across, dims, spot.dtype), tuple(part[axis] for axis in order), "")
    return build.transpose(made, order, output)


class Border(NamedTuple):
    """Rows (or columns) that lie at their place, but for ``pads`` more on both sides, which are copies from ``shifts`` rows further on."""

    shifts: Array
    pads: tuple[int, int]

    @property
    def window(self) -> tuple[int, int]:
        """How far a convolution has to look back and on to reach the copies, with padding below its kernel."""
        return max(-int(self.shifts.min()), self.pads[1]), max(int(self.shifts.max()), self.pads[0])


def border(indices: Array, size: int) -> Border | None:
    """``indices`` over ``size`` elements as a border around all of them."""
    more = len(indices) - size
    begin = next((first for first in range(more + 1) if is_whole(indices[first : first + size], size)), None)
    if begin is None:
        return None
    return Border(indices - np.arange(-begin, len(indices) - begin), (begin, more - begin))


def bordered(build: Builder, spot: Spot, part: Pick, output: str) -> str:
    """A border of copies around all rows or columns.

    A convolution by channel makes a shifted map for every distance that a copy comes from, a product with a mask leaves of each what
    belongs, and another convolution sums them.
    """
    axis = next(axis for axis in _MAP if not is_whole(part[axis], spot.dims[axis]))
    found = border(part[axis], spot.dims[axis])
    assert found is not None
    shifts, (back, on), channels = np.unique(found.shifts), found.window, spot.dims[1]

    def along(size: int) -> tuple[int, int]:
        return (size, 1) if axis == _MAP[0] else (1, size)

    taps = one_hot((len(shifts), back + on + 1), spot.dtype, np.arange(len(shifts)), shifts + back)
    pads = [0, 0, 0, 0]
    pads[axis - 2], pads[axis] = found.pads[0] + back, found.pads[1] + on
    weights = np.tile(taps, (channels, 1)).reshape(-1, 1, *along(back + on + 1))
    maps = build.conv(spot.name, weights, pads=pads, group=channels)
    mask = (found.shifts == shifts[:, None]).astype(spot.dtype)
    kept = build.add("Mul", [maps, build.tensor(np.tile(mask, (channels, 1)).reshape(1, -1, *along(mask.shape[1])))])
    return build.conv(kept, np.ones((channels, len(shifts), 1, 1), spot.dtype), output=output, group=channels)

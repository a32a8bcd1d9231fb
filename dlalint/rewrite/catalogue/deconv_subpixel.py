"""A transposed convolution as a convolution that makes every phase of the stride as maps, and a depth to space by 0/1 weights.

Row j*s + b of the result sums x[j + q - p] * w[p*s + a] over p, where b plus the rows left out in front is q*s + a.
"""

from __future__ import annotations

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.deconvolution import Deconvolution, add_crop, deconvolution, dense
from dlalint.rewrite.graph import Array, Graph
from dlalint.rewrite.windows import pair

LARGEST_STEP = 8  # of TensorRT 5.1 to 7.0; later ones take 32, but squares from 23 on are disabled or at risk


class Axis(NamedTuple):
    """Along one axis: for each phase the places (in the new kernel, in the old one) of its weights, the new kernel and its padding."""

    places: tuple[tuple[tuple[int, int], ...], ...]
    kernel: int
    begin: int
    end: int
    made: int


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = deconvolution(graph, index)
    if isinstance(found, Miss):
        return found
    found = dense(found._replace(groups=1))._replace(groups=found.groups)  # dilation only: a convolution has groups
    axes = (_axis(found, 0), _axis(found, 1))
    build = Builder(graph, index, REWRITE.name)
    more = pair(axis.made * step - made for axis, step, made in zip(axes, found.strides, found.made, strict=True))
    block = found.strides[0] * found.strides[1]
    pads = (axes[0].begin, axes[1].begin, axes[0].end, axes[1].end)
    bias = np.repeat(found.bias, block) if found.bias is not None else None
    whole = more == (0, 0)
    alone = block == 1 and whole
    made = build.conv(node.input[0], _phases(found, axes), bias, node.output[0] if alone else "", pads=pads, group=found.groups)
    if block > 1:
        made = _depth_to_space(build, made, found, node.output[0] if whole else "")
    if not whole:
        add_crop(build, made, found.weights.shape[1] * found.groups, (0, 0), more, node.output[0], node.input[0])
    return build.replacement(index)


def _axis(found: Deconvolution, axis: int) -> Axis:
    step, old = found.strides[axis], found.weights.shape[2 + axis]
    shifts = [[(phase // step - tap, tap * step + phase % step) for tap in range(-(-old // step))] for phase in _phases_of(found, axis)]
    used = [[(shift, place) for shift, place in phase if place < old] for phase in shifts]
    every = [shift for phase in used for shift, _ in phase] or [0]
    rows = -(-found.made[axis] // step)
    begin = max(-min(every), 0, rows - found.size[axis])  # so that the padding at the end stays below the kernel
    kernel = max(*every, 0) + begin + 1
    end = max(rows - found.size[axis] - begin + kernel - 1, 0)
    made = found.size[axis] + begin + end - kernel + 1
    return Axis(tuple(tuple((shift + begin, place) for shift, place in phase) for phase in used), kernel, begin, end, made)


def _phases_of(found: Deconvolution, axis: int) -> range:
    return range(found.cut[axis], found.cut[axis] + found.strides[axis])


def _phases(found: Deconvolution, axes: tuple[Axis, Axis]) -> Array:
    """Weights (maps x phases, channels / groups, height, width)."""
    channels, maps = found.weights.shape[:2]
    per_group = channels // found.groups
    old = found.weights.reshape(found.groups, per_group, maps, *found.weights.shape[2:]).transpose(0, 2, 1, 3, 4)
    old = old.reshape(found.groups * maps, per_group, *found.weights.shape[2:])
    new = np.zeros((old.shape[0], *found.strides, per_group, axes[0].kernel, axes[1].kernel), old.dtype)
    for row, rows in enumerate(axes[0].places):
        for column, columns in enumerate(axes[1].places):
            for high, first in rows:
                for wide, second in columns:
                    new[:, row, column, :, high, wide] = old[:, :, first, second]
    return new.reshape(-1, per_group, axes[0].kernel, axes[1].kernel)


def _depth_to_space(build: Builder, source: str, found: Deconvolution, output: str) -> str:
    """Phases of one map lie beside each other; they are spread in steps that the DLA takes."""
    maps = found.weights.shape[1] * found.groups
    left = found.strides
    while left != (1, 1):
        step = pair(_divisor(size) for size in left)
        rest = pair(size // part for size, part in zip(left, step, strict=True))
        weights = np.zeros((maps, *left, maps, *rest, *step), found.weights.dtype)
        for row in range(left[0]):
            for column in range(left[1]):
                every = np.arange(maps)
                weights[every, row, column, every, row % rest[0], column % rest[1], row // rest[0], column // rest[1]] = 1
        shape = (maps * left[0] * left[1], maps * rest[0] * rest[1], *step)
        source = build.conv(source, weights.reshape(shape), output="" if rest != (1, 1) else output, strides=step, transposed=True)
        left = rest
    return source


def _divisor(size: int) -> int:
    """The largest divisor that is no longer than a step; the whole size when it has none."""
    return next((part for part in range(min(size, LARGEST_STEP), 1, -1) if size % part == 0), size)


REWRITE = Rewrite(
    "deconv-subpixel",
    ROUNDING,
    "A transposed convolution becomes a convolution and a depth to space.",
    frozenset({"ConvTranspose"}),
    _plan,
)

"""A convolution with a stride beyond the limit in two steps.

Blocks of the map become channels (space to depth, by 0/1 weights), on which the rest of the stride is within the limit. A stride that
has no such factor, as a prime, is taken in part by the convolution and the rest by a pooling of single elements.
"""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.base import ROUNDING, Miss, Replacement, Rewrite
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.convolution import Convolution, add, convolution
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.windows import Pair, Window, pair

STRIDE = 8  # of the convolution engine (card conv-stride-too-large)
SAMPLING = 16  # of the pooling engine (card pooling-stride-too-large)


def _plan(graph: Graph, index: int) -> Replacement | Miss:
    node = graph.nodes[index]
    found = convolution(graph, index)
    if isinstance(found, Miss):
        return found
    place = found.window
    if max(place.strides) <= STRIDE:
        return Miss("its stride is within the limit")
    build = Builder(graph, index, REWRITE.name)
    block = pair(_factor(step, STRIDE, STRIDE) for step in place.strides)
    if all(block) and place.dilations == (1, 1):
        return _in_blocks(build, index, found, block) or Miss("its blocks do not line up with the map")
    sampling = pair(_factor(step, SAMPLING, STRIDE) for step in place.strides)
    if not all(sampling):
        return Miss("its stride has no factors within the limits")
    rest = pair(step // part for step, part in zip(place.strides, sampling, strict=True))
    made = add(build, found._replace(window=place._replace(strides=rest)), node.input[0])
    build.add("MaxPool", [made], node.output[0], kernel_shape=[1, 1], strides=list(sampling))
    return build.replacement(index)


def _factor(step: int, most: int, rest: int) -> int:
    """The smallest divisor of a stride that leaves no more than ``rest``; 0 when there is none up to ``most``."""
    return next((part for part in range(1, most + 1) if step % part == 0 and step // part <= rest), 0)


def _in_blocks(build: Builder, index: int, found: Convolution, block: Pair) -> Replacement | None:
    """Space to depth by ``block``, channels in front of the places in a block, and the convolution over blocks."""
    node, place = build.graph.nodes[index], found.window
    axes = [_blocks(place, axis, block[axis]) for axis in (0, 1)]
    if axes[0] is None or axes[1] is None:
        return None
    (high_first, high_last), (wide_first, wide_last) = axes[0], axes[1]
    area = block[0] * block[1]
    picks = np.tile(np.eye(area, dtype=found.weights.dtype).reshape(area, 1, *block), (found.channels, 1, 1, 1))
    pads = (high_first[0], wide_first[0], high_first[1], wide_first[1])
    blocks = build.conv(node.input[0], picks, strides=block, pads=pads, group=found.channels)
    maps, channels = found.weights.shape[:2]
    kernel = [-(-size // part) for size, part in zip(place.kernel, block, strict=True)]
    zeros = [(0, count * part - size) for count, part, size in zip(kernel, block, place.kernel, strict=True)]
    weights = np.pad(found.weights, ((0, 0), (0, 0), *zeros)).reshape(maps, channels, kernel[0], block[0], kernel[1], block[1])
    weights = weights.transpose(0, 1, 3, 5, 2, 4).reshape(maps, channels * area, *kernel)
    strides = pair(step // part for step, part in zip(place.strides, block, strict=True))
    pads = (high_last[0], wide_last[0], high_last[1], wide_last[1])
    build.conv(blocks, weights, found.bias, node.output[0], strides=strides, pads=pads, group=found.groups)
    return build.replacement(index)


def _blocks(place: Window, axis: int, block: int) -> tuple[Pair, Pair] | None:
    """The padding of the space to depth and of the convolution behind it, along one axis; ``None`` when the sizes come out wrong."""
    size, made, step = place.size[axis], place.made[axis], place.strides[axis] // block
    kernel = -(-place.kernel[axis] // block)
    whole, front = divmod(place.begin[axis], block)
    needed = (made - 1) * step + kernel - whole
    back = max(min(needed, -(-(size + front) // block)) * block - size - front, 0)
    count = (size + front + back) // block
    end = max(needed - count, 0)
    return ((front, back), (whole, end)) if count > 0 and (count + whole + end - kernel) // step + 1 == made else None


REWRITE = Rewrite(
    "conv-stride-steps",
    ROUNDING,
    "A convolution with a large stride becomes space to depth and a convolution with the rest of the stride.",
    frozenset({"Conv"}),
    _plan,
)

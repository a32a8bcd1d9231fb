"""Convolutions whose padding or dilation is beyond the limits, as ones within them over a padded map."""

from __future__ import annotations

import numpy as np

from dlalint.rewrite.builder import Builder
from dlalint.rewrite.convolution import KERNEL, Convolution
from dlalint.rewrite.windows import Pair, Window, pair


def tightened(found: Convolution) -> Convolution:
    """The convolution without taps that see only padding and without a dilation beyond the limit; ``found`` itself when it has neither."""
    return _denser(_trimmed(_trimmed(found, 0), 1))


def unpadded(found: Convolution) -> Convolution:
    """The convolution over a map that is padded already, where its padding is not below its kernel; else ``found`` itself."""
    place = found.window
    if all(pad < min(kernel, KERNEL) for pad, kernel in zip(place.pads, place.kernel * 2, strict=True)):
        return found
    size = pair(size + begin + end for size, begin, end in zip(place.size, place.begin, place.end, strict=True))
    return found._replace(window=place._replace(size=size, begin=(0, 0), end=(0, 0)))


def _trimmed(found: Convolution, axis: int) -> Convolution:
    """Without the rows (columns) of the kernel, at its ends, that see only padding."""
    place = found.window
    size, made, step, spread = place.size[axis], place.made[axis], place.strides[axis], place.dilations[axis]
    at = np.arange(made)[:, None] * step - place.begin[axis] + np.arange(place.kernel[axis]) * spread
    seen = np.flatnonzero(np.any((at >= 0) & (at < size), axis=0))
    if len(seen) in (0, place.kernel[axis]):
        return found
    first, last = min(int(seen[0]), place.begin[axis] // spread), int(seen[-1])
    begin = place.begin[axis] - first * spread
    end = max((made - 1) * step - begin + (last - first) * spread + 1 - size, 0)
    if (size + begin + end - (last - first) * spread - 1) // step + 1 != made:
        return found
    weights = found.weights.take(np.arange(first, last + 1), axis=2 + axis)
    changed = {"kernel": last + 1 - first, "begin": begin, "end": end, "beyond": 0}
    return found._replace(weights=weights, window=_with(place, axis, changed))


def _denser(found: Convolution) -> Convolution:
    """With a part of each dilation above the limit as zeros between the weights."""
    for axis in (0, 1):
        spread, kernel = found.window.dilations[axis], found.window.kernel[axis]
        part = next((part for part in range(1, spread + 1) if spread % part == 0 and spread // part <= KERNEL), 1)
        if part == 1:
            continue
        shape = list(found.weights.shape)
        shape[2 + axis] = part * (kernel - 1) + 1
        weights = np.zeros(shape, found.weights.dtype)
        weights[(slice(None),) * (2 + axis) + (slice(None, None, part),)] = found.weights
        place = _with(found.window, axis, {"kernel": shape[2 + axis], "dilations": spread // part})
        found = found._replace(weights=weights, window=place)
    return found


def _with(place: Window, axis: int, changed: dict[str, int]) -> Window:
    """A window with other values along one axis."""
    pairs = {name: (value, getattr(place, name)[1]) if axis == 0 else (getattr(place, name)[0], value) for name, value in changed.items()}
    return place._replace(**pairs)


def padded(build: Builder, source: str, channels: int, pads: tuple[int, int, int, int], like: str) -> str:
    """Zeros around a map, by convolutions with one weight of 1 a channel: a kernel of the padding and one more moves the map inwards.

    ``pads`` are in ONNX's order; ``like`` names a tensor of the element type.
    """
    for axis in (0, 1):
        begin, end = pads[axis], pads[axis + 2]
        while begin or end:
            front = min(begin, KERNEL - 1)
            back = min(end, KERNEL - 1 - front)
            source = _moved(build, source, channels, axis, (front, back), like)
            begin, end = begin - front, end - back
    return source


def _moved(build: Builder, source: str, channels: int, axis: int, sides: Pair, like: str) -> str:
    more = sum(sides)
    kernel, pads = [1, 1], [0, 0, 0, 0]
    kernel[axis] += more
    pads[axis] = pads[axis + 2] = more
    weights = np.zeros((channels, 1, *kernel), build.dtype(like))
    weights[:, :, sides[1] * (1 - axis), sides[1] * axis] = 1
    return build.conv(source, weights, pads=pads, group=channels)

"""Linear resizes: what a node resizes by, and the weights along one axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.arithmetic import refusal
from dlalint.rewrite.base import Miss
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Array, Graph, attribute

COORDINATES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric")


class Linear(NamedTuple):
    """A linear resize of height and width: the input's shape, the output's, the factors of both axes, where samples lie."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    scales: tuple[float, float]
    coordinates: str

    @property
    def factors(self) -> tuple[int, int] | None:
        """The factors, when both are whole and at least 1."""
        found = tuple(after // before if after % before == 0 else 0 for before, after in zip(self.before[2:], self.after[2:], strict=True))
        return (found[0], found[1]) if all(found) and found == self.scales else None


def linear(graph: Graph, index: int) -> Linear | Miss:
    """The linear resize that a node Resize or Upsample computes."""
    node = graph.nodes[index]
    if attribute(node, "mode", "nearest") not in ("linear", "bilinear"):
        return Miss("it is no linear resize")
    refused = refusal(graph, node.input[0], by_conv=True)
    if refused:
        return Miss(refused)
    before, after = graph.dims(node.input[0]), graph.dims(node.output[0])
    if before is None or after is None or before[:2] != after[:2] or 0 in after:
        return Miss("it changes more than height and width, or its output has no static shape")
    if attribute(node, "antialias", 0) or attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        return Miss("it smooths, or keeps the aspect ratio")
    coordinates = attribute(node, "coordinate_transformation_mode", "half_pixel") if graph.opset >= 11 else "asymmetric"
    if node.op_type == "Upsample":
        coordinates = "asymmetric"
    if coordinates not in COORDINATES:
        return Miss(f"its samples lie as in {coordinates}")
    scales = _scales(graph, index, before, after)
    return Linear(before, after, scales, coordinates) if scales is not None else Miss("its scales are computed")


def _scales(graph: Graph, index: int, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[float, float] | None:
    """The factors of height and width: as given, which may differ from what the shapes say, else by the shapes."""
    node = graph.nodes[index]
    place = 2 if node.op_type == "Resize" and graph.opset >= 11 else 1
    given = attribute(node, "scales")
    if given is None and len(node.input) > place and node.input[place]:
        found = graph.constant(node.input[place])
        if found is None:
            return None
        given = tuple(float(item) for item in found.flat)
    if not given:
        return after[2] / before[2], after[3] / before[3]
    axes = [int(axis) % 4 for axis in attribute(node, "axes", range(4))]
    full = {axis: float(scale) for axis, scale in zip(axes, given, strict=False)}
    return full.get(2, 1.0), full.get(3, 1.0)


def matrix(size: int, made: int, scale: float, coordinates: str) -> Array:
    """The weights of ``size`` samples in each of ``made`` interpolated ones (made, size), float64."""
    places = np.clip([_place(step, size, made, scale, coordinates) for step in range(made)], 0, size - 1)
    weights = np.zeros((made, size))
    low = np.floor(places).astype(int)
    part = places - low
    steps = np.arange(made)
    weights[steps, low] += 1 - part
    weights[steps, np.minimum(low + 1, size - 1)] += part
    return weights


def _place(step: int, size: int, made: int, scale: float, coordinates: str) -> float:
    """Where the sample ``step`` of the output lies in the input. Source: the ONNX operator Resize."""
    if coordinates == "asymmetric":
        return step / scale
    if coordinates == "align_corners":
        return step * (size - 1) / (made - 1) if made > 1 else 0.0
    if coordinates == "pytorch_half_pixel" and made == 1:
        return 0.0
    moved = 0.0
    if coordinates == "half_pixel_symmetric":
        moved = size / 2 * (1 - made / (scale * size))
    return moved + (step + 0.5) / scale - 0.5


def smoothing(size: int, factor: int, coordinates: str) -> tuple[Array, int, int]:
    """The taps that make a linear resize of one that repeats each of ``size`` samples ``factor`` times, and the zeros before and behind."""
    if size == 1:
        return np.ones(1), 0, 0
    if coordinates == "asymmetric":
        return np.full(factor, 1 / factor), 0, factor - 1
    if factor % 2:
        return np.full(factor, 1 / factor), factor // 2, factor // 2
    taps = np.full(factor + 1, 1 / factor)
    taps[[0, -1]] /= 2
    return taps, factor // 2, factor // 2


def border(size: int, factor: int, taps: Array, before: int) -> Array:
    """What the samples of an axis are to be multiplied with, because the taps that fall outside find zeros and not the last sample."""
    inside = np.convolve(np.ones(size * factor), taps[::-1])
    first = len(taps) - 1 - before
    return 1 / inside[first : first + size * factor]


def smooth(found: Linear) -> bool:
    """Whether :func:`write_smoothed` gives this resize."""
    factors = found.factors
    plain = found.coordinates != "align_corners" and (found.coordinates != "pytorch_half_pixel" or min(found.after[2:]) > 1)
    return factors is not None and plain and max(factors) > 1


def write_smoothed(build: Builder, found: Linear, repeat: Callable[[str], str], output: str) -> None:
    """A depthwise convolution over repeated samples, and a product that mends the border.

    ``repeat`` writes what repeats the samples into the tensor of the given name; nothing is left to do when a lone one was repeated.
    """
    channels, factors = found.before[1], found.factors
    assert factors is not None
    sides = zip(found.before[2:], factors, strict=True)
    (down, above, below), (right, left, behind) = (smoothing(size, factor, found.coordinates) for size, factor in sides)
    if down.size == right.size == 1:
        repeat(output)
        return
    repeated = repeat("")
    dtype = build.dtype(output)
    weights = np.tile(np.outer(down, right).astype(dtype), (channels, 1, 1, 1))
    made = build.conv(repeated, weights, pads=(above, left, below, behind), group=channels)
    mend = np.outer(border(found.before[2], factors[0], down, above), border(found.before[3], factors[1], right, left))
    build.add("Mul", [made, build.like(mend[None, None], output)], output)

"""Which element each element of a nearest Resize or Upsample is. Source: the operator page of Resize."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor
from operator import mul
from typing import Any

import numpy as np
from onnx import NodeProto

from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.base import Miss
from dlalint.rewrite.graph import Graph, attribute
from dlalint.rewrite.picks import Pick
from dlalint.rewrite.weights import Array

_ROUNDINGS: dict[str, Callable[[Any, Any], int]] = {
    "round_prefer_floor": lambda place, half: ceil(place - half),
    "round_prefer_ceil": lambda place, half: floor(place + half),
    "floor": lambda place, _: floor(place),
    "ceil": lambda place, _: ceil(place),
}


class Resizing(NamedTuple):
    """A Resize from ``dims`` to ``made`` by ``scales``; ``sized`` when the sizes are stated instead of the scales."""

    dims: tuple[int, ...]
    made: tuple[int, ...]
    scales: tuple[Fraction, ...]
    sized: bool
    mode: str
    transform: str
    rounding: str

    @property
    def factors(self) -> tuple[int, ...] | None:
        """The scales when all of them are whole numbers."""
        if any(scale.denominator > 1 for scale in self.scales):
            return None
        factors = tuple(int(scale) for scale in self.scales)
        return factors if tuple(map(mul, self.dims, factors)) == self.made else None


def resizing(graph: Graph, node: NodeProto) -> Resizing | Miss:
    """What a Resize or Upsample of static dimensions does; a :class:`Miss` when it depends on computed sizes, or on part of its input."""
    dims, made = graph.dims(node.input[0]), graph.dims(node.output[0])
    if dims is None or made is None or 0 in (*dims, *made):
        return Miss("its shapes are not static")
    mode = attribute(node, "mode", "nearest")
    if node.op_type == "Upsample" or graph.opset < 11:
        transform, rounding = "asymmetric", "floor"
    else:
        transform = attribute(node, "coordinate_transformation_mode", "half_pixel")
        rounding = attribute(node, "nearest_mode", "round_prefer_floor")
    if transform == "tf_crop_and_resize" or attribute(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        return Miss("it crops, or keeps the aspect ratio")
    sized = graph.opset > 10 and len(node.input) > 3 and bool(node.input[3])
    scales = tuple(Fraction(more, less) for less, more in zip(dims, made, strict=True)) if sized else _scales(graph, node, len(dims))
    return scales if isinstance(scales, Miss) else Resizing(dims, made, scales, sized, mode, transform, rounding)


def _scales(graph: Graph, node: NodeProto, rank: int) -> tuple[Fraction, ...] | Miss:
    """The stated scales, one for each dimension."""
    given = attribute(node, "scales")
    if given is None:
        name = [*node.input, "", ""][2 if graph.opset > 10 else 1]
        found = graph.constant(name) if name else None
        given = None if found is None else found.reshape(-1).tolist()
    if given is None:
        return Miss("its scales are computed")
    axes = attribute(node, "axes", range(rank))
    stated = {axis % rank: Fraction(scale) for axis, scale in zip(axes, given, strict=False)}
    return tuple(stated.get(axis, Fraction(1)) for axis in range(rank))


def nearest(found: Resizing) -> Pick | Miss:
    """The element that each element of a nearest resize is, by axis."""
    if found.mode != "nearest":
        return Miss(f"it interpolates ({found.mode})")
    if found.transform == "tf_half_pixel_for_nn" and found.rounding != "floor":
        return Miss("its rounding goes beyond the last element")
    taken = [_axis(found, axis) for axis in range(len(found.dims))]
    lines = tuple(line for line in taken if line is not None)
    return lines if len(lines) == len(taken) else Miss("the elements it samples depend on how its scales are rounded")


def _axis(found: Resizing, axis: int) -> Array | None:
    """The elements by exact arithmetic; ``None`` when single precision, in which resizes are computed, finds others."""
    size, made, scale = found.dims[axis], found.made[axis], found.scales[axis]
    if scale == 1 and size == made:
        return np.arange(size)
    exact, rounded = ([_nearest(found, kind, axis, place) for place in range(made)] for kind in (Fraction, np.float32))
    return np.array(exact) if exact == rounded else None


def _nearest(found: Resizing, kind: Any, axis: int, place: int) -> int:
    size, made, scale = found.dims[axis], found.made[axis], kind(found.scales[axis])
    at = _place(found.transform, scale, kind(place), kind(size), kind(made))
    return min(max(_ROUNDINGS[found.rounding](at, kind(1) / kind(2)), 0), size - 1)


def _place(transform: str, scale: Any, place: Any, size: Any, made: Any) -> Any:
    """Where the element ``place`` lies in the input; all numbers are of one kind, exact or of single precision."""
    one = type(scale)(1)
    half = one / (one + one)
    if transform == "asymmetric":
        return place / scale
    if transform == "align_corners":
        return place * (size - one) / (made - one) if made > 1 else place
    if transform == "tf_half_pixel_for_nn":
        return (place + half) / scale
    if transform == "pytorch_half_pixel" and made == 1:
        return place
    outside = size * half * (one - made / (scale * size)) if transform == "half_pixel_symmetric" else one - one
    return outside + (place + half) / scale - half

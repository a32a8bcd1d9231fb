"""The quantities of reductions, concatenations, resizes, slices, softmaxes and shuffles that limits are held against."""

from __future__ import annotations

from typing import Any

from dlalint.engine.quantities import param
from dlalint.engine.registry import SKIP, quantity
from dlalint.network import LayerSpec
from dlalint.target import Target

param("concat.inputs", "count")
param("shuffle.rank", "ranks")
param("shuffle.batch_kept", "batch_kept")
param("slice.static", "static")
param("resize.explicit", "explicit")
param("resize.scales", "scale_count")


def _rank(spec: LayerSpec) -> int | None:
    return spec.inputs[0].rank if spec.inputs else None


@quantity("rank")
@quantity("reduce.rank")
@quantity("slice.rank")
@quantity("softmax.rank")
def _input_rank(spec: LayerSpec, _: Target) -> Any:
    return _rank(spec)


@quantity("ranks")
def _ranks(spec: LayerSpec, _: Target) -> Any:
    ranks = spec.params.get("ranks")
    return " to ".join(str(rank) for rank in ranks) if isinstance(ranks, tuple) else None


@quantity("reduce.axes_within")
def _reduce_axes(spec: LayerSpec, _: Target) -> Any:
    """How far from the end the first reduced axis lies."""
    axes, rank = spec.params.get("axes"), _rank(spec)
    if not isinstance(axes, tuple) or rank is None:
        return None
    return rank - min((int(axis) for axis in axes), default=rank)


@quantity("concat.axis")
def _concat_axis(spec: LayerSpec, _: Target) -> Any:
    """The position of the joined axis, counted from the end."""
    return _from_end(spec)


@quantity("softmax.axis_within")
def _softmax_axis(spec: LayerSpec, _: Target) -> Any:
    return _from_end(spec)


def _from_end(spec: LayerSpec) -> int | None:
    axis, rank = spec.params.get("axis"), _rank(spec)
    return rank - axis if isinstance(axis, int) and rank is not None else None


@quantity("resize.sampling")
def _sampling(spec: LayerSpec, _: Target) -> Any:
    params = spec.params
    words = [params.get("mode"), params.get("coordinates"), params.get("selector")]
    if params.get("mode") == "NEAREST":
        words.append(params.get("rounding"))
    return " ".join(str(word) for word in words)


@quantity("resize.nearest")
def _nearest(spec: LayerSpec, _: Target) -> Any:
    return _scales(spec, "NEAREST")


@quantity("resize.linear")
def _linear(spec: LayerSpec, _: Target) -> Any:
    return _scales(spec, "LINEAR")


def _scales(spec: LayerSpec, mode: str) -> Any:
    scales = spec.params.get("scales")
    if spec.params.get("mode") != mode or spec.params.get("explicit"):
        return SKIP
    return scales[2:] if isinstance(scales, tuple) else None


@quantity("resize.fractional")
def _fractional(spec: LayerSpec, _: Target) -> Any:
    if spec.params.get("explicit"):
        return SKIP
    scales = spec.params.get("scales")
    return any(not float(scale).is_integer() for scale in scales) if isinstance(scales, tuple) else None


@quantity("resize.outer")
def _outer(spec: LayerSpec, _: Target) -> Any:
    if spec.params.get("explicit"):
        return SKIP
    scales = spec.params.get("scales")
    return scales[:2] if isinstance(scales, tuple) else None


@quantity("slice.stride")
def _slice_stride(spec: LayerSpec, _: Target) -> Any:
    if spec.params.get("mode") != "DEFAULT" or not spec.params.get("static"):
        return SKIP
    return spec.params.get("stride")


@quantity("slice.modes")
def _slice_mode(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("mode")


@quantity("slice.batch")
def _slice_batch(spec: LayerSpec, _: Target) -> Any:
    axes = spec.params.get("axes")
    return 0 in axes if isinstance(axes, tuple) else None


@quantity("slice.fill")
def _slice_fill(spec: LayerSpec, _: Target) -> Any:
    return spec.params.get("fill") if spec.params.get("mode") == "FILL" else SKIP


@quantity("softmax.axis_length")
def _softmax_length(spec: LayerSpec, _: Target) -> Any:
    dims, axis = spec.inputs[0].dims, spec.params.get("axis")
    return dims[axis] if dims is not None and isinstance(axis, int) and 0 <= axis < len(dims) else None


@quantity("softmax.axis_length_approximate")
def _softmax_approximate(spec: LayerSpec, target: Target) -> Any:
    """The length of the axis when another axis than the batch is longer than 1, where the DLA approximates."""
    dims, axis = spec.inputs[0].dims, spec.params.get("axis")
    if dims is None or not isinstance(axis, int):
        return None
    others = [size for index, size in enumerate(dims) if index not in (0, axis)]
    return _softmax_length(spec, target) if any(size > 1 for size in others) else SKIP


@quantity("softmax.other_axes")
def _softmax_others(spec: LayerSpec, _: Target) -> Any:
    dims, axis = spec.inputs[0].dims, spec.params.get("axis")
    if dims is None or not isinstance(axis, int):
        return None
    return max((size for index, size in enumerate(dims) if index != axis), default=1)

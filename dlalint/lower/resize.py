"""Resize and Upsample. Source: onnx-tensorrt, the Resize and Upsample importers, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.lower.context import Context, Lowering, simple
from dlalint.network import Param

_ROUNDING = {"floor": "FLOOR", "ceil": "CEIL", "round_prefer_floor": "HALF_DOWN", "round_prefer_ceil": "HALF_UP"}
_MODES = {"nearest": "NEAREST", "linear": "LINEAR", "bilinear": "LINEAR", "cubic": "CUBIC"}
_COORDINATES = {
    "align_corners": "ALIGN_CORNERS",
    "asymmetric": "ASYMMETRIC",
    "half_pixel": "HALF_PIXEL",
    "pytorch_half_pixel": "HALF_PIXEL",
    "tf_half_pixel_for_nn": "HALF_PIXEL",
}


def resize(node: Context) -> None:
    """One resize layer from constant scales; from output dimensions when sizes are given or scales are computed."""
    mode = node.op.get_string("mode", "nearest")
    coordinates, selector, rounding = _sampling(node, mode)
    scales_input = 2 if node.opset >= 11 else 1
    explicit = (node.opset >= 11 and node.has(3)) or not node.constant(scales_input)
    scales = None if explicit else _scales(node, scales_input)
    _layer(node, mode, scales, explicit=explicit, coordinates=coordinates, selector=selector, rounding=rounding)


def _layer(node: Context, mode: str, scales: tuple[float, ...] | None, **params: Param) -> None:
    count = node.rank("i0") if scales is None else len(scales)
    node.layer("RESIZE", ("i0",), mode=_MODES.get(mode, mode.upper()), scales=scales, scale_count=count, given=params)


def _sampling(node: Context, mode: str) -> tuple[str, str, str]:
    if node.opset < 11:
        return "ASYMMETRIC", "FORMULA", "FLOOR" if mode == "nearest" else "HALF_DOWN"
    transform = node.op.get_string("coordinate_transformation_mode", "half_pixel")
    selector = "UPPER" if transform == "pytorch_half_pixel" else "FORMULA"
    if transform == "tf_half_pixel_for_nn":
        return "HALF_PIXEL", selector, "CEIL"
    rounding = node.op.get_string("nearest_mode", "round_prefer_floor")
    return _COORDINATES.get(transform, transform.upper()), selector, _ROUNDING.get(rounding, rounding.upper())


def _scales(node: Context, index: int) -> tuple[float, ...] | None:
    """The scale of every axis; those left out by the attribute ``axes`` are 1."""
    items = node.items(index)
    if items is None:
        return None
    scales = tuple(float(item) for item in items)
    axes = node.op.get_ints("axes")
    rank = node.rank("i0")
    if not axes or rank is None or len(axes) != len(scales):
        return scales
    full = [1.0] * rank
    for axis, scale in zip(axes, scales, strict=True):
        if -rank <= axis < rank:
            full[axis] = scale
    return tuple(full)


def upsample(node: Context) -> None:
    """The asymmetric, rounded-down resize that Upsample was; a plugin in TensorRT 5."""
    if node.trt < (6, 0):
        node.layer("PLUGIN", ("i0",), note="Upsample")
        return
    explicit = node.opset >= 9 and not node.constant(1)
    scales = _scales(node, 1) if node.opset >= 9 else node.op.get_floats("scales")
    mode = node.op.get_string("mode", "nearest")
    _layer(node, mode, scales, explicit=explicit, coordinates="ASYMMETRIC", selector="FORMULA", rounding="FLOOR")


LOWERINGS: dict[str, Lowering] = {
    "Resize": resize,
    "Upsample": upsample,
    "GridSample": simple("GRID_SAMPLE"),
}

"""Slices, concatenations, paddings and gathers. Source: onnx-tensorrt, the Slice, Split, Concat, Pad, Expand, Tile, Gather importers."""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context, Lowering, Ref, simple

_PAD_MODES = {"constant": "FILL", "reflect": "REFLECT", "edge": "CLAMP", "wrap": "WRAP"}


def slice_(node: Context) -> None:
    """One slice layer; its parameters are inputs of the layer when they are computed. TensorRT 5 adds none that takes everything."""
    parameters = [index for index in (1, 2, 3, 4) if node.opset >= 10 and node.has(index)]
    computed = [f"i{index}" for index in parameters if not node.constant(index)]
    axes = _changed(node.shape("i0"), node.shape("o0"))
    if node.trt < (6, 0) and axes == ():
        node.layer("IDENTITY", ("i0",))
        return
    steps = node.ints(4) if 4 in parameters else (1,)
    node.layer("SLICE", ("i0", *computed), mode="DEFAULT", static=not computed, axes=axes, stride=steps)


def _changed(before: Shape | None, after: Shape | None) -> tuple[int, ...] | None:
    if before is None or after is None or len(before) != len(after):
        return None
    return tuple(axis for axis, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)


def split(node: Context) -> None:
    """One slice layer an output; a plugin before 7.0."""
    rank = node.rank("i0")
    axis = node.op.get_int("axis")
    resolved = axis + rank if rank is not None and axis < 0 else axis
    static = not node.has(1) or node.constant(1)
    for index in range(len(node.outputs)):
        suffix = f"[{index}]" if index else ""
        if node.trt < (7, 0):
            node.layer("PLUGIN", ("i0",), f"o{index}", suffix=suffix, note="Split")
        else:
            node.layer("SLICE", ("i0",), f"o{index}", suffix=suffix, mode="DEFAULT", static=static, axes=(resolved,), stride=(1,))


def concat(node: Context) -> None:
    """One concatenation layer."""
    inputs = tuple(f"i{index}" for index in range(len(node.inputs)) if node.has(index))
    ranks = [rank for rank in (node.rank(ref) for ref in ("o0", *inputs)) if rank is not None]
    axis = node.op.get_int("axis", 1)
    resolved = axis + ranks[0] if ranks and axis < 0 else axis
    node.layer("CONCATENATION", inputs, axis=resolved, count=len(inputs))


def pad(node: Context) -> None:
    """A padding layer up to 8.0, a slice beyond the bounds from 8.2; an identity from 8.0 when there is nothing to pad."""
    pads = node.ints(1) if node.has(1) else node.op.get_ints("pads")
    mode = node.op.get_string("mode", "constant")
    if node.trt >= (8, 0) and pads is not None and not any(pads):
        node.layer("IDENTITY", ("i0",))
    elif node.trt < (8, 2):
        node.layer("PADDING", ("i0",), mode=mode)
    else:
        axes = _changed(node.shape("i0"), node.shape("o0"))
        static = not node.has(1) or node.constant(1)
        node.layer("SLICE", ("i0",), mode=_PAD_MODES.get(mode, mode.upper()), static=static, axes=axes, stride=(1,), fill=_fill(node))


def _fill(node: Context) -> float | None:
    """What a padding is filled with, ``None`` when that is computed."""
    if node.opset < 11:
        return node.op.get_float("value")
    if not node.has(2):
        return 0.0
    items = node.items(2)
    return float(items[0]) if items else None


def expand(node: Context) -> None:
    """A slice that reads every axis of length one with stride 0, behind a reshape to the wanted rank."""
    rank, shape = node.rank("o0"), node.shape("i0")
    source: Ref = "i0"
    if rank is not None and shape is not None and len(shape) < rank:
        source = node.reshape("i0", (1,) * (rank - len(shape)) + shape)
    dims = node.operand(source).dims
    stride = tuple(min(1, dim - 1) for dim in dims) if dims is not None else None
    axes = _changed(node.shape(source), node.shape("o0"))
    node.layer("SLICE", (source,), mode="DEFAULT", static=node.constant(1), axes=axes, stride=stride)


def tile(node: Context) -> None:
    """A slice that wraps around."""
    node.layer("SLICE", ("i0",), mode="WRAP", static=node.constant(1), axes=_changed(node.shape("i0"), node.shape("o0")), stride=(1,))


LOWERINGS: dict[str, Lowering] = {
    "Slice": slice_,
    "Split": split,
    "Concat": concat,
    "Pad": pad,
    "Expand": expand,
    "Tile": tile,
    "Gather": simple("GATHER"),
    "GatherElements": simple("GATHER"),
    "GatherND": simple("GATHER"),
    "Scatter": simple("SCATTER"),
    "ScatterElements": simple("SCATTER"),
    "ScatterND": simple("SCATTER"),
    "ReverseSequence": simple("LOOP"),
    "Trilu": simple("SELECT"),
    "OneHot": simple("ONE_HOT"),
    "EyeLike": simple("CONSTANT"),
    "NonZero": simple("NON_ZERO"),
}

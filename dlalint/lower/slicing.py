"""Slices, concatenations, paddings and gathers. Source: onnx-tensorrt, the Slice, Split, Concat, Pad, Expand, Tile, Gather importers."""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context, Lowering, simple

_PAD_MODES = {"constant": "FILL", "reflect": "REFLECT", "edge": "CLAMP", "wrap": "WRAP"}


def slice_(node: Context) -> None:
    """One slice layer; its parameters are inputs of the layer when they are computed."""
    if node.opset >= 10:
        given = [index for index in (1, 2, 3, 4) if node.has(index)]
        static = all(node.constant(index) for index in given)
        steps = node.ints(4) if node.has(4) else (1,)
    else:
        static, steps = True, (1,)
    node.layer(
        "SLICE",
        ("i0", *(f"i{index}" for index in (1, 2, 3, 4) if node.opset >= 10 and node.has(index) and not node.constant(index))),
        mode="DEFAULT",
        static=static,
        axes=_changed(node.shape("i0"), node.shape("o0")),
        stride=steps,
    )


def _changed(before: Shape | None, after: Shape | None) -> tuple[int, ...] | None:
    if before is None or after is None or len(before) != len(after):
        return None
    return tuple(axis for axis, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)


def split(node: Context) -> None:
    """One slice layer an output; a plugin before 7.0."""
    rank = node.rank("i0")
    axis = node.op.get_int("axis")
    resolved = axis + rank if rank is not None and axis < 0 else axis
    for index, output in enumerate(node.outputs):
        if output is None and index and rank is None:
            continue
        suffix = f"[{index}]" if index else ""
        if node.trt < (7, 0):
            node.layer("PLUGIN", ("i0",), f"o{index}", suffix=suffix, note="Split")
        else:
            node.layer("SLICE", ("i0",), f"o{index}", suffix=suffix, mode="DEFAULT", static=True, axes=(resolved,), stride=(1,))


def concat(node: Context) -> None:
    """One concatenation layer."""
    rank = node.rank("o0")
    axis = node.op.get_int("axis", 1)
    inputs = tuple(f"i{index}" for index in range(len(node.inputs)) if node.has(index))
    resolved = axis + rank if rank is not None and axis < 0 else axis
    node.layer("CONCATENATION", inputs, axis=resolved, count=len(inputs))


def pad(node: Context) -> None:
    """A padding layer up to 8.0, a slice beyond the bounds from 8.2; nothing when there is nothing to pad."""
    pads = node.ints(1) if node.has(1) else node.op.get_ints("pads")
    if pads is not None and not any(pads):
        node.layer("IDENTITY", ("i0",), helper=True)
        return
    mode = node.op.get_string("mode", "constant")
    if node.trt < (8, 2):
        node.layer("PADDING", ("i0",), mode=mode)
        return
    fill: float | None = 0.0
    if node.has(2):
        items = node.items(2)
        fill = float(items[0]) if items else None
    elif node.opset < 11:
        fill = node.op.get_float("value")
    node.layer(
        "SLICE",
        ("i0",),
        mode=_PAD_MODES.get(mode, mode.upper()),
        static=not node.has(1) or node.constant(1),
        axes=_changed(node.shape("i0"), node.shape("o0")),
        stride=(1,),
        fill=fill,
    )


def expand(node: Context) -> None:
    """A slice that reads the repeated axes with stride 0."""
    changed = _changed(node.shape("i0"), node.shape("o0"))
    stride = (0,) if changed is None or changed else (1,)
    node.layer("SLICE", ("i0",), mode="DEFAULT", static=node.constant(1), axes=changed, stride=stride)


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

"""Pooling over windows and over whole maps. Source: onnx-tensorrt, poolingHelper and the pooling importers, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape, TensorType
from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.lower.elementwise import binary_layers, by_constant, unary_layer
from dlalint.lower.window import Window, same_padding, unsqueezed, window
from dlalint.network import Param


def pool(op: str) -> Lowering:
    """MaxPool and AveragePool; one-dimensional ones between two shuffles."""

    def lower(node: Context) -> None:
        # ceil_mode is new in operator set 10, and TensorRT 5 does not read it
        ceil = bool(node.op.get_int("ceil_mode")) and node.opset >= 10 and node.trt >= (6, 0)
        found = window(node, node.op.get_ints("kernel_shape"), ceil=ceil)
        if found.spatial == 1:
            wide = node.reshape("i0", unsqueezed(node.shape("i0")))
            made = _windowed(node, op, wide, node.typed(unsqueezed(node.shape("o0"))), found.widened())
            node.reshape(made, node.shape("o0"), "o0")
        else:
            _windowed(node, op, "i0", "o0", found)

    return lower


def _windowed(node: Context, op: str, source: Ref, output: Ref | TensorType, found: Window) -> Ref:
    if op == "MAX" or node.trt >= (7, 0):
        exclusive = op == "AVERAGE" and node.op.get_int("count_include_pad") != 1
        return node.layer("POOLING", (source,), output, given=_params(found, op, exclusive=exclusive))
    pads = _symmetric(node, found)
    params = _params(found._replace(pre=pads, post=pads), op, exclusive=True)
    if same_padding(node) or found.pre == found.post:
        return node.layer("POOLING", (source,), output, given=params)
    shape = output.shape if isinstance(output, TensorType) else node.shape(output)
    pooled = node.layer("POOLING", (source,), node.typed(_uncropped(shape, found)), given=params)
    return node.layer("PADDING", (pooled,), output, suffix="[Padding]", mode="constant")


def _symmetric(node: Context, found: Window) -> tuple[int, ...] | None:
    """The padding of an average in TensorRT 5 and 6: the same on both sides, never automatic, never counted.

    One more row behind is made by one more stride in front; a padding layer crops what this adds.
    """
    if same_padding(node):
        return (0,) * (found.spatial or 0)
    if found.pre is None or found.post is None or found.stride is None:
        return None
    sides = zip(found.pre, found.post, found.stride, strict=True)
    return tuple(before + step if behind == before + 1 else before for before, behind, step in sides)


def _uncropped(shape: Shape | None, found: Window) -> Shape | None:
    """The shape with one row more where the padding differs."""
    if shape is None or found.pre is None or found.post is None:
        return None
    more = (0, 0, *(behind != before for before, behind in zip(found.pre, found.post, strict=True)))
    return tuple(dim + extra if isinstance(dim, int) else dim for dim, extra in zip(shape, more, strict=False))


def _params(found: Window, op: str, *, exclusive: bool) -> dict[str, Param]:
    return {
        "op": op,
        "window": found.kernel,
        "stride": found.stride,
        "pre_padding": found.pre,
        "post_padding": found.post,
        "exclusive": exclusive,
        "spatial": found.spatial,
        "dilated": found.dilation is not None and any(step != 1 for step in found.dilation),
    }


def global_pool(op: str) -> Lowering:
    """A pooling over the whole map up to TensorRT 6, a reduction from 7.0."""

    def lower(node: Context) -> None:
        shape = node.shape("i0")
        if node.trt >= (7, 0) or shape is None:
            node.layer("REDUCE", ("i0",), op="AVG" if op == "AVERAGE" else op, axes=_spatial_axes(node), keep=True)
            return
        size, ones = node.operand("i0").dims, (1,) * (len(shape) - 2)
        zeros = (0,) * len(ones)
        found = Window(size[2:] if size is not None else None, ones, ones, zeros, zeros, len(ones))
        node.layer("POOLING", ("i0",), given=_params(found, op, exclusive=op == "AVERAGE"))

    return lower


def _spatial_axes(node: Context) -> tuple[int, ...] | None:
    rank = node.rank("i0")
    return tuple(range(2, rank)) if rank is not None else None


def lp_pool(node: Context) -> None:
    """An average of magnitudes (p = 1) or squares, times the size of the window; the root of squares."""
    absolute = node.op.get_int("p", 2) == 1
    before = unary_layer(node, "ABS", "i0") if absolute else binary_layers(node, "PROD", "i0", "i0", None, suffix="[Square]")
    params = _params(window(node, node.op.get_ints("kernel_shape")), "AVERAGE", exclusive=False)
    pooled = node.layer("POOLING", (before,), node.typed(node.shape("o0")), suffix="[Pool]", given=params)
    if absolute:
        by_constant(node, "PROD", pooled, "o0")
    else:
        unary_layer(node, "SQRT", by_constant(node, "PROD", pooled), "o0")


def global_lp_pool(node: Context) -> None:
    """A power, a sum over the map, the root."""
    raised = by_constant(node, "POW", "i0")
    summed = node.layer("REDUCE", (raised,), node.typed(node.shape("o0")), suffix="[Reduce]", op="SUM", axes=_spatial_axes(node), keep=True)
    by_constant(node, "POW", summed, "o0")


LOWERINGS: dict[str, Lowering] = {
    "MaxPool": pool("MAX"),
    "AveragePool": pool("AVERAGE"),
    "GlobalAveragePool": global_pool("AVERAGE"),
    "GlobalMaxPool": global_pool("MAX"),
    "LpPool": lp_pool,
    "GlobalLpPool": global_lp_pool,
    "RoiAlign": simple("PLUGIN", note="RoiAlign"),
}

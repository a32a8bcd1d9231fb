"""Conv, ConvTranspose and their kin. Source: onnx-tensorrt, builtin_op_importers.cpp / onnxOpImporters.cpp, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context, Lowering, simple
from dlalint.lower.window import Window, explicit_pads, window
from dlalint.network import Param


def conv(node: Context) -> None:
    """Convolution; a one-dimensional one between two shuffles that add and drop the width."""
    found = window(node, _weight_kernel(node))
    maps = _first(node.operand("i1").dims)
    params = _params(node, found, maps)
    inputs = _operands(node)
    if found.spatial != 1:
        node.layer("CONVOLUTION", inputs, given=params)
        return
    wide = node.reshape("i0", _unsqueezed(node.shape("i0")))
    made = node.layer("CONVOLUTION", (wide, *inputs[1:]), node.typed(_unsqueezed(node.shape("o0"))), given=_two_dimensional(params))
    node.reshape(made, node.shape("o0"), "o0")


def conv_transpose(node: Context) -> None:
    """Deconvolution; what output_padding leaves over becomes a slice (a padding layer before 8.2) and a separate bias."""
    found = window(node, _weight_kernel(node), transposed=True)
    group = node.op.get_int("group", 1)
    weights = node.operand("i1").dims
    maps = weights[1] * group if weights is not None and len(weights) > 1 else None
    post, left = _spend_output_padding(node, found)
    params = _params(node, found, maps) | {"post_padding": post}
    inputs = _operands(node)
    source = "i0"
    if found.spatial == 1:
        params = _two_dimensional(params)
        source = node.reshape("i0", _unsqueezed(node.shape("i0")))
    if not left:
        if found.spatial != 1:
            node.layer("DECONVOLUTION", (source, *inputs[1:]), given=params)
            return
        made = node.layer("DECONVOLUTION", (source, *inputs[1:]), node.typed(_unsqueezed(node.shape("o0"))), given=params)
        node.reshape(made, node.shape("o0"), "o0")
        return
    made = node.layer("DECONVOLUTION", (source, "i1"), node.typed(_shrunk(node.shape("o0"), left)), given=params)
    if node.trt >= (8, 2):
        padded = node.layer("SLICE", (made,), _last(node), suffix="[Slice]", mode="FILL", static=True, fill=0.0, axes=(2, 3), stride=(1, 1))
    else:
        padded = node.layer("PADDING", (made,), _last(node), suffix="[Padding]")
    if node.has(2):
        node.layer("ELEMENTWISE", (padded, "i2"), suffix="[ElementWise]", op="SUM")


def _last(node: Context) -> str | None:
    return None if node.has(2) else "o0"


def _operands(node: Context) -> tuple[str, ...]:
    return tuple(f"i{index}" for index in range(min(len(node.inputs), 3)) if node.has(index))


def _weight_kernel(node: Context) -> tuple[int, ...] | None:
    weights = node.operand("i1").dims
    return weights[2:] if weights is not None else node.op.get_ints("kernel_shape")


def _params(node: Context, found: Window, maps: int | None) -> dict[str, Param]:
    return {
        "kernel": found.kernel,
        "stride": found.stride,
        "dilation": found.dilation,
        "pre_padding": found.pre,
        "post_padding": found.post,
        "groups": node.op.get_int("group", 1),
        "maps": maps,
        "spatial": found.spatial,
        "weights_constant": node.constant(1) and (not node.has(2) or node.constant(2)),
    }


def _two_dimensional(params: dict[str, Param]) -> dict[str, Param]:
    widened: dict[str, Param] = {}
    for name, filler in (("kernel", 1), ("stride", 1), ("dilation", 1), ("pre_padding", 0), ("post_padding", 0)):
        value = params[name]
        widened[name] = (int(value[0]), filler) if isinstance(value, tuple) and len(value) == 1 else value
    return params | widened | {"spatial": 2}


def _unsqueezed(shape: Shape | None) -> Shape | None:
    return None if shape is None else (*shape, 1)


def _shrunk(shape: Shape | None, left: tuple[int, ...]) -> Shape | None:
    if shape is None or len(shape) < len(left):
        return None
    keep = len(shape) - len(left)
    return shape[:keep] + tuple(dim - cut if isinstance(dim, int) else dim for dim, cut in zip(shape[keep:], left, strict=True))


def _spend_output_padding(node: Context, found: Window) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Padding behind, after output_padding was taken from it; and what of output_padding is left."""
    extra = node.op.get_ints("output_padding")
    if found.post is None or not extra or not any(extra) or not explicit_pads(node) or len(extra) != len(found.post):
        return found.post, ()
    post = tuple(max(pad - more, 0) for pad, more in zip(found.post, extra, strict=True))
    left = tuple(max(more - pad, 0) for pad, more in zip(found.post, extra, strict=True))
    return post, left if any(left) else ()


def _first(dims: tuple[int, ...] | None) -> int | None:
    return dims[0] if dims else None


LOWERINGS: dict[str, Lowering] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DeformConv": simple("PLUGIN", note="DeformConv"),
}

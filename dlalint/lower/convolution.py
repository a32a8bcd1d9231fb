"""Conv, ConvTranspose and their kin. Source: onnx-tensorrt, builtin_op_importers.cpp / onnxOpImporters.cpp, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context, Lowering, Ref, simple
from dlalint.lower.window import Window, same_padding, sized, spatial_dims, unsqueezed, window
from dlalint.network import Param


def conv(node: Context) -> None:
    """Convolution; a one-dimensional one between two shuffles that add and drop the width."""
    found = window(node, _weight_kernel(node))
    maps = _first(node.operand("i1").dims)
    if found.spatial != 1:
        node.layer("CONVOLUTION", ("i0", *_weights(node)), given=_params(node, found, maps))
        return
    wide = node.reshape("i0", unsqueezed(node.shape("i0")))
    flat = node.typed(unsqueezed(node.shape("o0")))
    made = node.layer("CONVOLUTION", (wide, *_weights(node)), flat, given=_params(node, found.widened(), maps))
    node.reshape(made, node.shape("o0"), "o0")


def conv_transpose(node: Context) -> None:
    """Deconvolution; what output_padding leaves over becomes a slice (a padding layer before 8.2) and a separate bias."""
    found = window(node, _weight_kernel(node), transposed=True)
    weights = node.operand("i1").dims
    maps = weights[1] * node.op.get_int("group", 1) if weights is not None and len(weights) > 1 else None
    found, left = _spend_output_padding(node, found)
    if found.spatial != 1:
        _deconvolution(node, "i0", _params(node, found, maps), node.shape("o0"), left, "o0")
        return
    wide = node.reshape("i0", unsqueezed(node.shape("i0")))
    params = _params(node, found.widened(), maps)
    made = _deconvolution(node, wide, params, unsqueezed(node.shape("o0")), (*left, 0) if left else (), None)
    node.reshape(made, node.shape("o0"), "o0")


def _deconvolution(
    node: Context, source: Ref, params: dict[str, Param], shape: Shape | None, left: tuple[int, ...], output: Ref | None
) -> Ref:
    """The layers between the reshapes: they make ``shape``, of which ``left`` rows and columns are not the deconvolution's."""
    made = output if output is not None else node.typed(shape)
    if not left:
        return node.layer("DECONVOLUTION", (source, *_weights(node)), made, given=params)
    small = node.layer("DECONVOLUTION", (source, "i1"), node.typed(_shrunk(shape, left)), given=params)
    last = node.typed(shape) if node.has(2) else made
    if node.trt >= (8, 2):
        axes = tuple(axis for axis, count in enumerate(left, 2) if count)
        padded = node.layer(
            "SLICE", (small,), last, suffix="[Slice]", mode="FILL", static=True, axes=axes, stride=(1,) * len(axes), fill=0.0
        )
    else:
        padded = node.layer("PADDING", (small,), last, suffix="[Padding]", mode="constant")
    if not node.has(2):
        return padded
    return node.layer("ELEMENTWISE", (padded, "i2"), made, suffix="[ElementWise]", op="SUM", constants=1, broadcast=False)


def _weights(node: Context) -> tuple[Ref, ...]:
    return tuple(f"i{index}" for index in (1, 2) if node.has(index))


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


def _shrunk(shape: Shape | None, left: tuple[int, ...]) -> Shape | None:
    if shape is None or len(shape) < len(left):
        return None
    keep = len(shape) - len(left)
    return shape[:keep] + tuple(dim - cut if isinstance(dim, int) else dim for dim, cut in zip(shape[keep:], left, strict=True))


def _spend_output_padding(node: Context, found: Window) -> tuple[Window, tuple[int, ...]]:
    """The window after output_padding was taken from the padding behind; and what of output_padding is left."""
    if found.spatial is None or found.post is None or same_padding(node):
        return found, ()
    extra = sized(node.op.get_ints("output_padding"), found.spatial, 0)
    wanted = node.op.get_ints("output_shape")
    if node.trt < (7, 0):
        return found if wanted or not any(extra) else found._replace(post=_less(node, found.post, extra)), ()
    if wanted:
        found, extra = _from_output_shape(node, found, sized(wanted[-found.spatial :], found.spatial, 0), extra)
    if found.post is None:
        return found, ()
    left = tuple(max(more - pad, 0) for pad, more in zip(found.post, extra, strict=True))
    post = tuple(max(pad - more, 0) for pad, more in zip(found.post, extra, strict=True))
    return found._replace(post=post), left if any(left) else ()


def _less(node: Context, post: tuple[int, ...], extra: tuple[int, ...]) -> tuple[int, ...]:
    """The parser of 5.x takes output_padding away even below zero; that of 6.0 takes the padding from itself."""
    return (0,) * len(post) if node.trt >= (6, 0) else tuple(pad - more for pad, more in zip(post, extra, strict=True))


def _from_output_shape(node: Context, found: Window, wanted: tuple[int, ...], extra: tuple[int, ...]) -> tuple[Window, tuple[int, ...]]:
    """The padding (from 7.1) or the output_padding (7.0) that gives the wanted size; the smaller half of the padding lies in front."""
    inside = spatial_dims(node, found)
    if inside is None or found.reach is None or found.stride is None or found.pre is None or found.post is None:
        return found._replace(pre=None, post=None), extra
    full = tuple(step * (size - 1) + reach for size, step, reach in zip(inside, found.stride, found.reach, strict=True))
    if node.trt < (7, 1):
        cropped = (size - before - behind for size, before, behind in zip(full, found.pre, found.post, strict=True))
        return found, tuple(size - made for size, made in zip(wanted, cropped, strict=True))
    total = tuple(size + more - made for size, more, made in zip(full, extra, wanted, strict=True))
    pre = tuple(int(pad / 2) for pad in total)
    post = tuple(pad - front for pad, front in zip(total, pre, strict=True))
    missing = tuple(-pad if pad < 0 else more for pad, more in zip(post, extra, strict=True))
    return found._replace(pre=pre, post=tuple(max(pad, 0) for pad in post)), missing


def _first(dims: tuple[int, ...] | None) -> int | None:
    return dims[0] if dims else None


LOWERINGS: dict[str, Lowering] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "DeformConv": simple("PLUGIN", note="DeformConv"),
}

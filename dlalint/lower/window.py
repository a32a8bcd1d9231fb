"""Kernels, strides and paddings of sliding-window operators, with automatic padding worked out."""

from __future__ import annotations

from typing import NamedTuple

from dlalint.lower.context import Context


class Window(NamedTuple):
    """A sliding window per spatial axis; ``None`` where it cannot be known. ``spatial`` is the number of spatial axes."""

    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    dilation: tuple[int, ...] | None
    pre: tuple[int, ...] | None
    post: tuple[int, ...] | None
    spatial: int | None


def explicit_pads(node: Context) -> bool:
    """Whether the node states its padding instead of leaving it to auto_pad."""
    return node.op.get_string("auto_pad", "NOTSET") in ("NOTSET", "")


def window(node: Context, kernel: tuple[int, ...] | None, *, transposed: bool = False) -> Window:
    """The window of a convolution or pooling node whose kernel is ``kernel``."""
    rank = node.rank("i0")
    spatial = len(kernel) if kernel is not None else None if rank is None else rank - 2
    if spatial is None or spatial < 0:
        return Window(kernel, None, None, None, None, spatial)
    stride = _sized(node.op.get_ints("strides"), spatial, 1)
    dilation = _sized(node.op.get_ints("dilations"), spatial, 1)
    pre, post = _padding(node, kernel, stride, dilation, spatial, transposed)
    if not transposed and node.op.get_int("ceil_mode") and pre is not None and post is not None and kernel is not None:
        post = _ceil_padding(node, kernel, stride, dilation, pre, post)
    return Window(kernel, stride, dilation, pre, post, spatial)


def _sized(values: tuple[int, ...] | None, count: int, default: int) -> tuple[int, ...]:
    return values if values is not None and len(values) == count else (default,) * count


def _padding(
    node: Context,
    kernel: tuple[int, ...] | None,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    spatial: int,
    transposed: bool,
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    auto = node.op.get_string("auto_pad", "NOTSET")
    pads = _sized(node.op.get_ints("pads"), 2 * spatial, 0)
    if explicit_pads(node) and not (transposed and node.op.get_ints("output_shape")):
        return pads[:spatial], pads[spatial:]
    if auto == "VALID":
        return (0,) * spatial, (0,) * spatial
    inside, outside = node.operand("i0").dims, node.operand("o0").dims
    if kernel is None or inside is None or outside is None or len(inside) != spatial + 2 or len(outside) != spatial + 2:
        return None, None
    pre, post = [], []
    extra = _sized(node.op.get_ints("output_padding"), spatial, 0)
    for axis in range(spatial):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        if transposed:
            total = stride[axis] * (inside[axis + 2] - 1) + extra[axis] + reach - outside[axis + 2]
        else:
            total = (outside[axis + 2] - 1) * stride[axis] + reach - inside[axis + 2]
        total = max(total, 0)
        small = total // 2
        lower = auto == "SAME_LOWER" or (transposed and auto in ("NOTSET", ""))
        pre.append(total - small if lower else small)
        post.append(small if lower else total - small)
    return tuple(pre), tuple(post)


def _ceil_padding(
    node: Context,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    pre: tuple[int, ...],
    post: tuple[int, ...],
) -> tuple[int, ...]:
    """Padding behind that makes a window rounded up fit exactly."""
    inside, outside = node.operand("i0").dims, node.operand("o0").dims
    if inside is None or outside is None or len(inside) != len(kernel) + 2 or len(outside) != len(inside):
        return post
    grown = []
    for axis, pad in enumerate(post):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        needed = (outside[axis + 2] - 1) * stride[axis] + reach - inside[axis + 2] - pre[axis]
        grown.append(max(pad, needed))
    return tuple(grown)

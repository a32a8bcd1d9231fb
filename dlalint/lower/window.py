"""Kernels, strides and paddings of sliding-window operators, with automatic padding worked out.

Source: onnx-tensorrt, getKernelParams and generatePadding, branches 5.1 to 10.1; the formulas of PaddingMode in NvInfer.h.
"""

from __future__ import annotations

from dlalint.graph import Shape
from dlalint.lower.context import Context
from dlalint.named_tuple import NamedTuple

_SAME = ("SAME_UPPER", "SAME_LOWER")
Sides = tuple[tuple[int, ...] | None, tuple[int, ...] | None]


class Window(NamedTuple):
    """A sliding window per spatial axis; ``None`` where it cannot be known. ``spatial`` is the number of spatial axes."""

    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    dilation: tuple[int, ...] | None
    pre: tuple[int, ...] | None
    post: tuple[int, ...] | None
    spatial: int | None

    @property
    def reach(self) -> tuple[int, ...] | None:
        """The size of the kernel with its dilation."""
        if self.kernel is None or self.dilation is None:
            return None
        return tuple(step * (size - 1) + 1 for step, size in zip(self.dilation, self.kernel, strict=True))

    def widened(self) -> Window:
        """A one-dimensional window over a map that is one column wide."""
        sides = (_and(self.kernel, 1), _and(self.stride, 1), _and(self.dilation, 1), _and(self.pre, 0), _and(self.post, 0))
        return Window(*sides, 2)


def _and(values: tuple[int, ...] | None, last: int) -> tuple[int, ...] | None:
    return None if values is None else (*values, last)


def same_padding(node: Context) -> bool:
    """Whether TensorRT works out the padding; with any other auto_pad the importers read ``pads``."""
    return node.op.get_string("auto_pad") in _SAME


def window(node: Context, kernel: tuple[int, ...] | None, *, transposed: bool = False, ceil: bool = False) -> Window:
    """The window of a convolution or pooling node whose kernel is ``kernel``.

    ``ceil`` rounds the size of the output up: the padding behind is then what the last window reads.
    """
    rank = node.rank("i0")
    spatial = len(kernel) if kernel is not None else None if rank is None else rank - 2
    if spatial is None or spatial < 0:
        return Window(kernel, None, None, None, None, spatial)
    stride = sized(node.op.get_ints("strides"), spatial, 1)
    pads = sized(node.op.get_ints("pads"), 2 * spatial, 0)
    found = Window(kernel, stride, sized(node.op.get_ints("dilations"), spatial, 1), pads[:spatial], pads[spatial:], spatial)
    if same_padding(node):
        pre, post = _same(node, found, transposed)
        return found._replace(pre=pre, post=post)
    return found._replace(post=_rounded_up(node, found)) if ceil else found


def sized(values: tuple[int, ...] | None, count: int, default: int) -> tuple[int, ...]:
    """``values`` when there are ``count`` of them, else that many defaults."""
    return values if values is not None and len(values) == count else (default,) * count


def unsqueezed(shape: Shape | None) -> Shape | None:
    """The shape with a width of one behind."""
    return None if shape is None else (*shape, 1)


def spatial_dims(node: Context, found: Window) -> tuple[int, ...] | None:
    """The sizes of the input that the window slides over."""
    dims = node.operand("i0").dims
    return dims[2:] if dims is not None and len(dims) - 2 == found.spatial else None


def _same(node: Context, found: Window, transposed: bool) -> Sides:
    """The padding with which a window makes ``ceil(input / stride)``, or ``input * stride`` when transposed."""
    inside = spatial_dims(node, found)
    if inside is None or found.reach is None or found.stride is None or not all(found.stride):
        return None, None
    small, large = [], []
    for size, step, reach in zip(inside, found.stride, found.reach, strict=True):
        total = (size - 1) * step + reach - size * step if transposed else (-(-size // step) - 1) * step + reach - size
        small.append(max(total, 0) // 2)
        large.append(max(total, 0) - small[-1])
    lower = node.op.get_string("auto_pad") == "SAME_LOWER"
    return (tuple(large), tuple(small)) if lower else (tuple(small), tuple(large))


def _rounded_up(node: Context, found: Window) -> tuple[int, ...] | None:
    inside = spatial_dims(node, found)
    if inside is None or found.reach is None or found.stride is None or found.pre is None or found.post is None or not all(found.stride):
        return found.post
    grown = []
    for size, step, reach, before, behind in zip(inside, found.stride, found.reach, found.pre, found.post, strict=True):
        beyond = -(size + before + behind - reach) % step
        grown.append(behind + beyond)
    return tuple(grown)

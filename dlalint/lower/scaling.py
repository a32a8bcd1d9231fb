"""The scale layer. Source: onnx-tensorrt, addScale, scaleHelper and importScaleOp, branches 5.1 to 10.1."""

from __future__ import annotations

from dlalint.graph import Shape, volume
from dlalint.lower.context import Context


def scale(node: Context, source: str, mode: str) -> None:
    """A scale layer that makes the node's output; between two reshapes when the input has not two or three spatial dimensions.

    TensorRT 5 knows two only.
    """
    shape = node.shape(source)
    widest = 5 if node.trt >= (6, 0) else 4
    if shape is None or 4 <= len(shape) <= widest:
        node.layer("SCALE", (source,), mode=mode, spatial=len(shape) - 2 if shape is not None else None)
        return
    four = _four(shape)
    made = node.layer("SCALE", (node.reshape(source, four),), node.typed(four, source), mode=mode, spatial=2)
    node.reshape(made, node.shape("o0"), "o0")


def _four(shape: Shape) -> Shape:
    """The shape with ones behind, or with everything behind the height as one width."""
    if len(shape) < 4:
        return shape + (1,) * (4 - len(shape))
    rest = tuple(dim for dim in shape[3:] if isinstance(dim, int))
    return (*shape[:3], volume(rest) if len(rest) == len(shape) - 3 else None)


def mode_of_constant(constant: tuple[int, ...] | None, data: tuple[int, ...] | None) -> str | None:
    """How TensorRT 6 applies a constant to a tensor as a scale layer, ``None`` when it adds an elementwise layer instead."""
    if not constant or data is None or len(data) < 2:
        return None
    squeezed = constant
    while len(squeezed) > 1 and squeezed[-1] == 1:
        squeezed = squeezed[:-1]
    if squeezed == (1,):
        return "UNIFORM"
    if squeezed == data[1:2]:
        return "CHANNEL"
    return "ELEMENTWISE" if volume(squeezed) == volume(data[1:]) else None

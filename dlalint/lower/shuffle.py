"""Reshapes, transposes, relabelling. Source: onnx-tensorrt, the Reshape, Flatten, Transpose, Cast and DepthToSpace importers."""

from __future__ import annotations

from dlalint.graph import Shape, dtype_name
from dlalint.lower.context import Context, Lowering
from dlalint.lower.moves import RESHAPE, reshape_params, transpose_params


def reshape(node: Context) -> None:
    """A shuffle that changes the shape."""
    node.layer("SHUFFLE", ("i0",), given=reshape_params(node.shape("i0"), node.shape("o0")))


def flatten(node: Context) -> None:
    """A shuffle to a matrix; an identity from 8.4 when the input is one already."""
    axis = node.op.get_int("axis", 1)
    if node.trt >= (8, 4) and node.rank("i0") == 2 and axis == 1:
        node.layer("IDENTITY", ("i0",))
        return
    reshape(node)


def transpose(node: Context) -> None:
    """A shuffle that permutes the axes; reversed when no permutation is given."""
    rank = node.rank("i0")
    order = node.op.get_ints("perm") or (tuple(reversed(range(rank))) if rank is not None else None)
    node.layer("SHUFFLE", ("i0",), given=transpose_params(node.shape("i0"), order))


def depth_to_space(node: Context) -> None:
    """Two shuffles through a tensor of rank six."""
    block = node.op.get_int("blocksize", 1)
    shape = node.operand("i0").dims
    middle: Shape | None = None
    if shape is not None and len(shape) == 4 and block > 0:
        batch, channels, height, width = shape
        deep = channels // (block * block)
        if node.op.op_type == "DepthToSpace":
            middle = (batch, deep, height, block, width, block)
        else:
            middle = (batch, block, block, channels, height // block, width // block)
    params = reshape_params(shape, middle) | {"moves": (RESHAPE, "transpose 0 3 4 1 5 2")}
    made = node.layer("SHUFFLE", ("i0",), node.typed(middle), suffix="[Shuffle]", given=params)
    node.layer("SHUFFLE", (made,), given=reshape_params(middle, node.shape("o0")))


def identity(node: Context) -> None:
    """An identity layer: Identity, Dropout at inference."""
    node.layer("IDENTITY", ("i0",))


def cast(node: Context) -> None:
    """A cast layer from 8.6, an identity layer that changes the type before."""
    target = dtype_name(node.op.get_int("to")) if node.op.op_type == "Cast" else None
    source = node.operand("i0").type
    same = source is not None and target == source.dtype
    node.layer("CAST" if node.trt >= (8, 6) and not same else "IDENTITY", ("i0",), to=target)


LOWERINGS: dict[str, Lowering] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": depth_to_space,
    "Identity": identity,
    "Dropout": identity,
    "Cast": cast,
    "CastLike": cast,
}

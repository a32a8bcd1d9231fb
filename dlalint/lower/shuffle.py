"""Reshapes, transposes, relabelling. Source: onnx-tensorrt, the Reshape, Flatten, Transpose, Cast and DepthToSpace importers."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.graph import Shape, dtype_name
from dlalint.lower.context import Context, Lowering
from dlalint.lower.elementwise import binary_layers
from dlalint.lower.moves import RESHAPE, reshape_params, transpose_params


def reshape(node: Context) -> None:
    """A shuffle that changes the shape."""
    node.layer("SHUFFLE", ("i0",), given=reshape_params(node.shape("i0"), node.shape("o0")))


def flatten(node: Context) -> None:
    """A shuffle to a matrix; no layer for a matrix up to 8.2, an identity for one that stays as it is from 8.4."""
    rank = node.rank("i0")
    if (node.trt < (8, 4) and rank is not None and rank <= 2) or (rank == 2 and node.op.get_int("axis", 1) in (1, -1)):
        node.layer("IDENTITY", ("i0",))
    else:
        reshape(node)


def transpose(node: Context) -> None:
    """A shuffle that permutes the axes; reversed when no permutation is given.

    Up to 10.0 a reshape when only axes of length one move, and from 8.0 to 8.4 no layer when none moves.
    """
    shape, rank = node.shape("i0"), node.rank("i0")
    order = node.op.get_ints("perm") or (tuple(reversed(range(rank))) if rank is not None else None)
    if shape is None or order is None or sorted(order) != list(range(len(shape))):
        node.layer("SHUFFLE", ("i0",), given=transpose_params(shape, order))
    elif (8, 0) <= node.trt < (8, 5) and list(order) == sorted(order):
        node.layer("IDENTITY", ("i0",))
    elif node.trt < (10, 1) and not _moves_data(shape, order):
        node.layer("SHUFFLE", ("i0",), given=reshape_params(shape, tuple(shape[axis] for axis in order)))
    else:
        node.layer("SHUFFLE", ("i0",), given=transpose_params(shape, order))


def _moves_data(shape: Shape, order: Sequence[int]) -> bool:
    """Whether the axes longer than one change their order; a free axis counts as if they did."""
    long = [axis for axis in order if shape[axis] != 1]
    return any(not isinstance(dim, int) for dim in shape) or long != sorted(long)


def depth_to_space(node: Context) -> None:
    """Two shuffles through a tensor of rank six; blocks lie in front of the channels or, from 7.0, behind them (CRD)."""
    behind = node.trt >= (7, 0) and node.op.get_string("mode") == "CRD"
    _through_six(node, "0 1 4 2 5 3" if behind else "0 3 4 1 5 2", _deepened(node))


def space_to_depth(node: Context) -> None:
    """Two shuffles through a tensor of rank six."""
    shape, block = node.operand("i0").dims, node.op.get_int("blocksize", 1)
    middle: Shape | None = None
    if shape is not None and len(shape) == 4 and block > 0:
        batch, channels, height, width = shape
        middle = (batch, block, block, channels, height // block, width // block)
    _through_six(node, "0 3 5 1 2 4", middle)


def _deepened(node: Context) -> Shape | None:
    shape, block = node.operand("i0").dims, node.op.get_int("blocksize", 1)
    if shape is None or len(shape) != 4 or block <= 0:
        return None
    batch, channels, height, width = shape
    return batch, channels // (block * block), height, block, width, block


def _through_six(node: Context, order: str, middle: Shape | None) -> None:
    params = reshape_params(node.shape("i0"), middle) | {"moves": (RESHAPE, f"transpose {order}")}
    made = node.layer("SHUFFLE", ("i0",), node.typed(middle, "i0"), suffix="[Shuffle]", given=params)
    node.layer("SHUFFLE", (made,), given=reshape_params(middle, node.shape("o0")))


def identity(node: Context) -> None:
    """An identity layer."""
    node.layer("IDENTITY", ("i0",))


def dropout(node: Context) -> None:
    """An identity, and for the mask another one; from 8.0 a comparison of the data with itself makes the mask."""
    node.layer("IDENTITY", ("i0",))
    if len(node.outputs) < 2:
        return
    if node.trt < (8, 0):
        node.layer("IDENTITY", ("i0",), "o1", suffix="[Mask]")
        return
    binary_layers(node, "EQUAL" if node.opset >= 12 else "LESS", "i0", "i0", "o1", suffix="[Mask]")


def cast(node: Context) -> None:
    """A cast layer from 8.6, an identity layer that changes the type before. One that changes nothing is erased."""
    source, other = node.operand("i0").type, node.operand("i1").type
    target = dtype_name(node.op.get_int("to")) if node.op.op_type == "Cast" else other.dtype if other is not None else None
    same = source is not None and target == source.dtype
    node.layer("CAST" if node.trt >= (8, 6) and not same else "IDENTITY", ("i0",), to=target)


LOWERINGS: dict[str, Lowering] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Identity": identity,
    "Dropout": dropout,
    "Cast": cast,
    "CastLike": cast,
}

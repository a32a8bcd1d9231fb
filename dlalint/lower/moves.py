"""What shuffle layers do, as parameters.

``moves`` are the transposes and reshapes in order, ``ranks`` the ranks passed through, ``batch_kept`` whether the batch stays in front.
"""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.graph import Shape
from dlalint.network import LayerSpec, Operand, Param

RESHAPE = "reshape"
_TRANSPOSE = "transpose "


def reshape_params(before: Shape | None, after: Shape | None) -> dict[str, Param]:
    """A shuffle that changes the shape from ``before`` to ``after``."""
    kept = None if not before or not after else before[0] == after[0]
    return {"moves": (RESHAPE,), "ranks": (_rank(before), _rank(after)), "batch_kept": kept}


def transpose_params(shape: Shape | None, order: Sequence[int] | None) -> dict[str, Param]:
    """A shuffle that permutes the axes of ``shape``."""
    if order is None:
        return {"moves": (f"{_TRANSPOSE}?",), "ranks": (_rank(shape), _rank(shape)), "batch_kept": None}
    text = _TRANSPOSE + " ".join(str(axis) for axis in order)
    return {"moves": (text,), "ranks": (len(order), len(order)), "batch_kept": not order or order[0] == 0}


def fused(first: LayerSpec, second: LayerSpec) -> LayerSpec | None:
    """One shuffle for two when TensorRT can express it: a transpose, a reshape, a transpose, each at most once, in this order."""
    moves = _merged((*_moves(first), *_moves(second)))
    if moves.count(RESHAPE) > 1 or len(moves) > 3 or (len(moves) == 3 and moves[1] != RESHAPE):
        return None
    params: dict[str, Param] = {
        "moves": moves,
        "ranks": (*_ranks(first), *_ranks(second)[1:]),
        "batch_kept": _both(first.params.get("batch_kept"), second.params.get("batch_kept")),
    }
    return LayerSpec("SHUFFLE", params, first.inputs, second.outputs, first.helper and second.helper)


def changes_nothing(spec: LayerSpec) -> bool:
    """Whether a shuffle hands on its input as it is."""
    before, after = spec.inputs[0].dims, Operand(spec.outputs[0]).dims
    if before is None or before != after:
        return False
    return all(move == RESHAPE or _identity(move) for move in _moves(spec))


def _merged(moves: Sequence[str]) -> tuple[str, ...]:
    out: list[str] = []
    for move in moves:
        if out and move == RESHAPE == out[-1]:
            continue
        if out and move != RESHAPE != out[-1]:
            out[-1] = _composed(out[-1], move)
        else:
            out.append(move)
    return tuple(out)


def _composed(first: str, second: str) -> str:
    left, right = first.split()[1:], second.split()[1:]
    if len(left) != len(right) or "?" in left or "?" in right:
        return f"{_TRANSPOSE}?"
    return _TRANSPOSE + " ".join(left[int(axis)] for axis in right)


def _identity(move: str) -> bool:
    order = move.split()[1:]
    return order == [str(axis) for axis in range(len(order))]


def _moves(spec: LayerSpec) -> tuple[str, ...]:
    found = spec.params.get("moves")
    return tuple(str(move) for move in found) if isinstance(found, tuple) else ()


def _ranks(spec: LayerSpec) -> tuple[int, ...]:
    found = spec.params.get("ranks")
    return tuple(int(rank) for rank in found) if isinstance(found, tuple) else ()


def _rank(shape: Shape | None) -> int:
    return -1 if shape is None else len(shape)


def _both(left: Param, right: Param) -> bool | None:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True

"""What shuffles do, and when two of them are one."""

from __future__ import annotations

import pytest

from dlalint.graph import Shape, TensorType
from dlalint.lower.moves import changes_nothing, fused, reshape_params, transpose_params
from dlalint.network import LayerSpec, Operand, Param


def spec(params: dict[str, Param], before: Shape | None, after: Shape | None, *, helper: bool = False) -> LayerSpec:
    return LayerSpec("SHUFFLE", params, (Operand(TensorType("float32", before)),), (TensorType("float32", after),), helper)


def reshape(before: Shape | None, after: Shape | None, *, helper: bool = False) -> LayerSpec:
    return spec(reshape_params(before, after), before, after, helper=helper)


def transpose(before: tuple[int, ...], *order: int) -> LayerSpec:
    return spec(transpose_params(before, order), before, tuple(before[axis] for axis in order))


@pytest.mark.parametrize(
    ("before", "after", "ranks", "kept"),
    [((2, 6), (2, 3, 2), (2, 3), True), ((2, 6), (1, 12), (2, 2), False), (None, (2, 6), (-1, 2), None), ((), (1,), (0, 1), None)],
)
def test_reshape(before: Shape | None, after: Shape, ranks: object, kept: object) -> None:
    assert reshape_params(before, after) == {"moves": ("reshape",), "ranks": ranks, "batch_kept": kept}


def test_transpose() -> None:
    assert transpose_params((2, 3, 4), (0, 2, 1)) == {"moves": ("transpose 0 2 1",), "ranks": (3, 3), "batch_kept": True}
    assert transpose_params((2, 3), (1, 0)) == {"moves": ("transpose 1 0",), "ranks": (2, 2), "batch_kept": False}
    assert transpose_params(None, None) == {"moves": ("transpose ?",), "ranks": (-1, -1), "batch_kept": None}


def test_two_reshapes_are_one() -> None:
    made = fused(reshape((2, 6), (2, 3, 2)), reshape((2, 3, 2), (2, 1, 6)))
    assert made is not None
    assert made.params == {"moves": ("reshape",), "ranks": (2, 3, 3), "batch_kept": True}
    assert (made.inputs[0].dims, made.outputs[0]) == ((2, 6), TensorType("float32", (2, 1, 6)))


def test_two_transposes_are_one() -> None:
    made = fused(transpose((2, 3, 4, 5), 0, 2, 3, 1), transpose((2, 4, 5, 3), 0, 3, 1, 2))
    assert made is not None
    assert made.params["moves"] == ("transpose 0 1 2 3",)
    assert changes_nothing(made)


def test_transpose_reshape_transpose_is_one() -> None:
    first = fused(transpose((2, 3, 4), 0, 2, 1), reshape((2, 4, 3), (2, 2, 2, 3)))
    assert first is not None
    made = fused(first, transpose((2, 2, 2, 3), 0, 3, 1, 2))
    assert made is not None
    assert made.params["moves"] == ("transpose 0 2 1", "reshape", "transpose 0 3 1 2")
    assert made.params["ranks"] == (3, 3, 4, 4)
    assert fused(made, reshape((2, 3, 2, 2), (2, 12))) is None


def test_reshape_transpose_reshape_is_two() -> None:
    first = fused(reshape((2, 12), (2, 3, 4)), transpose((2, 3, 4), 0, 2, 1))
    assert first is not None
    assert fused(first, reshape((2, 4, 3), (2, 12))) is None


@pytest.mark.parametrize("kept", [(True, True, True), (True, None, None), (None, False, False)])
def test_batch_is_kept_when_both_keep_it(kept: tuple[bool | None, bool | None, bool | None]) -> None:
    shapes: dict[bool | None, tuple[Shape | None, Shape]] = {True: ((2, 6), (2, 6)), False: ((2, 6), (3, 4)), None: (None, (2, 6))}
    made = fused(*(reshape(*shapes[one]) for one in kept[:2]))
    assert made is not None
    assert made.params["batch_kept"] is kept[2]


@pytest.mark.parametrize(("first", "second", "both"), [(True, True, True), (True, False, False), (False, True, False)])
def test_helper_when_both_are(first: bool, second: bool, both: bool) -> None:
    made = fused(reshape((2, 6), (2, 3, 2), helper=first), reshape((2, 3, 2), (2, 6), helper=second))
    assert made is not None
    assert made.helper is both


@pytest.mark.parametrize(
    ("shuffle", "nothing"),
    [
        (reshape((2, 6), (2, 6)), True),
        (reshape((2, 6), (6, 2)), False),
        (reshape(None, None), False),
        (reshape((2, "N"), (2, "N")), False),
        (transpose((2, 6), 0, 1), True),
        (transpose((6, 6), 1, 0), False),
    ],
)
def test_what_changes_nothing(shuffle: LayerSpec, nothing: bool) -> None:
    assert changes_nothing(shuffle) is nothing

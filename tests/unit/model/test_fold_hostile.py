"""Folding stays within its budget and never raises, whatever a model holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlalint.graph import Op, Tensor, TensorType
from dlalint.graphview import Value
from dlalint.model.fold import FOLDABLE, MAX_ELEMENTS, OMITTED, fold

FAR = 2**63 - 1
LIMITS = {
    f"{sign}int{bits}": (0 if sign else -(1 << bits - 1), (1 << bits - 1 + bool(sign)) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
FLOATS = ("float16", "bfloat16", "float32", "float64")


def ints(*items: int) -> Value:
    return Value("int64", (len(items),), items)


def one(item: int) -> Value:
    return Value("int64", (), (item,))


def folds(op_type: str, inputs: tuple[Value, ...], attributes: dict[str, int]) -> bool:
    return fold(Op(op_type, "", attributes), inputs, [None] * len(inputs), 13) is not None


# the budget


HALF = Value("int64", (MAX_ELEMENTS // 2,), (1,) * (MAX_ELEMENTS // 2))


@pytest.mark.parametrize(
    ("name", "fits", "exceeds"),
    [
        ("Range", (one(0), one(MAX_ELEMENTS), one(1)), (one(0), one(FAR), one(1))),
        ("ConstantOfShape", (ints(64, 64),), (ints(64, 65),)),
        ("ConstantOfShape", (ints(64, 0, 64),), (ints(2**40, 0),)),
        ("ConstantOfShape", (Value("int64", (64,), (1,) * 64),), (Value("int64", (65,), (1,) * 65),)),
        ("Tile", (HALF, ints(2)), (HALF, ints(FAR))),
        ("Expand", (HALF, ints(2, 1)), (HALF, ints(3, 1))),
        ("Concat", (HALF, HALF), (HALF, HALF, ints(1))),
        ("Add", (HALF, Value("int64", (2, 1), (1, 2))), (HALF, Value("int64", (3, 1), (1, 2, 3)))),
        (
            "Gather",
            (Value("int64", (2, 2), (1, 2, 3, 4)), HALF),
            (Value("int64", (2, 3), (1, 2, 3, 4, 5, 6)), HALF),
        ),
        ("NonZero", (Value("int64", (2, 1024), (1,) * 2048),), (Value("int64", (2, 1, 1024), (1,) * 2048),)),
    ],
)
def test_budget(name: str, fits: tuple[Value, ...], exceeds: tuple[Value, ...]) -> None:
    attributes = {"axis": 0} if name == "Concat" else {}
    assert folds(name, fits, attributes)
    assert not folds(name, exceeds, attributes)


def test_split_into_absurdly_many() -> None:
    assert fold(Op("Split", "", {}), [Value("int64", (0,), ())], [], 18, 10**9) is None


# nothing raises


def items_of(dtype: str) -> st.SearchStrategy[Any]:
    if dtype == "bool":
        return st.booleans()
    if dtype in FLOATS:
        return st.sampled_from([0.0, -0.0, 1.0, 2.5, -3.0, 65504.0, math.inf, -math.inf, math.nan])
    low, high = LIMITS[dtype]
    return st.integers(max(low, -4), 4) | st.sampled_from([low, high])


@st.composite
def known(draw: st.DrawFn) -> Value:
    dtype = draw(st.sampled_from(["int64", "int64", "int64", "int32", "float32", "bool", *LIMITS, *FLOATS]))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    count = math.prod(shape)
    return Value(dtype, shape, tuple(draw(st.lists(items_of(dtype), min_size=count, max_size=count))))


NUMBERS = st.integers(-4, 4) | st.sampled_from([FAR, -FAR - 1, 2**31, 2**70])
NAMES = sorted(
    {"axis", "axes", "keepdims", "noop_with_empty_axes", "start", "end", "starts", "ends", "steps", "split", "num_outputs", "perm", "to"}
    | {"value", "value_int", "value_ints", "value_float", "value_floats", "value_string", "allowzero", "fmod", "min", "max"}
    | {"exclusive", "reverse", "reduction", "training_mode"}
)
ATTRIBUTES: st.SearchStrategy[Any] = st.one_of(
    NUMBERS,
    st.floats(),
    st.none(),
    st.sampled_from([b"add", b"max", b"none", b"\xff", "text", TensorType("attribute-reference", ("a",)), 10**400]),
    st.lists(NUMBERS, max_size=4).map(tuple),
    st.lists(st.floats() | NUMBERS | st.binary(max_size=2) | st.none(), max_size=3).map(tuple),
    st.sampled_from([Tensor("t", "int64", (1,), b"\7" + b"\0" * 7), Tensor("t", "float32", (2,), b"\0" * 8), Tensor("t", "string", (9,))]),
)
TYPES = st.builds(
    TensorType,
    st.sampled_from(["float32", "int8", "sequence", "string", "unknown-77"]),
    st.none() | st.lists(NUMBERS | st.none() | st.just("n"), max_size=3).map(tuple),
)


def well_formed(value: Value) -> bool:
    if len(value.items) != math.prod(value.shape) or len(value.items) > MAX_ELEMENTS or min(value.shape, default=0) < 0:
        return False
    if value.dtype in FLOATS:
        return all(type(item) is float for item in value.items)
    if value.dtype == "bool":
        return all(type(item) is bool for item in value.items)
    low, high = LIMITS[value.dtype]
    return all(type(item) is int and low <= item <= high for item in value.items)


@pytest.mark.parametrize("name", sorted(FOLDABLE))
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.lists(known() | st.sampled_from([None, OMITTED]), max_size=5),
    st.lists(TYPES | st.none(), max_size=3),
    st.dictionaries(st.sampled_from(NAMES), ATTRIBUTES, max_size=3),
    st.integers(7, 28) | st.sampled_from([-1, 0, 6, 2**40]),
    st.integers(0, 4) | st.sampled_from([-1, FAR]),
)
@example([], [], {"axis": FAR}, 13, 1)
def test_never_raises(
    name: str, inputs: list[Value | None], types: list[TensorType | None], attributes: dict[str, Any], opset: int, outputs: int
) -> None:
    values = fold(Op(name, "", attributes), inputs, types, opset, outputs)
    assert values is None or all(map(well_formed, values))

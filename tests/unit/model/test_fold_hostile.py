"""Folding stays within its budget and never raises, whatever a model holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlalint.graph import DTYPE_CODES, Op, Tensor, TensorType
from dlalint.graphview import Value
from dlalint.model.fold import FOLDABLE, MAX_ELEMENTS, OMITTED, fold

FAR = 2**63 - 1
LIMITS = {
    f"{sign}int{bits}": (0 if sign else -(1 << bits - 1), (1 << bits - 1 + bool(sign)) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
FLOATS = ("float16", "bfloat16", "float32", "float64")


def ints(*items: int, dtype: str = "int64") -> Value:
    return Value(dtype, (len(items),), items)


def one(item: float, dtype: str = "int64") -> Value:
    return Value(dtype, (), (item,))


def folds(op_type: str, inputs: tuple[Value, ...], attributes: dict[str, Any], opset: int = 13, outputs: int = 1) -> bool:
    return fold(Op(op_type, "", attributes), inputs, [None] * len(inputs), opset, outputs) is not None


# what no model may hold


COLUMN, ROW = Value("int64", (2, 1), (1, 2)), Value("int64", (1, 2), (1, 2))
FLAGS = Value("bool", (1,), (True,))


@pytest.mark.parametrize(
    ("name", "inputs", "attributes"),
    [
        ("Add", (ints(1, 2), ints(1, 2, 3)), {}),
        ("Add", (ints(1), ints(1, dtype="int32")), {}),
        ("Add", (one(True, "bool"), one(True, "bool")), {}),
        ("Pow", (one(True, "bool"), one(1)), {}),
        ("Pow", (one(1), one(True, "bool")), {}),
        ("Clip", (one(1), ints(0, 0)), {}),
        ("Clip", (one(1), one(0, "int32")), {}),
        ("And", (one(1), one(1)), {}),
        ("Floor", (one(1),), {}),
        ("Where", (one(1), one(1), one(1)), {}),
        ("Concat", (ints(1),), {}),
        ("Concat", (one(1),), {"axis": 0}),
        ("Concat", (ints(1), ints(1, dtype="int32")), {"axis": 0}),
        ("Concat", (COLUMN, ints(1)), {"axis": 0}),
        ("Concat", (COLUMN, ROW), {"axis": 0}),
        ("Concat", (COLUMN, ROW), {"axis": 1}),
        ("Split", (ints(1),), {"split": (1,), "outputs": 0, "opset": 7}),
        ("Split", (ints(),), {"split": (), "outputs": 0, "opset": 7}),
        ("Split", (ints(1, 2),), {"split": (3, -1), "outputs": 2, "opset": 7}),
        ("Split", (ints(1, 2),), {"split": (1, 2), "outputs": 2, "opset": 7}),
        ("Split", (ints(1, 2),), {"split": (2,), "outputs": 2, "opset": 7}),
        ("Slice", (ints(1),), {"starts": (0,), "opset": 9}),
        ("Slice", (ints(1),), {"ends": (1,), "opset": 9}),
        ("Gather", (one(1), one(0)), {}),
        ("Slice", (ints(1), ints(0), ints(1), ints(0), ints(0)), {}),
        ("Slice", (ints(1), ints(0, 0), ints(1, 1), ints(0, -1)), {}),
        ("Squeeze", (Value("int64", (0, 2), ()), ints(1)), {}),
        ("Squeeze", (ints(1), Value("int64", (0,), ())), {}),
        ("Unsqueeze", (ints(1), ints(0, -3)), {}),
        ("Unsqueeze", (ints(1),), {}),
        ("Reshape", (ints(1, 2), ints(-1, -1)), {}),
        ("Reshape", (ints(1, 2), ints(3)), {}),
        ("Reshape", (ints(1, 2), ints(1, 0)), {}),
        ("Reshape", (Value("int64", (0,), ()), ints(0, -1)), {}),
        ("Transpose", (ints(1),), {"perm": (1,)}),
        ("Expand", (ints(1, 2), ints(3)), {}),
        ("Tile", (ints(1, 2), ints(1, 1)), {}),
        ("Tile", (ints(1, 2), ints(-1)), {}),
        ("Range", (one(0), one(3), one(0)), {}),
        ("Range", (one(0.0, "float32"), one(3.0, "float32"), one(0.0, "float32")), {}),
        ("ReduceMean", (Value("float32", (0,), ()),), {}),
        ("Range", (one(0.0, "float32"), one(math.nan, "float32"), one(1.0, "float32")), {}),
        ("Range", (one(0), one(3, "int32"), one(1)), {}),
        ("Range", (one(0), one(3), one(1, "int32")), {}),
        ("Range", (one(False, "bool"), one(True, "bool"), one(True, "bool")), {}),
        ("ReduceSum", (ints(1), ints(1)), {}),
        ("ReduceSum", (ints(1), one(0.0, "float32")), {}),
        ("ReduceSum", (ints(1), Value("int64", (1, 1), (0,))), {}),
        ("ReduceSum", (one(True, "bool"),), {}),
        ("CumSum", (ints(1), one(1)), {}),
        ("ScatterND", (ints(1, 2), Value("int64", (1, 1), (2,)), ints(5)), {}),
        ("ScatterND", (ints(1, 2), Value("int64", (1, 1), (0,)), ints(5, 6)), {}),
        ("ScatterND", (one(1), ints(0), one(1)), {}),
        ("ScatterND", (ints(1, 2), one(0), ints(5)), {}),
        ("ScatterND", (ints(1, 2), Value("int32", (1, 1), (0,)), ints(5)), {}),
        ("ScatterND", (ints(1, 2), Value("int64", (1, 1), (0,)), ints(5, dtype="int32")), {}),
        ("ScatterND", (ints(1, 2), Value("int64", (1, 2), (0, 0)), ints(5)), {}),
        ("ScatterND", (ints(1, 2), Value("int64", (1, 1), (0,)), ints(5)), {"reduction": b"mean", "opset": 18}),
        ("ScatterND", (ints(1, 2), Value("int64", (1, 1), (0,)), ints(5)), {"reduction": 1, "opset": 18}),
        ("ScatterND", (FLAGS, Value("int64", (1, 1), (0,)), FLAGS), {"reduction": b"add", "opset": 18}),
        ("Mod", (ints(1), ints(1)), {"fmod": 2}),
        ("Cast", (one(1),), {"to": DTYPE_CODES["string"]}),
        ("Cast", (one(1),), {"to": 99}),
        ("Cast", (one(1),), {}),
        ("ConstantOfShape", (ints(2),), {"value": Tensor("", "int8", (2,), b"\1\2")}),
        ("ConstantOfShape", (ints(2),), {"value": 1}),
        ("ConstantOfShape", (one(2),), {}),
        ("Constant", (), {"value_string": b"a"}),
        ("Constant", (), {"value": 3}),
        ("Constant", (), {"value_floats": 3.0}),
        ("Constant", (), {"value_floats": (1.0, b"x")}),
        ("Constant", (), {"value_ints": (1, 2.0)}),
        ("Constant", (), {}),
        ("Constant", (), {"value_int": 2**63}),
    ],
)
def test_malformed(name: str, inputs: tuple[Value, ...], attributes: dict[str, Any]) -> None:
    call = {key: attributes[key] for key in ("opset", "outputs") if key in attributes}
    assert not folds(name, inputs, {key: item for key, item in attributes.items() if key not in call}, **call)


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


def test_every_kind_of_operator_is_tried() -> None:
    assert {"Add", "Cast", "Constant", "Dropout", "Gather", "ReduceSum", "Shape", "Split"} <= FOLDABLE


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

"""What folding knows, what it refuses, and where its numbers are exact though the reference evaluator cannot show it."""

from __future__ import annotations

import math
import struct
import sys
from typing import Any

import pytest

from dlalint.graph import DTYPE_CODES, Op, Tensor, TensorType
from dlalint.graphview import Value
from dlalint.model.fold import MAX_ELEMENTS, OMITTED, fold, value_of

FAR = 2**63 - 1


def ints(*items: int, dtype: str = "int64") -> Value:
    return Value(dtype, (len(items),), items)


def one(item: float, dtype: str = "int64") -> Value:
    return Value(dtype, (), (item,))


def run(op_type: str, *inputs: Value | None, opset: int = 13, outputs: int = 1, **attributes: Any) -> tuple[Value, ...] | None:
    return fold(Op(op_type, "", attributes), inputs, [None] * len(inputs), opset, outputs)


def result(op_type: str, *inputs: Value | None, opset: int = 13, **attributes: Any) -> tuple[Any, ...]:
    values = run(op_type, *inputs, opset=opset, **attributes)
    assert values is not None
    (value,) = values
    return value.items


# constants


@pytest.mark.parametrize(
    ("tensor", "items"),
    [
        (Tensor("t", "int64", (2,), struct.pack("<2q", 1, -FAR)), (1, -FAR)),
        (Tensor("t", "float32", (), struct.pack("<f", 0.5)), (0.5,)),
        (Tensor("t", "bfloat16", (1, 1), b"\xc0\x3f"), (1.5,)),
        (Tensor("t", "bool", (3,), b"\0\1\2"), (False, True, True)),
        (Tensor("t", "int32", (2,), b"\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "varint"), (5, -1)),
        (Tensor("t", "uint8", (1,), b"\x81\x02", "varint"), (1,)),
        (Tensor("t", "float16", (1,), b"\x80\x78", "varint"), (1.0,)),
        (Tensor("t", "int64", (0, 3), b""), ()),
    ],
)
def test_value_of(tensor: Tensor, items: tuple[Any, ...]) -> None:
    value = value_of(tensor)
    assert value == Value(tensor.dtype, tensor.dims, items)
    assert [type(item) for item in value.items] == [type(item) for item in items]


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("t", "int64", (2,)),
        Tensor("t", "int64", (2,), b"\0" * 8),
        Tensor("t", "string", (1,), (b"a",), "strings"),
        Tensor("t", "int4", (1,), b"\1", "varint"),
        Tensor("t", "float32", (1,), b"\1", "varint"),
        Tensor("t", "complex64", (1,), b"\0" * 8),
        Tensor("t", "unknown-99", (1,), b"\0" * 8),
        Tensor("t", "int8", (MAX_ELEMENTS + 1,), b"\0" * (MAX_ELEMENTS + 1)),
        Tensor("t", "int8", (-1, -1), b"\0"),
    ],
)
def test_value_of_what_is_no_value(tensor: Tensor) -> None:
    assert value_of(tensor) is None


def test_largest_constant() -> None:
    value = value_of(Tensor("t", "uint8", (MAX_ELEMENTS,), b"\7" * MAX_ELEMENTS))
    assert value == Value("uint8", (MAX_ELEMENTS,), (7,) * MAX_ELEMENTS)


# numbers


def test_integers_wrap() -> None:
    assert result("Add", ints(FAR, dtype="int64"), one(1)) == (-FAR - 1,)
    assert result("Mul", ints(2**31 - 1, dtype="int32"), one(2, "int32")) == (-2,)
    assert result("Neg", one(-128, "int8")) == (-128,)
    assert result("Sub", one(0, "uint8"), one(1, "uint8")) == (255,)
    assert result("ReduceSum", ints(FAR, FAR)) == (-2,)
    assert result("Div", one(-FAR - 1), one(-1)) == (-FAR - 1,)
    for bits in (8, 16, 32, 64):
        most = 2 ** (bits - 1)
        assert result("Add", one(most - 1, f"int{bits}"), one(1, f"int{bits}")) == (-most,)
        assert result("Mul", one(most, f"uint{bits}"), one(2, f"uint{bits}")) == (0,)


def test_integers_divide_toward_zero() -> None:
    assert result("Div", ints(-7, 7, -7, 7), ints(2, -2, -2, 2)) == (-3, -3, 3, 3)
    assert result("Mod", ints(-7, 7, -7), ints(2, -2, -3)) == (1, -1, -1)
    assert result("Mod", ints(-7, 7, -7), ints(2, -2, -3), fmod=1) == (-1, 1, -1)
    assert result("ReduceMean", ints(-3, -4)) == (-3,)
    assert run("Div", ints(1, 2), ints(1, 0)) is None
    assert run("Mod", ints(1), ints(0), fmod=1) is None


def test_integer_powers() -> None:
    assert result("Pow", ints(2, -1, 1, -1, 3), ints(-1, -3, -5, -4, 41)) == (0, -1, 1, 1, 3**41 - 2**64 * 2)
    assert run("Pow", one(0), one(-1)) is None
    assert result("Pow", one(9), one(0.5, "float32")) == (3,)
    assert run("Pow", one(-9), one(0.5, "float32")) is None


def test_floats_round_to_their_type() -> None:
    assert result("Add", one(16777216.0, "float32"), one(1.0, "float32")) == (16777216.0,)
    assert result("Mul", one(60000.0, "float16"), one(2.0, "float16")) == (math.inf,)
    assert result("Div", one(1.0, "float32"), one(3.0, "float32")) == (struct.unpack("f", struct.pack("f", 1 / 3))[0],)
    assert result("Add", one(1.0, "bfloat16"), one(0.00390625, "bfloat16")) == (1.0,)
    assert result("Add", one(1.0, "bfloat16"), one(0.01171875, "bfloat16")) == (1.015625,)
    assert result("Mul", one(3e38, "bfloat16"), one(-10.0, "bfloat16")) == (-math.inf,)


def test_integers_become_floats_in_one_rounding() -> None:
    lowest = 2**60 + 2**36  # half way between two float32; one more must round up, and a double cannot tell it
    assert result("Cast", ints(lowest, lowest + 1, -lowest - 1), to=1) == (2.0**60, 2.0**60 + 2.0**37, -(2.0**60) - 2.0**37)
    assert result("Cast", one(2**63 + 1, "uint64"), to=11) == (2.0**63,)


@pytest.mark.parametrize("item", [math.nan, math.inf, -1.5e30, 128.0, -129.0])
def test_floats_without_an_integer(item: float) -> None:
    assert run("Cast", one(item, "float64"), to=DTYPE_CODES["int8"]) is None


def test_division_of_floats_by_zero() -> None:
    quotients = result("Div", Value("float32", (4,), (1.0, -1.0, 1.0, 0.0)), Value("float32", (4,), (0.0, 0.0, -0.0, 0.0)))
    assert quotients[:3] == (math.inf, -math.inf, -math.inf)
    assert math.isnan(quotients[3])


@pytest.mark.parametrize(
    ("a", "b", "power"), [(-0.0, -3.0, -math.inf), (0.0, -2.0, math.inf), (-10.0, 401.0, -math.inf), (10.0, 400.0, math.inf)]
)
def test_infinite_powers(a: float, b: float, power: float) -> None:
    assert result("Pow", one(a, "float64"), one(b, "float64")) == (power,)


def test_signs_of_zero_survive() -> None:
    for name, item in (("Ceil", -0.5), ("Floor", -0.0), ("Round", -0.4), ("Sqrt", -0.0), ("Identity", -0.0)):
        (zero,) = result(name, one(item, "float32"))
        assert (zero, math.copysign(1.0, zero)) == (0.0, -1.0), name


# what is known and what is not


def test_shape_of_a_partly_dynamic_tensor() -> None:
    kind = TensorType("float32", ("batch", 3, None, 224))

    def shape(**attributes: int) -> tuple[Value, ...] | None:
        return fold(Op("Shape", "", attributes), [None], [kind], 15)

    assert shape(start=3) == (ints(224),)
    assert shape(start=1, end=2) == (ints(3),)
    assert shape(start=2, end=1) == (ints(),)
    assert shape(start=-FAR, end=FAR) is shape(start=0, end=2) is shape() is None
    assert fold(Op("Size", "", {}), [None], [kind], 15) is None
    assert fold(Op("Size", "", {}), [None], [TensorType("string", (1000, 2000))], 15) == (one(2000000),)
    assert fold(Op("Shape", "", {}), [None], [TensorType("float32", (2**40, 0))], 15) == (ints(2**40, 0),)
    assert fold(Op("Shape", "", {}), [None], [TensorType("float32", None)], 15) is None
    assert fold(Op("Shape", "", {}), [None], [TensorType("float32", (-1, 3))], 15) is None
    assert fold(Op("Size", "", {}), [None], [TensorType("float32", (2**40, 2**40))], 15) is None


def test_cast_like_needs_only_a_type() -> None:
    assert fold(Op("CastLike", "", {}), [one(2), None], [None, TensorType("float16", None)], 19) == (one(2.0, "float16"),)
    assert fold(Op("CastLike", "", {}), [one(2), None], [None, None], 19) is None
    assert fold(Op("CastLike", "", {}), [one(2), one(0.0, "float32")], [], 19) == (one(2.0, "float32"),)


def test_unknown_is_not_omitted() -> None:
    high = one(6.0, "float32")
    x = Value("float32", (2,), (-9.0, 9.0))
    assert result("Clip", x, OMITTED, high) == (-9.0, 6.0)
    assert run("Clip", x, None, high) is None
    assert result("ReduceSum", ints(1, 2), OMITTED) == (3,)
    assert run("ReduceSum", ints(1, 2), None) is None
    assert run("Identity", OMITTED) is run("Identity", None) is run("Identity") is None


@pytest.mark.parametrize(
    ("dtype", "limit"),
    [("float16", 65504.0), ("bfloat16", 3.3895313892515355e38), ("float32", 3.4028234663852886e38), ("float64", sys.float_info.max)],
)
def test_clip_without_bounds_stops_infinities(dtype: str, limit: float) -> None:
    assert result("Clip", Value(dtype, (2,), (math.inf, -math.inf))) == (limit, -limit)


def test_slice_backward_from_before_the_front_keeps_the_first_element() -> None:
    """The definition clamps the start to the first element; numpy would give nothing."""
    assert result("Slice", ints(5, 6, 7), ints(-9), ints(-FAR), ints(0), ints(-1)) == (5,)


def test_dropout_in_training_is_random() -> None:
    x, half = Value("float32", (1,), (2.0,)), one(0.5, "float32")
    assert result("Dropout", x, None, one(False, "bool")) == (2.0,)
    assert run("Dropout", x, half, one(True, "bool")) is None
    assert run("Dropout", x, half, None) is None
    assert run("Dropout", x, half, one(True, "bool"), opset=12) is None
    assert run("Dropout", x, opset=7, outputs=2) is None


def test_only_the_standard_domain_from_opset_7() -> None:
    assert fold(Op("Neg", "com.example", {}), [one(1)], [None], 13) is None
    assert run("Neg", one(1), opset=6) is None
    assert result("Constant", opset=1, value=Tensor("", "int64", (1,), b"\3" + b"\0" * 7)) == (3,)
    assert run("Exp", one(1.0, "float32")) is None


def test_each_opset_has_one_form() -> None:
    column = Value("int64", (1, 2), (3, 4))
    assert run("Squeeze", column, opset=13, axes=(0,)) is None
    assert run("Squeeze", column, ints(0), opset=11) is None
    assert run("Clip", one(1.0, "float32"), opset=11, min=0.0) is None
    assert run("Clip", one(1.0, "float32"), one(0.0, "float32"), opset=10) is None
    assert run("Split", ints(1, 2), ints(1, 1), opset=18, outputs=2, num_outputs=2) is None
    assert run("Split", ints(1, 2), opset=13, outputs=2, num_outputs=2) is None
    assert run("ScatterND", ints(1), Value("int64", (1, 1), (0,)), ints(5), opset=13, reduction=b"add") is None
    assert run("Constant", value_int=1, value_float=2.0) is None

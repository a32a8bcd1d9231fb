"""Element-wise operators and reductions fold to what the reference evaluator of onnx computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.graphview import Value

Array = npt.NDArray[Any]
Check = Callable[..., None]
Folded = Callable[..., tuple[Value, ...] | None]

few = settings(max_examples=12, deadline=None, derandomize=True)
some = settings(max_examples=20, deadline=None, derandomize=True)
INTS = ("int32", "int64", "int8", "uint64")
FLOATS = ("float16", "float32", "float64")


def elements(dtype: str) -> st.SearchStrategy[Any]:
    if dtype == "bool":
        return st.booleans()
    if dtype in FLOATS:
        width: Any = int(dtype[5:])
        return st.floats(width=width) | st.sampled_from([0.0, -0.0, 0.5, -1.5, 2.5, 3.0])
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return st.integers(max(low, -5), 5) | st.integers(low, high)


@st.composite
def joint(draw: st.DrawFn, *dtypes: str) -> list[Array]:
    """Arrays of the given types whose shapes broadcast."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=len(dtypes), max_dims=3, min_side=0, max_side=3)).input_shapes
    return [draw(hnp.arrays(dtype, shape, elements=elements(dtype))) for dtype, shape in zip(dtypes, shapes, strict=True)]


def pairs(dtypes: Sequence[str]) -> st.SearchStrategy[list[Array]]:
    return st.sampled_from(dtypes).flatmap(lambda dtype: joint(dtype, dtype))


def single(dtypes: Sequence[str], min_side: int = 0) -> st.SearchStrategy[Array]:
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=min_side, max_side=3)
    return st.sampled_from(dtypes).flatmap(lambda dtype: hnp.arrays(dtype, shapes, elements=elements(dtype)))


def code(dtype: str) -> int:
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


BINARY = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum"), ((*INTS, *FLOATS), (8, 14))),
    "Equal": ((*INTS, *FLOATS, "bool"), (7, 13)),
    **dict.fromkeys(("Greater", "Less"), ((*INTS, *FLOATS), (7, 13))),
    **dict.fromkeys(("GreaterOrEqual", "LessOrEqual"), ((*INTS, *FLOATS), (12, 16))),
    **dict.fromkeys(("And", "Or", "Xor"), (("bool",), (7,))),
    "Mod": (INTS, (10, 13)),
}


@pytest.mark.parametrize("name", BINARY)
@some
@given(st.data())
def test_binary(check: Check, folded: Folded, name: str, data: st.DataObject) -> None:
    dtypes, opsets = BINARY[name]
    a, b = data.draw(pairs(dtypes))
    opset = data.draw(st.sampled_from(opsets))
    if name in ("Div", "Mod") and a.dtype not in FLOATS and not b.all() and np.broadcast(a, b).size:
        assert folded(name, [a, b], opset) is None
    else:
        check(name, [a, b], opset)


UNARY = {
    **dict.fromkeys(("Abs", "Neg"), (("int32", "int64", *FLOATS), (7, 13))),
    "Sign": ((*INTS, *FLOATS), (9, 13)),
    **dict.fromkeys(("Floor", "Ceil", "Sqrt", "Reciprocal"), (FLOATS, (7, 13))),
    "Round": (FLOATS, (11, 22)),
    "IsNaN": (FLOATS, (9, 20)),
    "Not": (("bool",), (7,)),
    "Identity": (("bool", *INTS, *FLOATS), (7, 24)),
    "NonZero": (("bool", *INTS, *FLOATS), (9, 13)),
}


@pytest.mark.parametrize("name", UNARY)
@some
@given(st.data())
def test_unary(check: Check, name: str, data: st.DataObject) -> None:
    dtypes, opsets = UNARY[name]
    check(name, [data.draw(single(dtypes))], data.draw(st.sampled_from(opsets)))


def test_non_zero_of_every_axis(check: Check) -> None:
    check("NonZero", [np.arange(24).reshape(2, 3, 4) % 5 % 3], 13)


@some
@given(pairs(("int64", *FLOATS)))
def test_truncated_mod(check: Check, arrays: list[Array]) -> None:
    a, b = arrays
    if b.dtype == "int64":
        b[b == 0] = 7
    check("Mod", [a, b], 13, fmod=1)


@some
@given(pairs(FLOATS))
def test_floored_mod_of_floats_came_with_opset_28(check: Check, folded: Folded, arrays: list[Array]) -> None:
    check("Mod", arrays, 28)
    assert folded("Mod", arrays, 27) is None


@pytest.mark.parametrize("name", ["Min", "Max", "Sum"])
@few
@given(st.lists(st.just("float32"), min_size=1, max_size=4).flatmap(lambda dtypes: joint(*dtypes)))
def test_variadic(check: Check, name: str, arrays: list[Array]) -> None:
    check(name, arrays, 13)


@pytest.mark.parametrize(
    ("base", "power"), [("int64", "int64"), ("int32", "uint8"), ("float32", "int64"), ("float32", "float32"), ("float64", "float64")]
)
@some
@given(st.data())
def test_pow(check: Check, base: str, power: str, data: st.DataObject) -> None:
    a, b = data.draw(joint(base, power))
    check("Pow", [a, np.abs(b) % 70 if base == "int64" else b], 15, tolerance=1e-6)


CASTABLE = ("bool", "int8", "uint8", "int32", "int64", "uint64", *FLOATS)


@pytest.mark.parametrize("target", CASTABLE)
@some
@given(single(CASTABLE))
def test_cast(check: Check, target: str, x: Array) -> None:
    if x.dtype.kind == "f" and target not in (*FLOATS, "bool"):  # what does not fit has no defined result
        low, high = float(np.iinfo(target).min), float(np.iinfo(target).max) / 2
        wide = x.astype("float64")
        x = np.where((wide >= low) & (wide <= high), x, np.array(0.75, x.dtype))
    check("Cast", [x], 13, to=code(target))
    check("CastLike", [x, np.zeros(2, target)], 15)


@some
@given(st.sampled_from([9, 16]), joint("bool", "float32", "float32"))
def test_where(check: Check, opset: int, arrays: list[Array]) -> None:
    check("Where", arrays, opset)


@pytest.mark.parametrize(("low", "high"), [(None, None), (-1.0, None), (None, 2.0), (-1.0, 2.0), (2.0, -1.0)])
@few
@given(single(("float32",)))
def test_clip(check: Check, low: float | None, high: float | None, x: Array) -> None:
    check("Clip", [x], 7, **{name: limit for name, limit in (("min", low), ("max", high)) if limit is not None})
    x = np.where(np.isinf(x), np.float32(7), x)  # the reference lets infinities pass a bound left out: see test_fold
    bounds = [None if limit is None else np.array(limit, "float32") for limit in (low, high)]
    check("Clip", [x, *bounds[: 2 if high is not None else 1 if low is not None else 0]], 13)


@few
@given(single(INTS), st.integers(0, 9), st.integers(0, 9))
def test_clip_integers(check: Check, x: Array, low: int, high: int) -> None:
    check("Clip", [x, np.array(low, x.dtype), np.array(high, x.dtype)], 12)


REDUCE = {"ReduceSum": 13, "ReduceProd": 18, "ReduceMax": 18, "ReduceMin": 18, "ReduceMean": 18}


@st.composite
def reducible(draw: st.DrawFn) -> tuple[Array, list[int], dict[str, int]]:
    """An array, axes of it, and what to do with the reduced ones."""
    x = draw(single(("int64", "float32"), min_side=1))
    if x.dtype == "float32":  # the order of additions is not defined, so keep them near exact
        x = np.round(np.clip(np.nan_to_num(x), -9, 9), 2)
    axes = draw(st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1)) if x.ndim else []
    keep = draw(st.sampled_from([{}, {"keepdims": 0}, {"keepdims": 1}]))
    return x, [draw(st.sampled_from([axis, axis - x.ndim])) for axis in axes], keep


@pytest.mark.parametrize("name", REDUCE)
@some
@given(reducible())
def test_reduce(check: Check, name: str, case: tuple[Array, list[int], dict[str, int]]) -> None:
    x, axes, keep = case
    if name == "ReduceMean" and x.dtype == "int64":  # the reference divides as doubles
        x = np.clip(x, -(2**40), 2**40)
    since, near = REDUCE[name], {"tolerance": 1e-5, **keep}
    check(name, [x], since - 1, **near, **({"axes": axes} if axes else {}))
    check(name, [x, np.array(axes, "int64")], since, **near)
    check(name, [x], since, **near)
    check(name, [x], since, **near, noop_with_empty_axes=1)


@pytest.mark.parametrize("name", ["ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("dtype", ["int32", "float32"])
@pytest.mark.parametrize("opset", [11, 20])
def test_reduce_nothing(check: Check, name: str, dtype: str, opset: int) -> None:
    check(name, [np.zeros((0, 2), dtype)], opset)


@pytest.mark.parametrize("name", ["ReduceMax", "ReduceMin"])
def test_reduce_booleans(check: Check, name: str) -> None:
    check(name, [np.array([[True, False], [True, True], [False, False]]), np.array([1])], 20)


@pytest.mark.parametrize("flags", [{}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1}])
@few
@given(single(("int32", "int64", "float32"), min_side=1).filter(lambda x: x.ndim > 0), st.data())
def test_cum_sum(check: Check, flags: dict[str, int], x: Array, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    check("CumSum", [x, np.array(axis, "int32")], 14, **flags)

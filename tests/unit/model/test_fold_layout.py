"""Operators that move elements fold to what the reference evaluator of onnx computes, in every form they had."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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

some = settings(max_examples=25, deadline=None, derandomize=True)
FAR = 2**63 - 1


def ramp(*shape: int, dtype: str = "int64") -> Array:
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def ints(*items: int, dtype: str = "int64") -> Array:
    return np.array(items, dtype)


def ramps(min_dims: int = 0, min_side: int = 0) -> st.SearchStrategy[Array]:
    shapes = st.lists(st.integers(min_side, 4), min_size=min_dims, max_size=3)
    return st.builds(lambda shape, dtype: ramp(*shape, dtype=dtype), shapes, st.sampled_from(["int64", "float32", "bool"]))


@some
@given(ramps(), st.sampled_from([7, 13, 19]))
def test_shape_and_size(check: Check, x: Array, opset: int) -> None:
    check("Shape", [x], opset)
    check("Size", [x], opset)


@pytest.mark.parametrize("start", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("end", [None, 1, 3, -1, -2, 9, FAR])
def test_part_of_a_shape(check: Check, start: int, end: int | None) -> None:
    check("Shape", [ramp(2, 3, 4)], 15, start=start, **({} if end is None else {"end": end}))


@pytest.mark.parametrize("opset", [9, 11, 13, 24])
@pytest.mark.parametrize(
    "items", [np.float32(2.5), ints(3, 4), ramp(2, 3, dtype="bool"), np.zeros((0,), "float16"), ints(7, dtype="uint8")]
)
def test_constant_tensor(check: Check, opset: int, items: Array) -> None:
    check("Constant", [], opset, value=onnx.numpy_helper.from_array(np.asarray(items)))


@pytest.mark.parametrize("content", [{"value_int": -3}, {"value_ints": [1, FAR]}, {"value_float": 0.1}, {"value_floats": [0.1, 2.0]}])
def test_constant_numbers(check: Check, content: dict[str, Any]) -> None:
    check("Constant", [], 13, **content)


@pytest.mark.parametrize("shape", [ints(2, 3), ints(0, 4), ints()])
def test_constant_of_shape(check: Check, shape: Array) -> None:
    check("ConstantOfShape", [shape], 9)
    check("ConstantOfShape", [shape], 24, value=onnx.numpy_helper.from_array(ints(7)))
    check("ConstantOfShape", [shape], 24, value=onnx.numpy_helper.from_array(np.array([True])))


@some
@given(ramps(min_dims=1, min_side=1), st.data())
def test_gather(check: Check, x: Array, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    length = x.shape[axis]
    shape = data.draw(st.lists(st.integers(0, 3), max_size=2))
    count = math.prod(shape)
    places = data.draw(st.lists(st.integers(-length, length - 1), min_size=count, max_size=count))
    indices = np.array(places, data.draw(st.sampled_from(["int32", "int64"]))).reshape(shape)
    check("Gather", [x, indices], data.draw(st.sampled_from([7, 11, 13])), axis=axis)


@pytest.mark.parametrize("index", [4, -5, FAR])
def test_gather_outside(folded: Folded, index: int) -> None:
    assert folded("Gather", [ramp(4), np.array(index)], 13) is None


@some
@given(ramps(min_dims=1), st.data())
def test_slice(check: Check, x: Array, data: st.DataObject) -> None:
    axes = data.draw(st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1))
    count = len(axes)
    axes = [data.draw(st.sampled_from([axis, axis - x.ndim])) for axis in axes]
    steps = data.draw(st.lists(st.sampled_from([1, 1, 2, 3, -1, -2, FAR]), min_size=count, max_size=count))
    ends = data.draw(st.lists(st.integers(-6, 6) | st.sampled_from([FAR, -FAR]), min_size=count, max_size=count))
    # a start before the front, going backward, is clamped by the definition and passed over by numpy: see test_fold
    starts = [data.draw(st.integers(-6 if step > 0 else -x.shape[axis], 6)) for step, axis in zip(steps, axes, strict=True)]
    opset = data.draw(st.sampled_from([10, 11, 13]))
    check("Slice", [x, *(ints(*numbers) for numbers in (starts, ends, axes, steps))], opset)
    if min(steps) > 0:
        check("Slice", [x, ints(*starts), ints(*ends), ints(*axes)], opset)
        check("Slice", [x], 9, starts=starts, ends=ends, axes=axes)
        check("Slice", [x], 7, starts=starts, ends=ends)
        check(
            "Slice",
            [x, ints(*starts, dtype="int32"), ints(*ends, dtype="int32")] if FAR not in map(abs, ends) else [x, ints(1), ints(2)],
            opset,
        )


def test_slice_with_steps_but_no_axes(check: Check) -> None:
    check("Slice", [ramp(5, 4), ints(4, 0), ints(0, 4), None, ints(-2, 3)], 13)


@some
@given(ramps(min_dims=1), st.data())
def test_concat(check: Check, x: Array, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    parts = [x]
    for width in data.draw(st.lists(st.integers(0, 3), max_size=3)):
        shape = list(x.shape)
        shape[axis] = width
        parts.append(ramp(*shape, dtype=str(x.dtype)))
    check("Concat", parts, data.draw(st.sampled_from([7, 11, 13])), axis=axis)


@some
@given(ramps(min_dims=1), st.data())
def test_split(check: Check, x: Array, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    dim = x.shape[axis]
    cuts = sorted(data.draw(st.lists(st.integers(0, dim), max_size=3)))
    sizes = [b - a for a, b in zip([0, *cuts], [*cuts, dim], strict=True)]
    check("Split", [x], 7, len(sizes), axis=axis, split=sizes)
    check("Split", [x, ints(*sizes)], 13, len(sizes), axis=axis)
    check("Split", [x, ints(*sizes)], 18, len(sizes), axis=axis)


@pytest.mark.parametrize("opset", [7, 11, 13])
def test_split_evenly(check: Check, folded: Folded, opset: int) -> None:
    check("Split", [ramp(6, 2)], opset, 3)
    check("Split", [ramp(2, 6)], opset, 2, axis=-1)
    assert folded("Split", [ramp(7)], opset, 3) is None


@pytest.mark.parametrize(("dim", "count"), [(6, 3), (7, 3), (5, 3), (4, 4), (1, 1)])
def test_split_into_a_number_of_outputs(check: Check, dim: int, count: int) -> None:
    check("Split", [ramp(dim, 2)], 18, count, num_outputs=count)
    check("Split", [ramp(dim, 2)], 18, count)


@pytest.mark.parametrize("axes", [[0], [2], [-2], [0, 2], [2, -4]])
def test_squeeze(check: Check, axes: list[int]) -> None:
    x = ramp(1, 3, 1, 2)
    for opset in (7, 11):
        check("Squeeze", [x], opset)
        if len(axes) == 1 or min(axes) >= 0:  # the reference removes one axis after the other
            check("Squeeze", [x], opset, axes=axes)
    for opset in (13, 24):
        check("Squeeze", [x, ints(*axes)], opset)
        check("Squeeze", [x], opset)


@pytest.mark.parametrize("axes", [[0], [2], [0, 1], [0, 3], [-1], [0, -1], [-1, 0, 2]])
def test_unsqueeze(check: Check, axes: list[int]) -> None:
    x = ramp(2, 3)
    if min(axes) >= 0:  # the reference inserts one axis after the other
        check("Unsqueeze", [x], 7, axes=axes)
        check("Unsqueeze", [x], 11, axes=axes)
    check("Unsqueeze", [x, ints(*axes)], 13)
    check("Unsqueeze", [np.array(5), ints(0)], 24)


@pytest.mark.parametrize("shape", [[6, 4], [-1], [0, -1], [2, 0, -1], [4, 3, 2, 1], [0, 0, 0], [1, -1, 1], [-1, 2, 4]])
@pytest.mark.parametrize("opset", [7, 13, 14, 24])
def test_reshape(check: Check, shape: list[int], opset: int) -> None:
    check("Reshape", [ramp(2, 3, 4), ints(*shape)], opset)


def test_reshape_allowing_zero(check: Check, folded: Folded) -> None:
    check("Reshape", [ramp(0, 3), ints(3, 0)], 14, allowzero=1)
    check("Reshape", [ramp(2, 3), ints(3, -1)], 14, allowzero=1)
    assert folded("Reshape", [ramp(0, 3), ints(0, -1)], 14, allowzero=1) is None
    assert folded("Reshape", [ramp(2, 3), ints(0, 3)], 14, allowzero=1) is None


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -3])
def test_flatten(check: Check, axis: int) -> None:
    check("Flatten", [ramp(2, 3, 4)], 13, axis=axis)
    check("Flatten", [ramp(2, 3, 4)], 9)


@some
@given(ramps(), st.data())
def test_transpose(check: Check, x: Array, data: st.DataObject) -> None:
    check("Transpose", [x], 13)
    if x.ndim:
        check("Transpose", [x], 7, perm=data.draw(st.permutations(range(x.ndim))))


@pytest.mark.parametrize("dtype", ["int64", "float32", "int32"])
@pytest.mark.parametrize("shape", [[3], [2, 3], [2, 1], [4, 2, 3], [1], [], [0, 2, 3], [1, 1, 1, 1]])
def test_expand(check: Check, dtype: str, shape: list[int]) -> None:
    check("Expand", [ramp(2, 3, dtype=dtype), ints(*shape)], 13)
    check("Expand", [np.array(5, dtype), ints(*shape)], 8)


@some
@given(ramps(min_dims=1), st.data())
def test_tile(check: Check, x: Array, data: st.DataObject) -> None:
    repeats = data.draw(st.lists(st.integers(0, 3), min_size=x.ndim, max_size=x.ndim))
    check("Tile", [x, ints(*repeats)], data.draw(st.sampled_from([7, 13])))


@pytest.mark.parametrize("dtype", ["int32", "int64", "int16", "float32", "float64"])
@pytest.mark.parametrize(("start", "limit", "delta"), [(3, 9, 3), (10, 4, -2), (0, 7, 2), (5, 5, 1), (3, 1, 1), (1, 3, -1), (-3, 4, 1)])
def test_range(check: Check, dtype: str, start: int, limit: int, delta: int) -> None:
    check("Range", [np.array(number, dtype) for number in (start, limit, delta)], 11, tolerance=1e-6)


@some
@given(st.floats(-9, 9, width=32), st.floats(-9, 9, width=32), st.sampled_from([0.25, 0.1, -0.3, 1.5]))
def test_range_of_floats(check: Check, start: float, limit: float, delta: float) -> None:
    check("Range", [np.array(number, "float32") for number in (start, limit, delta)], 11, tolerance=1e-5)


SCATTER = {None: 11, "none": 16, "add": 16, "mul": 16, "max": 18, "min": 18}


@pytest.mark.parametrize("reduction", SCATTER)
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_scatter_nd(check: Check, reduction: str | None, dtype: str) -> None:
    attributes = {} if reduction is None else {"reduction": reduction}
    opset = SCATTER[reduction]
    check("ScatterND", [ramp(8, dtype=dtype), ints(4, -5, 1).reshape(3, 1), ramp(3, dtype=dtype)], opset, **attributes)
    check("ScatterND", [ramp(4, 3, dtype=dtype), ints(0, 2).reshape(2, 1), ramp(2, 3, dtype=dtype)], opset, **attributes)
    check("ScatterND", [ramp(2, 3, dtype=dtype), np.array([[[0, 2], [1, -1]]]), ramp(1, 2, dtype=dtype)], opset, **attributes)


@pytest.mark.parametrize("opset", [7, 10, 12, 22])
def test_dropout(check: Check, opset: int) -> None:
    check("Dropout", [ramp(2, 3, dtype="float32")], opset)
    if opset >= 10:
        check("Dropout", [ramp(2, 3, dtype="float32")], opset, 2)

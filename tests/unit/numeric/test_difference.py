"""How far two tensors are apart: exact numbers, odd elements, and the definition held against a naive one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlalint.numeric import Difference, Tolerance, difference

NAN, INF = math.nan, math.inf


def _floats(*values: float, dtype: str = "float32") -> NDArray[Any]:
    return np.array(values, dtype)


def test_all_numbers_of_one_tensor() -> None:
    found = difference("t", _floats(4.0, -8.0, 0.0, 2.0), _floats(4.0, -7.0, 0.0, 2.5), Tolerance(0.125, 0.0))
    assert found == Difference(
        tensor="t",
        shape=(4,),
        dtype="float32",
        other_shape=(4,),
        other_dtype="float32",
        max_abs=1.0,
        max_rel=0.125,
        scale=8.0,
        cosine=found.cosine,
        mismatches=1,
        nan=0,
        inf=0,
        finite=4,
        zero_signs=0,
        bit_equal=False,
        required_rtol=0.25,
        required_atol=0.03125,  # (0.5 - 0.125 * 2) / 8
        within=False,
    )
    assert found.cosine == pytest.approx(77 / math.sqrt(84 * 71.25))
    assert (found.elements, found.alike) == (4, True)


def test_equal_tensors() -> None:
    found = difference("t", _floats(1.0, -3.0), _floats(1.0, -3.0), Tolerance(0.0, 0.0))
    assert (found.within, found.bit_equal, found.max_abs, found.max_rel, found.cosine) == (True, True, 0.0, 0.0, 1.0)
    assert (found.required_rtol, found.required_atol) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("rtol", "atol", "within"),
    [(0.1, 0.0, True), (0.09, 0.0, False), (0.0, 0.0101, True), (0.0, 0.0099, False), (0.05, 0.0051, True)],
)
def test_tolerance_is_relative_to_the_element_and_to_the_tensor(rtol: float, atol: float, within: bool) -> None:
    """Off by 1 where the element is 10 and the largest one 100."""
    found = difference("t", _floats(10, 100, dtype="float64"), _floats(11, 100, dtype="float64"), Tolerance(rtol, atol))
    assert found.within is within


def test_the_default_tolerance() -> None:
    assert Tolerance() == (1e-4, 1e-5)
    base = np.ones(2, np.float64)
    assert difference("t", base, base * (1 + 1.09e-4)).within
    assert not difference("t", base, base * (1 + 1.11e-4)).within


def test_a_reference_of_zeros_has_the_scale_of_one() -> None:
    zeros = np.zeros(3, np.float32)
    near, far = difference("t", zeros, zeros + 1e-6), difference("t", zeros, zeros + 1e-3)
    assert (near.within, far.within) == (True, False)
    assert (near.scale, near.max_abs, near.cosine) == (0.0, near.max_rel, None)
    assert near.max_rel == pytest.approx(1e-6)
    assert (near.required_rtol, far.required_rtol) == (0.0, INF)
    assert far.required_atol == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("left", "right", "nan", "inf", "mismatches"),
    [
        ((NAN, 1.0), (NAN, 1.0), 0, 0, 0),
        ((NAN, 1.0), (1.0, 1.0), 1, 0, 1),
        ((1.0, 1.0), (NAN, NAN), 2, 0, 2),
        ((INF, 1.0), (INF, 1.0), 0, 0, 0),
        ((INF, 1.0), (-INF, 1.0), 0, 1, 1),
        ((INF, -INF), (1e30, 1.0), 0, 2, 2),
        ((1.0, 2.0), (1.0, INF), 0, 1, 1),
        ((INF, NAN), (NAN, -INF), 2, 0, 2),
    ],
)
def test_what_is_not_finite(left: tuple[float, ...], right: tuple[float, ...], nan: int, inf: int, mismatches: int) -> None:
    found = difference("t", _floats(*left), _floats(*right), Tolerance(10.0, 10.0))
    assert (found.nan, found.inf, found.mismatches) == (nan, inf, mismatches)
    assert (found.within, found.bit_equal) == (mismatches == 0, mismatches == 0)
    assert (found.required_rtol, found.required_atol) == ((INF, INF) if mismatches else (0.0, 0.0))
    assert found.finite == sum(math.isfinite(value) for value in left)
    assert found.max_abs == 0.0


def test_numbers_beside_infinities_count() -> None:
    found = difference("t", _floats(INF, 2.0), _floats(INF, 3.0), Tolerance(0.0, 0.0))
    assert (found.max_abs, found.scale, found.max_rel, found.mismatches) == (1.0, 2.0, 0.5, 1)


def test_the_sign_of_zero_is_counted_and_no_difference() -> None:
    found = difference("t", _floats(0.0, -0.0, 1.0), _floats(-0.0, -0.0, 1.0), Tolerance(0.0, 0.0))
    assert (found.within, found.bit_equal, found.zero_signs, found.mismatches) == (True, True, 1, 0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_one_step_is_not_bit_equal(dtype: str) -> None:
    one = np.ones(1, dtype)
    found = difference("t", one, np.nextafter(one, np.array([2], dtype)))
    assert found.bit_equal is False
    assert found.max_abs == float(np.finfo(dtype).eps)
    assert found.within is (dtype != "float16")


def test_float16_overflows_nowhere() -> None:
    found = difference("t", np.array([65504, -65504], np.float16), np.array([-65504, -65504], np.float16))
    assert (found.max_abs, found.max_rel, found.cosine, found.inf) == (131008.0, 2.0, 0.0, 0)


def test_float64_overflows_nowhere() -> None:
    found = difference("t", np.array([1e308, 1.0]), np.array([-1e308, 1.0]))
    assert (found.max_abs, found.mismatches, found.cosine) == (INF, 1, -1.0)
    assert difference("t", np.full(4, 1e308), np.full(4, 1e308)).cosine == 1.0


def test_tiny_elements() -> None:
    tiny = np.full(3, 1e-310)
    found = difference("t", tiny, tiny * 2)
    assert (found.mismatches, found.cosine) == (3, 1.0)
    assert found.max_rel == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("left", "right", "dtype", "gap"),
    [
        ([1, 2], [1, 3], "int32", 1.0),
        ([0, 255], [255, 255], "uint8", 255.0),
        ([-128], [127], "int8", 255.0),
        ([-(1 << 63)], [(1 << 63) - 1], "int64", float((1 << 64) - 1)),
        ([(1 << 53)], [(1 << 53) + 1], "int64", 1.0),
        ([0], [(1 << 64) - 1], "uint64", float((1 << 64) - 1)),
        ([True, False], [True, True], "bool", 1.0),
    ],
)
def test_integers_have_to_be_equal(left: list[int], right: list[int], dtype: str, gap: float) -> None:
    found = difference("t", np.array(left, dtype), np.array(right, dtype), Tolerance(1.0, 1.0))
    assert (found.max_abs, found.mismatches, found.within, found.bit_equal) == (gap, 1, False, False)
    assert (found.required_rtol, found.required_atol) == (INF, INF)
    same = difference("t", np.array(left, dtype), np.array(left, dtype), Tolerance(0.0, 0.0))
    assert (same.within, same.bit_equal, same.max_abs, same.finite) == (True, True, 0.0, len(left))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (np.ones(3, np.float32), np.ones((3, 1), np.float32)),
        (np.ones(3, np.float32), np.ones(3, np.float64)),
        (np.ones(3, np.int32), np.ones(3, np.int64)),
        (np.ones(1, np.float32), np.float32(1).reshape(())),
    ],
)
def test_another_shape_or_dtype_is_different(left: NDArray[Any], right: NDArray[Any]) -> None:
    found = difference("t", left, right, Tolerance(10.0, 10.0))
    assert (found.alike, found.within, found.bit_equal, found.max_abs, found.max_rel, found.cosine) == (
        False,
        False,
        False,
        None,
        None,
        None,
    )
    assert (found.shape, found.other_shape) == (left.shape, right.shape)
    assert (found.dtype, found.other_dtype) == (str(left.dtype), str(right.dtype))
    assert found.mismatches == left.size


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_empty_tensors_are_equal(dtype: str) -> None:
    found = difference("t", np.empty((0, 4), dtype), np.empty((0, 4), dtype))
    assert (found.within, found.bit_equal, found.elements, found.finite, found.max_abs, found.cosine) == (True, True, 0, 0, 0.0, 1.0)


def test_scalars_and_strides() -> None:
    assert difference("t", np.array(2.0), np.array(3.0)).max_abs == 1.0
    wide = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert difference("t", wide.T, np.ascontiguousarray(wide.T)).bit_equal


def test_many_elements_are_taken_in_parts() -> None:
    left = np.ones((1 << 20) + 3, np.float32)
    right = left.copy()
    right[[0, -1]] = (3.0, -4.0)
    found = difference("t", left, right)
    assert (found.max_abs, found.mismatches, found.finite) == (5.0, 2, left.size)


ODD = st.sampled_from([0.0, -0.0, NAN, INF, -INF, 1.0, -1.0, 65504.0, 1e-8, 3.14159])
PAIRS = st.lists(st.tuples(ODD | st.floats(-1e4, 1e4, width=32), ODD | st.floats(-1e4, 1e4, width=32)), max_size=20)
LIMITS = st.sampled_from([0.0, 1e-5, 1e-2, 0.5, 2.0])


@settings(max_examples=300, derandomize=True, deadline=None)
@given(PAIRS, LIMITS, LIMITS)
def test_it_is_what_the_definition_says(pairs: list[tuple[float, float]], rtol: float, atol: float) -> None:
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    found = difference("t", np.array(left), np.array(right), Tolerance(rtol, atol))
    finite = [abs(value) for value in left if math.isfinite(value)]
    scale = max(finite, default=0.0)
    both = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    odd = [(x, y) for x, y in pairs if not (math.isfinite(x) and math.isfinite(y))]
    unlike = [(x, y) for x, y in odd if not (x == y or (math.isnan(x) and math.isnan(y)))]
    off = [(x, y) for x, y in both if abs(x - y) > atol * (scale or 1.0) + rtol * abs(x)]
    assert found.scale == scale
    assert found.finite == len(finite)
    assert found.max_abs == max((abs(x - y) for x, y in both), default=0.0)
    assert found.mismatches == len(unlike) + len(off)
    assert found.nan + found.inf == len(unlike)
    assert found.nan == sum(math.isnan(x) != math.isnan(y) for x, y in pairs)
    assert found.bit_equal == (not unlike and all(x == y for x, y in both))
    assert found.within == (found.mismatches == 0)
    assert not found.bit_equal or found.within


@settings(max_examples=200, derandomize=True, deadline=None)
@given(PAIRS, LIMITS, LIMITS)
def test_what_is_required_does(pairs: list[tuple[float, float]], rtol: float, atol: float) -> None:
    left, right = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    found = difference("t", left, right, Tolerance(rtol, atol))

    def within(rtol: float, atol: float) -> bool:
        return difference("t", left, right, Tolerance(rtol, atol)).within

    above, below = (1 + 1e-9), (1 - 1e-9)
    needed = found.required_rtol
    if math.isfinite(needed):
        assert within(needed * above, atol)
        assert needed == 0 or not within(needed * below, atol)
    assert found.within == (needed <= rtol * above)
    needed = found.required_atol
    if math.isfinite(needed):
        assert within(rtol, needed * above)
        assert needed == 0 or not within(rtol, needed * below)
    assert found.within == (needed <= atol * above)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(PAIRS)
def test_both_ways_agree_on_equality(pairs: list[tuple[float, float]]) -> None:
    left, right = (np.array([pair[side] for pair in pairs], np.float32) for side in (0, 1))
    one, two = difference("t", left, right), difference("t", right, left)
    assert (one.max_abs, one.bit_equal, one.nan, one.inf, one.zero_signs) == (two.max_abs, two.bit_equal, two.nan, two.inf, two.zero_signs)
    assert one.cosine == two.cosine

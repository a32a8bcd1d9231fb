"""Splits as convolutions that select."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import shape
from .filled import filled

XAVIER = "xavier-trt7.1"


def parted(dims: list[int], sizes: list[int], axis: int, opset: int = 17, dtype: str = "float") -> ModelProto:
    """A model that splits into ``sizes`` and has every part as an output."""
    made = [[size if at == axis % 4 else dim for at, dim in enumerate(dims)] for size in sizes]
    outputs = ", ".join(f"{shape(part, dtype)} y{number}" for number, part in enumerate(made))
    names = ", ".join(f"y{number}" for number in range(len(sizes)))
    weights = f"{shape([dims[1], 1, 1, 1], dtype)} w"
    if opset < 13:
        given, call = "", f"Split<axis={axis}, split={sizes}>(t)"
    else:
        given, call = f", int64[{len(sizes)}] s = {{{', '.join(map(str, sizes))}}}", f"Split<axis={axis}>(t, s)"
    return filled(
        f"g ({shape(dims, dtype)} x) => ({outputs}) <{weights}{given}> {{ t = Conv<group={dims[1]}>(x, w) {names} = {call} }}", opset
    )


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    others=st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4)),
    axis=st.sampled_from([1, 2, 3, -3, -1]),
    opset=st.sampled_from([11, 13, 18]),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_any_split(rewrite: Apply, sizes: list[int], others: tuple[int, int, int], axis: int, opset: int, dtype: str) -> None:
    dims = list(others)
    dims.insert(axis % 4, sum(sizes))
    trial = rewrite(parted(dims, sizes, axis, opset, dtype), "split-to-conv", XAVIER)
    assert set(trial.operators) <= {"Conv", "MaxPool"}
    assert len(trial.operators) == len(sizes) + 1
    assert trial.found.after.verdict == "full"
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}


@pytest.mark.parametrize(("count", "made"), [(2, [3, 3]), (3, [2, 2, 2]), (4, [2, 2, 2, 1])])
def test_equal_parts(rewrite: Apply, count: int, made: list[int]) -> None:
    outputs = ", ".join(f"float[1,{size},4,4] y{number}" for number, size in enumerate(made))
    names = ", ".join(f"y{number}" for number in range(count))
    channels = sum(made)
    model = filled(
        f"g (float[1,{channels},4,4] x) => ({outputs}) <float[{channels},1,1,1] w>"
        f" {{ t = Conv<group={channels}>(x, w) {names} = Split<axis=1, num_outputs={count}>(t) }}",
        18,
    )
    trial = rewrite(model, "split-to-conv", XAVIER)
    assert trial.operators == ["Conv"] * (count + 1)


def test_native_splits_stay(rewrite: Apply) -> None:
    assert rewrite(parted([1, 6, 4, 4], [2, 4], 1), "split-to-conv").operators == ["Conv", "Split"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (parted([2, 4, 4, 4], [1, 1], 0), "it picks from the batch"),
        (
            text("g (float[1,4,4] x) => (float[1,2,4] y, float[1,2,4] z) <int64[2] s = {2, 2}> { y, z = Split<axis=1>(x, s) }"),
            "its input has not four static dimensions",
        ),
        (
            text(
                "g (float[1,4,4,4] x, int64[2] n) => (float[1,a,4,4] y, float[1,b,4,4] z) <int64 o = {0}, int64 two = {2}>"
                " { p = Mul(n, o) s = Add(p, two) y, z = Split<axis=1>(x, s) }"
            ),
            "its indices are computed",
        ),
        (
            text("g (int32[1,4,4,4] x) => (int32[1,2,4,4] y, int32[1,2,4,4] z) { y, z = Split<axis=1>(x) }", 11),
            "its input is int32, and convolutions compute floats",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "split-to-conv", XAVIER)
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes

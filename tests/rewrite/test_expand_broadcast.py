"""Expand and Tile left out, or as convolutions that repeat."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints
from .filled import filled

TARGETS = ["orin-trt10.3", "xavier-trt7.1"]


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 4)] * 3),
    spread=st.sets(st.sampled_from([1, 2, 3]), min_size=1),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(TARGETS),
)
def test_expand(rewrite: Apply, dims: tuple[int, ...], spread: set[int], dtype: str, target: str) -> None:
    before = [1 if axis in spread else size for axis, size in enumerate(dims)]
    trial = rewrite(behind_conv(before, dims, "y = Expand(t, s)", [ints("s", dims)], dtype=dtype), "expand-broadcast", target)
    if before == list(dims):
        assert not trial.found.changes
        return
    spatial = any(before[axis] != dims[axis] for axis in (2, 3))
    assert trial.operators == ["Conv", "ConvTranspose" if spatial else "Conv"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} <= {"DLA521", "DLA101"}
    assert trial.found.after.verdict == "full"


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 3)] * 3),
    repeats=st.tuples(*[st.integers(1, 3)] * 3),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_tile(rewrite: Apply, dims: tuple[int, ...], repeats: tuple[int, ...], dtype: str) -> None:
    made = [dims[0], *(size * times for size, times in zip(dims[1:], repeats, strict=True))]
    trial = rewrite(behind_conv(dims, made, "y = Tile(t, r)", [ints("r", [1, *repeats])], dtype=dtype), "expand-broadcast")
    if set(repeats) == {1}:
        assert not trial.found.changes
        return
    assert "Tile" not in trial.operators
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA522"}
    assert trial.found.after.verdict == "full"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 3)] * 3),
    axis=st.sampled_from([1, 2, 3]),
    behind=st.booleans(),
    times=st.integers(2, 3),
    repeat=st.sampled_from(["Expand", "Tile"]),
    target=st.sampled_from(["orin-trt10.3", "xavier-trt7.1"]),
)
def test_five_dimensions(rewrite: Apply, dims: tuple[int, ...], axis: int, behind: bool, times: int, repeat: str, target: str) -> None:
    place = axis + behind
    middle, more, made = [*dims[:place], 1, *dims[place:]], [*dims[:place], times, *dims[place:]], list(dims)
    made[axis] *= times
    repeats = more if repeat == "Expand" else [times if at == place else 1 for at in range(5)]
    body = f"a = Reshape(t, m) b = {repeat}(a, r) y = Reshape(b, e)"
    given = [ints("m", middle), ints("r", repeats), ints("e", made)]
    trial = rewrite(behind_conv(dims, made, body, given), "expand-broadcast", target)
    if behind or axis == 1 or dims[axis] == 1 or target == "orin-trt10.3":
        assert repeat not in trial.operators
        assert trial.found.after.verdict == "full"


def test_sizes_that_the_model_computes(rewrite: Apply) -> None:
    model = filled(
        "g (float[1,4,3,3] x) => (float[1,8,3,3] y, int64[5] s) <float[4,1,1,1] w, int64[5] m = {1,4,1,3,3}, int64[5] r = {1,1,2,1,1},"
        " int64[4] e = {1,8,3,3}>"
        " { t = Conv<group=4>(x, w) a = Reshape(t, m) b = Tile(a, r) s = Shape(b) y = Reshape(b, e) }"
    )
    trial = rewrite(model, "expand-broadcast")
    assert sorted(trial.operators) == ["Constant", "Conv", "Conv"]


@pytest.mark.parametrize("operator", ["Add", "Mul", "Sub", "Max"])
@pytest.mark.parametrize("repeat", ["Expand(t, s)", "Tile(t, r)"])
def test_arithmetic_broadcasts_by_itself(rewrite: Apply, operator: str, repeat: str) -> None:
    body = f"p = GlobalMaxPool(x) t = Conv<group=4>(p, w) e = {repeat} y = {operator}(e, x)"
    given = ints("s", [2, 4, 3, 5]) if "s)" in repeat else ints("r", [1, 1, 3, 5])
    model = text(f"g (float[2,4,3,5] x) => (float[2,4,3,5] y) <float[4,1,1,1] w = {{1, 2, 3, 4}}, {given}> {{ {body} }}")
    trial = rewrite(model, "expand-broadcast")
    assert trial.operators == ["GlobalMaxPool", "Conv", operator]
    assert trial.found.after.summary.gpu_nodes < trial.found.before.summary.gpu_nodes


def test_both_operands_expanded(rewrite: Apply) -> None:
    body = "a = Expand(t, s) u = Relu(t) b = Expand(u, s) y = Add(a, b)"
    trial = rewrite(behind_conv([1, 4, 1, 1], [1, 4, 3, 3], body, [ints("s", [1, 4, 3, 3])]), "expand-broadcast")
    assert sorted(trial.operators) == ["Add", "Conv", "ConvTranspose", "Relu"]


def test_arithmetic_that_may_not_broadcast_gets_all_elements(rewrite: Apply) -> None:
    body = "u = Conv<group=2>(x, w) e = Tile(z, r) y = Add(e, u)"
    given = f"float[2,1,1,1] w, {ints('r', [1, 1, 3, 3])}"
    model = filled(f"g (float[1,2,3,3] x, float[1,2,1,1] z) => (float[1,2,3,3] y) <{given}> {{ {body} }}", 7)
    assert sorted(rewrite(model, "expand-broadcast").operators) == ["Add", "Conv", "ConvTranspose"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (behind_conv([1, 2, 2, 2], [3, 2, 2, 2], "y = Tile(t, r)", [ints("r", [3, 1, 1, 1])]), "it picks from the batch"),
        (
            behind_conv([1, 2, 2, 2], [1, 1, 2, 2, 2], "y = Expand(t, s)", [ints("s", [1, 1, 2, 2, 2])]),
            "it is not between reshapes of four dimensions",
        ),
        (
            behind_conv(
                [1, 2, 2, 2],
                [1, 4, 4, 1],
                "a = Reshape(t, m) b = Expand(a, r) y = Reshape(b, e)",
                [ints("m", [1, 2, 1, 2, 2]), ints("r", [1, 2, 2, 2, 2]), ints("e", [1, 4, 4, 1])],
            ),
            "it repeats other things than rows, columns or channels",
        ),
        (
            text("g (int32[1,2,1,1] x) => (int32[1,2,3,1] y) <int64[4] s = {1, 2, 3, 1}> { y = Expand(x, s) }"),
            "its input is int32, and convolutions compute floats",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "expand-broadcast")
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

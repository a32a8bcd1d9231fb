"""Where with a constant condition as products and a sum."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, shape

TARGETS = ["orin-trt10.3", "xavier-trt7.1"]


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 4)] * 3),
    kept=st.sets(st.sampled_from([0, 1, 2, 3])),
    dtype=st.sampled_from(["float", "float16"]),
    sides=st.sampled_from(["t, u", "u, t", "t, c", "c, t"]),
    target=st.sampled_from(TARGETS),
    data=st.data(),
)
def test_any_mask(rewrite: Apply, dims: tuple[int, ...], kept: set[int], dtype: str, sides: str, target: str, data: st.DataObject) -> None:
    form = [size if axis in kept else 1 for axis, size in enumerate(dims)]
    count = form[0] * form[1] * form[2] * form[3]
    mask = data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    given = [f"{shape(form, 'bool')} m = {{{', '.join(map(str, mask))}}}"]
    if "c" in sides:
        given.append(f"{dtype} c")
    trial = rewrite(behind_conv(dims, dims, f"u = Relu(t) y = Where(m, {sides})", given, dtype=dtype), "where-mask", target)
    assert [op for op in trial.operators if op != "Relu"] == (["Conv", "Mul", "Add"] if "c" in sides else ["Conv", "Mul", "Mul", "Add"])
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} <= {"DLA101", "DLA103"}
    assert trial.found.after.verdict == "full"


def test_a_fill_that_is_not_finite(rewrite: Apply) -> None:
    given = ["bool[1,1,1,3] m = {1, 0, 1}", "float c = {-inf}"]
    trial = rewrite(behind_conv([1, 2, 2, 3], [1, 2, 2, 3], "y = Where(m, c, t)", given), "where-mask")
    assert trial.operators == ["Conv", "Mul", "Add"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            text("g (float[1,2,2,2] x) => (float[1,2,2,2] y) <float o = {0}> { m = Less(x, o) y = Where(m, x, x) }"),
            "its condition is computed",
        ),
        (
            behind_conv([1, 2, 1, 1], [1, 2, 3, 3], "y = Where(m, t, c)", ["bool[1,1,1,1] m = {1}", "float[1,1,3,3] c"]),
            "an operand is broadcast to more than the condition",
        ),
        (
            text("g (int32[1,2,2,2] x) => (int32[1,2,2,2] y) <bool m = {1}> { y = Where(m, x, x) }"),
            "its output is no float tensor of static shape",
        ),
        (
            text("g (float[n,2,2,2] x) => (float[n,2,2,2] y) <bool m = {1}> { y = Where(m, x, x) }"),
            "its output is no float tensor of static shape",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "where-mask")
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

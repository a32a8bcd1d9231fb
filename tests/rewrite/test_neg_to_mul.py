"""Neg as Mul."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    dtype=st.sampled_from(["float", "float16"]),
    opset=st.sampled_from([7, 13, 17]),
)
def test_any_shape(rewrite: Apply, dims: list[int], dtype: str, opset: int) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    trial = rewrite(text(f"g ({kind} x) => ({kind} y) {{ y = Neg(x) }}", opset), "neg-to-mul")
    assert trial.operators == ["Mul"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA431"}
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("g (int32[1,4,4,4] x) => (int32[1,4,4,4] y) { y = Neg(x) }", "its input is int32, not float"),
        ("g (int64[1,4] x) => (int64[1,4] y) { y = Neg(x) }", "its input is int64, not float"),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    trial = rewrite(text(body), "neg-to-mul", "xavier-trt7.1")
    assert trial.reasons == [f"does not apply: {reason}"]

"""Running sums."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import ORIN, Apply
from .entry import behind_conv
from .filled import filled


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 12)] * 3),
    axis=st.sampled_from([1, 2, 3, -1, -2, -3]),
    exclusive=st.integers(0, 1),
    reverse=st.integers(0, 1),
    opset=st.sampled_from([11, 17]),
)
def test_any_axis(rewrite: Apply, dims: tuple[int, ...], axis: int, exclusive: int, reverse: int, opset: int) -> None:
    body = f"y = CumSum<exclusive={exclusive}, reverse={reverse}>(t, axis)"
    trial = rewrite(behind_conv(dims, dims, body, [f"int64 axis = {{{axis}}}"], opset=opset), "cumsum-to-conv", ORIN)
    assert trial.operators == ["Conv", "Conv"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(float[2,4,5,5] x) => (float[2,4,5,5] y) <int64 a = {0}> { y = CumSum(x, a) }", "it sums over the batch"),
        ("(float[2,4,5] x) => (float[2,4,5] y) <int64 a = {1}> { y = CumSum(x, a) }", "its input has not four static dimensions"),
        ("(int32[2,4,5,5] x) => (int32[2,4,5,5] y) <int64 a = {1}> { y = CumSum(x, a) }", "its input is int32"),
    ],
)
def test_misses(rewrite: Apply, text: str, reason: str) -> None:
    trial = rewrite(filled(f"g {text}"), "cumsum-to-conv")
    assert trial.reasons == [f"does not apply: {reason}"]

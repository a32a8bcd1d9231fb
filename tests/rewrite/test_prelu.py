"""PRelu as Max, Min or two Relus."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    size=st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)),
    slopes=st.sampled_from(
        [("0.1, 0.25, 1.0", ["Mul", "Max"]), ("1.0, 2.0, 3.0", ["Mul", "Min"]), ("-0.5, 0.5, 2.0", ["Relu", "Min", "Mul", "Add"])]
    ),
    shape=st.sampled_from(["3,1,1", "1,3,1,1"]),
    target=st.sampled_from(["xavier-trt7.1", "xavier-trt8.2"]),
)
def test_any_slopes(rewrite: Apply, size: tuple[int, int, int], slopes: tuple[str, list[str]], shape: str, target: str) -> None:
    kind = f"float[{size[0]},3,{size[1]},{size[2]}]"
    body = f"g ({kind} x) => ({kind} y) <float[{shape}] s = {{{slopes[0]}}}> {{ y = PRelu(x, s) }}"
    trial = rewrite(text(body), "prelu", target)
    assert trial.operators == slopes[1]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}
    assert trial.found.after.verdict == "full"


def test_half_precision(rewrite: Apply) -> None:
    body = "g (float16[1,3,5,5] x) => (float16[1,3,5,5] y) <float16[1] s = {13312}> { y = PRelu(x, s) }"
    assert rewrite(text(body), "prelu", "xavier-trt7.1").operators == ["Mul", "Max"]


def test_computed_slope(rewrite: Apply) -> None:
    trial = rewrite(text("g (float[1,3,8,8] x, float[1,3,1,1] s) => (float[1,3,8,8] y) { y = PRelu(x, s) }"), "prelu")
    assert trial.operators == ["Relu", "Min", "Mul", "Add"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA404"}
    assert trial.found.after.summary.gpu_nodes == 0


@pytest.mark.parametrize("target", ["xavier-trt8.4", "orin-trt10.3"])
def test_native(rewrite: Apply, target: str) -> None:
    trial = rewrite(
        text("g (float[1,3,4,4] x) => (float[1,3,4,4] y) <float[3,1,1] s = {0.1, 0.2, 0.3}> { y = PRelu(x, s) }"), "prelu", target
    )
    assert trial.operators == ["PRelu"]


def test_misses(rewrite: Apply) -> None:
    trial = rewrite(text("g (int32[1,3,4,4] x, int32[1] s) => (int32[1,3,4,4] y) { y = PRelu(x, s) }"), "prelu", "xavier-trt7.1")
    assert trial.reasons == ["does not apply: its input is int32, not float"]

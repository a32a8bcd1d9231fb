"""Div by a constant as Mul."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text
from .filled import filled


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3),
    divisor=st.sampled_from(["[1]", "[C,1,1]", "[1,C,1,1]", "[W]"]),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_any_divisor(rewrite: Apply, dims: tuple[int, ...], divisor: str, dtype: str) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    shape = divisor.replace("C", str(dims[1])).replace("W", str(dims[3]))
    body = f"g ({kind} x) => ({kind} y) <{dtype}{shape} d> {{ y = Div(x, d) }}"
    trial = rewrite(filled(body), "div-to-mul", limit=3e-7 if dtype == "float" else 2e-3)
    assert trial.operators == ["Mul"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA411"}
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize("divisor", [2.0, -0.125, 2.0**40])
def test_powers_of_two_are_bit_equal(rewrite: Apply, divisor: float) -> None:
    trial = rewrite(text(f"g (float[1,3,4,4] x) => (float[1,3,4,4] y) <float d = {{{divisor!r}}}> {{ y = Div(x, d) }}"), "div-to-mul")
    assert trial.operators == ["Mul"]
    assert max(trial.errors) == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("(float[1,3,4,4] x, float[1,3,4,4] d) => (float[1,3,4,4] y) { y = Div(x, d) }", "the divisor is computed"),
        ("(float[1,3,4,4] x) => (float[1,3,4,4] y) <float d = {2.0}> { y = Div(d, x) }", "the divisor is computed"),
        (
            "(float[1,3,4,4] x) => (float[1,3,4,4] y) <float d = {0.0}> { y = Div(x, d) }",
            "the reciprocal of the divisor is no normal number",
        ),
        (
            "(float[1,3,4,4] x) => (float[1,3,4,4] y) <float[1] d = {2e38}> { y = Div(x, d) }",
            "the reciprocal of the divisor is no normal number",
        ),
        ("(int32[1,3,4,4] x) => (int32[1,3,4,4] y) <int32 d = {2}> { y = Div(x, d) }", "its input is int32, not float"),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    assert rewrite(text(f"g {body}"), "div-to-mul").reasons == [f"does not apply: {reason}"]

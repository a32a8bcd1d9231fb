"""Squares and cubes as products."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3),
    exponent=st.sampled_from([2, 3]),
    kinds=st.sampled_from([("float", "float", ""), ("float", "int64", "[1]"), ("float16", "int32", ""), ("float", "float", "[1,1]")]),
    target=st.sampled_from(["orin-trt10.3", "xavier-trt5.0", "xavier-trt7.1"]),
)
def test_any_shape(rewrite: Apply, dims: tuple[int, ...], exponent: int, kinds: tuple[str, str, str], target: str) -> None:
    kind = f"{kinds[0]}[{','.join(map(str, dims))}]"
    values = f"{exponent}.0" if kinds[1] == "float" else str(exponent)
    body = f"g ({kind} x) => ({kind} y) <{kinds[1]}{kinds[2]} p = {{{values}}}> {{ y = Pow(x, p) }}"
    trial = rewrite(text(body), "pow-to-mul", target, limit=2e-3)
    assert trial.operators == ["Mul"] * (exponent - 1)
    assert "DLA411" in {finding.code for finding in trial.found.before.findings}
    assert trial.found.after.verdict == "full"
    assert max(trial.errors) <= (0 if exponent == 2 else 3e-7 if kinds[0] == "float" else 2e-3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("(float[1,3,4,4] x, float[1,1] p) => (float[1,3,4,4] y) { y = Pow(x, p) }", "the exponent is computed"),
        ("(float[1,3,4,4] x) => (float[1,3,4,4] y) <float p = {2.5}> { y = Pow(x, p) }", "the exponent is 2.5; products make 2 and 3"),
        (
            "(float[1,3,4,4] x) => (float[1,3,4,4] y) <float[4] p = {2.0, 2.0, 3.0, 3.0}> { y = Pow(x, p) }",
            "the exponent is not one number; products make 2 and 3",
        ),
        ("(float[1,3,4] x) => (float[1,1,3,4] y) <float[1,1,1,1] p = {2.0}> { y = Pow(x, p) }", "the exponent changes the shape"),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    assert rewrite(text(f"g {body}"), "pow-to-mul").reasons == [f"does not apply: {reason}"]

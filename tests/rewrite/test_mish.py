"""Mish through a local response normalization."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text
from .entry import behind_conv

MADE = ["Conv", "Sigmoid", "Conv", "LRN", "Conv", "Mul"]


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3),
    spelling=st.sampled_from(
        [("y = Mish(t)", 18), ("a = Softplus(t) b = Tanh(a) y = Mul(t, b)", 10), ("a = Softplus(t) b = Tanh(a) y = Mul(b, t)", 17)]
    ),
    target=st.sampled_from(["orin-trt10.3", "xavier-trt5.0", "xavier-trt7.1", "xavier-trt8.5"]),
)
def test_any_spelling(rewrite: Apply, dims: tuple[int, ...], spelling: tuple[str, int], target: str) -> None:
    trial = rewrite(behind_conv(dims, dims, spelling[0], opset=spelling[1]), "mish", target, limit=3e-6)
    assert trial.operators == MADE
    errors = {finding.code for finding in trial.found.before.findings if finding.severity == "error"}
    assert errors == ({"DLA002"} if spelling[1] == 18 and target != "orin-trt10.3" else {"DLA401"})
    assert trial.found.after.verdict == "full"


def test_half_precision(rewrite: Apply) -> None:
    assert rewrite(behind_conv((1, 4, 5, 5), (1, 4, 5, 5), "y = Mish(t)", dtype="float16", opset=18), "mish", limit=5e-3).operators == MADE


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("(float[1,4,4,4] x) => (float[1,4,4,4] y) { y = Softplus(x) }", "it is no x * Tanh(Softplus(x)) that nothing else reads"),
        (
            "(float[1,4,4,4] x) => (float[1,4,4,4] y, float[1,4,4,4] a) { a = Softplus(x) b = Tanh(a) y = Mul(x, b) }",
            "it is no x * Tanh(Softplus(x)) that nothing else reads",
        ),
        (
            "(float[1,4,4,4] x) => (float[1,4,4,4] y) { a = Softplus(x) b = Tanh(a) y = Mul(b, b) }",
            "it is no x * Tanh(Softplus(x)) that nothing else reads",
        ),
        ("(float[1,4,4] x) => (float[1,4,4] y) { y = Mish(x) }", "its input has not four static dimensions"),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    assert rewrite(text(f"g {body}", 18), "mish").reasons == [f"does not apply: {reason}"]

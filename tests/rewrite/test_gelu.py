"""GELU in its tanh form, by a sigmoid, and spelled out; the error function by tanh."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text

TANH_FORM = ["Mul", "Mul", "Add", "Mul", "Sigmoid", "Mul"]
ROOT = "float r = {1.4142135}, float q = {0.70710677}, float o = {1.0}, float h = {0.5}, float two = {2.0}"
SPELLINGS = (
    "a = Div(x, r) b = Erf(a) c = Add(b, o) d = Mul(x, c) y = Mul(d, h)",
    "a = Mul(x, q) b = Erf(a) c = Add(o, b) d = Mul(c, x) y = Div(d, two)",
    "a = Mul(q, x) b = Erf(a) c = Add(b, o) e = Mul(x, h) y = Mul(e, c)",
    "a = Div(x, r) b = Erf(a) c = Add(b, o) d = Mul(c, h) y = Mul(x, d)",
    "y = Gelu(x)",
)


def model(spelling: str, dims: tuple[int, ...] = (1, 3, 4, 4)) -> str:
    kind = f"float[{','.join(map(str, dims))}]"
    return f"g ({kind} x) => ({kind} y) <{ROOT}> {{ {spelling} }}"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3),
    spelling=st.sampled_from(SPELLINGS),
    target=st.sampled_from(["orin-trt10.3", "xavier-trt7.1"]),
)
def test_any_spelling(rewrite: Apply, dims: tuple[int, ...], spelling: str, target: str) -> None:
    for name, operators in (("gelu", TANH_FORM), ("gelu-sigmoid", ["Mul", "Sigmoid", "Mul"])):
        trial = rewrite(text(model(spelling, dims), 20), name, target, limit=1)
        assert trial.operators == operators
        assert trial.found.changes[0].exactness == "approximate"
        assert {"DLA002", "DLA101", "DLA401", "DLA431"} & {finding.code for finding in trial.found.before.findings}
        assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(("name", "limit"), [("gelu", 4e-4), ("gelu-sigmoid", 2e-2)])
def test_error(rewrite: Apply, name: str, limit: float) -> None:
    """On normal data of both signs; relative to the largest output, which is about 3."""
    trial = rewrite(text(model(SPELLINGS[-1], (1, 8, 16, 16)), 20), name, limit=1)
    assert 0 < trial.errors[0] < limit


@pytest.mark.parametrize("dtype", ["float", "float16"])
def test_operator_with_tanh(rewrite: Apply, dtype: str) -> None:
    kind = f"{dtype}[1,3,5,5]"
    trial = rewrite(text(f'g ({kind} x) => ({kind} y) {{ y = Gelu<approximate = "tanh">(x) }}', 20), "gelu-tanh", limit=2e-3)
    assert trial.operators == TANH_FORM
    assert dtype == "float16" or max(trial.errors) < 2e-6
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA401"}
    assert trial.found.after.verdict == "full"


@settings(max_examples=10, derandomize=True, deadline=None, database=None)
@given(dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3), target=st.sampled_from(["orin-trt10.3", "xavier-trt7.1"]))
def test_error_function(rewrite: Apply, dims: tuple[int, ...], target: str) -> None:
    trial = rewrite(text(model("y = Erf(x)", dims)), "erf-to-tanh", target, limit=2e-2)
    assert trial.operators == ["Mul", "Mul", "Add", "Mul", "Tanh"]
    assert trial.found.changes[0].exactness == "approximate"
    assert trial.found.after.verdict == "full"


NO_GELU = "it is no GELU of the error function that nothing else reads"


@pytest.mark.parametrize(
    "spelling",
    [
        "y = Erf(x)",
        "a = Mul(x, h) b = Erf(a) c = Add(b, o) d = Mul(x, c) y = Mul(d, h)",
        "a = Div(x, r) b = Erf(a) c = Add(b, two) d = Mul(x, c) y = Mul(d, h)",
        "a = Div(x, r) b = Erf(a) c = Add(b, o) d = Mul(x, c) y = Mul(d, two)",
        "a = Div(x, r) b = Erf(a) c = Add(b, o) d = Mul(c, a) y = Mul(d, h)",
        "a = Div(x, r) b = Erf(a) c = Add(b, o) y = Mul(x, c)",
        "a = Div(x, r) b = Erf(a) c = Add(b, o) d = Mul(x, c) e = Mul(d, h) y = Add(e, d)",
        'y = Gelu<approximate = "tanh">(x)',
    ],
)
@pytest.mark.parametrize("name", ["gelu", "gelu-sigmoid"])
def test_misses(rewrite: Apply, name: str, spelling: str) -> None:
    trial = rewrite(text(model(spelling), 20), name)
    assert trial.reasons == [f"does not apply: {NO_GELU}"]
    assert not trial.found.changes


def test_constants_that_change_the_shape(rewrite: Apply) -> None:
    body = f"g (float[4,4] x) => (float[1,4,4] y) <{ROOT}, float[1,1,1] k = {{0.5}}> {{ {SPELLINGS[0].replace('Mul(d, h)', 'Mul(d, k)')} }}"
    assert rewrite(text(body), "gelu").reasons == [f"does not apply: {NO_GELU}"]


def test_exact_operator_is_not_spelled_out(rewrite: Apply) -> None:
    assert rewrite(text(model("y = Gelu(x)"), 20), "gelu-tanh").reasons == ["does not apply: it is the GELU of the error function"]

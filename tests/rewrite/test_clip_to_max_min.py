"""Clip as Max and Min."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text

BOUNDS = st.sampled_from([(-1.0, 1.0), (None, 3.0), (-0.5, None), (0.0, 0.5), (0.0, 200.0), (2.0, -2.0), (0.0, None)])


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3), bounds=BOUNDS, opset=st.sampled_from([10, 11, 17]))
def test_any_bounds(rewrite: Apply, dims: tuple[int, ...], bounds: tuple[float | None, float | None], opset: int) -> None:
    low, high = bounds
    kind = f"float[{','.join(map(str, dims))}]"
    given_bounds = {"min": low, "max": high}
    if opset < 11:
        attributes = ", ".join(f"{name} = {value!r}" for name, value in given_bounds.items() if value is not None)
        node, constants = f"Clip<{attributes}>(x)", ""
    else:
        constants = "<" + ", ".join(f"float {name} = {{{value!r}}}" for name, value in given_bounds.items() if value is not None) + ">"
        inputs = ", ".join(name if value is not None else "" for name, value in given_bounds.items())
        node = f"Clip(x, {inputs.rstrip(', ')})"
    trial = rewrite(text(f"g ({kind} x) => ({kind} y) {constants} {{ y = {node} }}", opset), "clip-to-max-min")
    if opset >= 11 and low is None:
        assert trial.reasons == []  # the importer itself makes a maximum and a minimum of it
        return
    assert trial.operators == ["Relu" if low == 0 else "Max"] * (low is not None) + ["Min"] * (high is not None)
    assert "DLA402" in {finding.code for finding in trial.found.before.findings} or low == 0
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(("target", "code"), [("xavier-trt6.0", "DLA401"), ("xavier-trt7.0", "DLA401")])
def test_before_the_clipped_activation(rewrite: Apply, target: str, code: str) -> None:
    trial = rewrite(
        text("g (float16[1,8,4,4] x) => (float16[1,8,4,4] y) { y = Clip<min = 0.0, max = 6.0>(x) }", 10), "clip-to-max-min", target
    )
    assert trial.operators == ["Relu", "Min"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {code}
    assert trial.found.after.summary.gpu_nodes == 0


@pytest.mark.parametrize(
    ("body", "opset", "reason"),
    [
        ("(float[1,3,4,4] x) => (float[1,3,4,4] y) { y = Clip(x) }", 10, "it has no bounds"),
        ("(float[1,3,4,4] x) => (float[1,3,4,4] y) { l = ReduceMin<keepdims = 0>(x) y = Clip(x, l) }", 11, "a bound is computed"),
        ("(float[1,3,4,4] x) => (float[1,3,4,4] y) { y = Clip<max = 1.0>(x) }", 7, "Max and Min of this operator set do not broadcast"),
    ],
)
def test_misses(rewrite: Apply, body: str, opset: int, reason: str) -> None:
    assert rewrite(text(f"g {body}", opset), "clip-to-max-min", "xavier-trt6.0").reasons == [f"does not apply: {reason}"]

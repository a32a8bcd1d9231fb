"""A softmax over two channels as a sigmoid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text
from .entry import behind_conv


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(
    size=st.tuples(*[st.integers(1, 9)] * 3),
    axis=st.sampled_from([1, -3]),
    opset=st.sampled_from([11, 13, 17]),
    target=st.sampled_from(["xavier-trt5.0", "xavier-trt7.1", "xavier-trt8.5"]),
)
def test_any_shape(rewrite: Apply, size: tuple[int, int, int], axis: int, opset: int, target: str) -> None:
    dims = (size[0], 2, *(size[1:] if opset >= 13 else (1, 1)))
    trial = rewrite(behind_conv(dims, dims, f"y = Softmax<axis = {axis}>(t)", opset=opset), "softmax-to-sigmoid", target, limit=1e-6)
    assert trial.operators == ["Conv", "Conv", "Sigmoid"]
    assert "DLA101" in {finding.code for finding in trial.found.before.findings}
    assert trial.found.after.verdict == "full"


def test_where_only_vectors_are_taken(rewrite: Apply) -> None:
    trial = rewrite(behind_conv((1, 2, 4, 4), (1, 2, 4, 4), "y = Softmax<axis = 1>(t)"), "softmax-to-sigmoid", "orin-trt8.4")
    assert trial.operators == ["Conv", "Conv", "Sigmoid"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA535"}


def test_native(rewrite: Apply) -> None:
    trial = rewrite(behind_conv((1, 2, 4, 4), (1, 2, 4, 4), "y = Softmax<axis = 1>(t)"), "softmax-to-sigmoid", "orin-trt10.3")
    assert trial.operators == ["Conv", "Softmax"]


@pytest.mark.parametrize(
    ("shape", "axis", "opset", "reason"),
    [
        ("1,3,4,4", 1, 17, "it does not run over two channels alone"),
        ("1,4,2,4", 2, 17, "it does not run over two channels alone"),
        ("1,2,4,4", 1, 11, "it does not run over two channels alone"),
        ("1,2", 1, 17, "its input has not four static dimensions"),
    ],
)
def test_misses(rewrite: Apply, shape: str, axis: int, opset: int, reason: str) -> None:
    body = f"g (float[{shape}] x) => (float[{shape}] y) {{ y = Softmax<axis = {axis}>(x) }}"
    assert rewrite(text(body, opset), "softmax-to-sigmoid", "xavier-trt7.1").reasons == [f"does not apply: {reason}"]

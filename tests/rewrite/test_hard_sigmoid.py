"""HardSigmoid as a clipped line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 9)] * 3),
    line=st.sampled_from([(None, None), (0.16666667, 0.5), (1.0, 0.0), (0.25, -0.5)]),
    dtype=st.sampled_from(["float", "float16"]),
    opset=st.sampled_from([10, 11, 17]),
)
def test_any_line(rewrite: Apply, dims: tuple[int, ...], line: tuple[float | None, float | None], dtype: str, opset: int) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    given_line = ", ".join(f"{name} = {value!r}" for name, value in zip(("alpha", "beta"), line, strict=True) if value is not None)
    node = f"HardSigmoid<{given_line}>" if given_line else "HardSigmoid"
    body = f"g ({kind} x) => ({kind} y) {{ y = {node}(x) }}"
    trial = rewrite(text(body, opset), "hard-sigmoid", limit=1e-6 if dtype == "float" else 2e-3)
    alpha, beta = line
    assert trial.operators == ["Mul"] * (alpha != 1) + ["Add"] * (beta != 0) + ["Clip"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA401"}
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize("target", ["xavier-trt7.1", "xavier-trt8.5"])
def test_other_targets(rewrite: Apply, target: str) -> None:
    trial = rewrite(text("g (float[1,8,4,4] x) => (float[1,8,4,4] y) { y = HardSigmoid(x) }", 10), "hard-sigmoid", target)
    assert trial.found.after.summary.gpu_nodes == 0

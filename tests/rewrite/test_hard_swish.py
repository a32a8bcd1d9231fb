"""HardSwish as Add, Clip, Mul."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.just(1), *[st.integers(1, 9)] * 3), dtype=st.sampled_from(["float", "float16"]), opset=st.sampled_from([14, 17, 21])
)
def test_any_shape(rewrite: Apply, dims: tuple[int, ...], dtype: str, opset: int) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    trial = rewrite(
        text(f"g ({kind} x) => ({kind} y) {{ y = HardSwish(x) }}", opset), "hard-swish", limit=1e-6 if dtype == "float" else 2e-3
    )
    assert trial.operators == ["Add", "Clip", "Mul", "Mul"]
    assert trial.found.after.verdict == "full"
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA401"}


@pytest.mark.parametrize("target", ["xavier-trt8.5", "orin-trt8.6"])
def test_other_targets(rewrite: Apply, target: str) -> None:
    trial = rewrite(text("g (float[1,8,4,4] x) => (float[1,8,4,4] y) { y = HardSwish(x) }"), "hard-swish", target)
    assert trial.found.after.summary.gpu_nodes == 0

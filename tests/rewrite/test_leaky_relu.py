"""LeakyRelu as Max or Min."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 9)] * 3),
    alpha=st.sampled_from([None, 0.1, 0.0, 0.99, 1.5, -0.25]),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(["xavier-trt6.0", "xavier-trt7.1", "xavier-trt8.0"]),
)
def test_any_slope(rewrite: Apply, dims: tuple[int, ...], alpha: float | None, dtype: str, target: str) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    given_slope = "" if alpha is None else f"<alpha = {alpha!r}>"
    trial = rewrite(text(f"g ({kind} x) => ({kind} y) {{ y = LeakyRelu{given_slope}(x) }}", 10), "leaky-relu", target, limit=1e-3)
    assert trial.operators == ["Mul", "Min" if alpha == 1.5 else "Max"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA401"}
    assert trial.found.after.verdict == "full"
    assert dtype == "float16" or max(trial.errors) == 0


@pytest.mark.parametrize("target", ["xavier-trt8.2", "orin-trt10.3"])
def test_native(rewrite: Apply, target: str) -> None:
    trial = rewrite(text("g (float[1,8,4,4] x) => (float[1,8,4,4] y) { y = LeakyRelu(x) }"), "leaky-relu", target)
    assert trial.operators == ["LeakyRelu"]
    assert trial.reasons == []

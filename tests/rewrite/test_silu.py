"""Swish as Sigmoid and Mul."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 9)] * 3),
    alpha=st.sampled_from([None, 1.0, 1.5, -0.5]),
    target=st.sampled_from(["orin-trt10.3", "xavier-trt7.1"]),
)
def test_any_slope(rewrite: Apply, dims: tuple[int, ...], alpha: float | None, target: str) -> None:
    kind = f"float[{','.join(map(str, dims))}]"
    slope = "" if alpha is None else f"<alpha = {alpha!r}>"
    trial = rewrite(text(f"g ({kind} x) => ({kind} y) {{ y = Swish{slope}(x) }}", 24), "silu", target, limit=1e-6)
    assert trial.operators == (["Sigmoid", "Mul"] if alpha in (None, 1.0) else ["Mul", "Sigmoid", "Mul"])
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA002"}
    assert trial.found.after.verdict == "full"

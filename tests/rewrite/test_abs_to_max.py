"""Abs as Max."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 9)] * 3),
    dtype=st.sampled_from(["float", "float16"]),
    opset=st.sampled_from([9, 13, 17]),
    target=st.sampled_from(["xavier-trt6.0", "xavier-trt7.1", "xavier-trt8.2"]),
)
def test_any_shape(rewrite: Apply, dims: tuple[int, ...], dtype: str, opset: int, target: str) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    trial = rewrite(text(f"g ({kind} x) => ({kind} y) {{ y = Abs(x) }}", opset), "abs-to-max", target)
    assert trial.operators == ["Mul", "Max"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}
    assert trial.found.after.verdict == "full"


def test_misses(rewrite: Apply) -> None:
    trial = rewrite(text("g (int32[1,3,4,4] x) => (int32[1,3,4,4] y) { y = Abs(x) }"), "abs-to-max", "xavier-trt7.1")
    assert trial.reasons == ["does not apply: its input is int32, not float"]

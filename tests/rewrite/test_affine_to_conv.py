"""Products and sums with constants as depthwise convolutions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply
from .filled import filled

TARGET = "xavier-trt5.0"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 6)] * 3),
    op=st.sampled_from(["Mul", "Add"]),
    constant=st.sampled_from(["", "1", "C,1,1", "1,C,1,1"]),
    dtype=st.sampled_from(["float", "float16"]),
    first=st.booleans(),
)
def test_any_shape(rewrite: Apply, dims: tuple[int, ...], op: str, constant: str, dtype: str, first: bool) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    operands = "k, t" if first else "t, k"
    shape = f"[{constant.replace('C', str(dims[1]))}]" if constant else ""
    value = "" if constant else {"float": " = {1.5}", "float16": " = {15872}"}[dtype]
    body = f"""g ({kind} x) => ({kind} y) <{dtype}{shape} k{value}, {dtype}[{dims[1]},{dims[1]},1,1] w>
        {{ c = Conv(x, w) t = Relu(c) y = {op}({operands}) }}"""
    trial = rewrite(filled(body), "affine-to-conv", TARGET, limit=1e-6 if dtype == "float" else 2e-3)
    assert trial.operators == ["Conv", "Relu", "Conv"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA412"}
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("kind", "constant", "reason"),
    [
        ("float[1,4,8]", "4,1", "its input has not four static dimensions"),
        ("float[1,4,4,4]", "4,4", "the constant is not one number, nor one for each channel"),
        ("float[1,1,4,4]", "4,1,1", "the constant changes the shape"),
        ("float[8]", "1", "its type is not a known one of floats and at least two dimensions"),
    ],
)
def test_misses(rewrite: Apply, kind: str, constant: str, reason: str) -> None:
    made = kind.replace("1,1,4,4", "1,4,4,4")
    trial = rewrite(filled(f"g ({kind} x) => ({made} y) <float[{constant}] k> {{ t = Relu(x) y = Add(t, k) }}"), "affine-to-conv", TARGET)
    assert trial.reasons == [f"does not apply: {reason}"]

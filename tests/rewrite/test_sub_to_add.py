"""Sub as Add."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text
from .filled import filled

TARGET = "xavier-trt7.1"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3),
    right=st.sampled_from(["same", "broadcast", "self", "constant"]),
    swapped=st.booleans(),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_any_operands(rewrite: Apply, dims: tuple[int, ...], right: str, swapped: bool, dtype: str) -> None:
    kind = f"{dtype}[{','.join(map(str, dims))}]"
    other = {"broadcast": f", {dtype}[{dims[1]},1,1] z", "same": f", {kind} z"}.get(right, "")
    constant = f"<{dtype}[{dims[1]},1,1] z>" if right == "constant" else ""
    operands = ["x", "x" if right == "self" else "z"]
    left, last = reversed(operands) if swapped else operands
    trial = rewrite(filled(f"g ({kind} x{other}) => ({kind} y) {constant} {{ y = Sub({left}, {last}) }}"), "sub-to-add", TARGET)
    assert trial.operators == (["Add"] if right == "constant" and not swapped else ["Mul", "Add"])
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA411"}
    assert trial.found.after.summary.gpu_nodes == 0


def test_native(rewrite: Apply) -> None:
    """From TensorRT 8.2 on the DLA subtracts, and nothing is tried."""
    trial = rewrite(text("g (float[1,3,4,4] x, float[1,3,4,4] z) => (float[1,3,4,4] y) { y = Sub(x, z) }"), "sub-to-add", "xavier-trt8.2")
    assert trial.operators == ["Sub"]
    assert trial.reasons == []


def test_misses(rewrite: Apply) -> None:
    trial = rewrite(text("g (int32[1,3,4,4] x, int32[1,3,4,4] z) => (int32[1,3,4,4] y) { y = Sub(x, z) }"), "sub-to-add", TARGET)
    assert trial.reasons == ["does not apply: its input is int32, not float"]

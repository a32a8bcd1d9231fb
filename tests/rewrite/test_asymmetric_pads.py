"""Averages with uneven padding as convolutions."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.pipeline import Session
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

from .conftest import Apply, named
from .filled import filled


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4).filter(lambda pads: pads[:2] != pads[2:]),
    kernel=st.integers(3, 4),
    stride=st.integers(1, 2),
    included=st.booleans(),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_any_padding(rewrite: Apply, pads: list[int], kernel: int, stride: int, included: bool, dtype: str) -> None:
    """TensorRT 6 takes the factors of the border as a scale."""
    made = [(9 + pads[axis] + pads[axis + 2] - kernel) // stride + 1 for axis in (0, 1)]
    attributes = f"kernel_shape=[{kernel},{kernel}], strides=[{stride},{stride}], pads=[{','.join(map(str, pads))}]"
    body = f"""g ({dtype}[1,3,9,9] x) => ({dtype}[1,3,{made[0]},{made[1]}] y) <{dtype}[3,3,1,1] w>
        {{ t = Conv(x, w) y = AveragePool<{attributes}, count_include_pad={int(included)}>(t) }}"""
    trial = rewrite(filled(body), "asymmetric-pads", "xavier-trt6.0", limit=1e-6 if dtype == "float" else 4e-3)
    assert trial.operators in (["Conv", "Conv"], ["Conv", "Conv", "Mul"])
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}
    assert trial.found.after.verdict == "full"


def test_a_dilated_window(rewrite: Apply) -> None:
    body = "g (float[1,3,9,9] x) => (float[1,3,6,6] y) { y = AveragePool<kernel_shape=[3,3], dilations=[2,2], pads=[0,0,1,1]>(x) }"
    trial = rewrite(filled(body, 19), "asymmetric-pads", "xavier-trt6.0")
    assert trial.reasons == ["does not apply: its window is dilated"]


def test_even_padding_has_no_finding_and_is_no_match(session: Session) -> None:
    model = filled("g (float[1,3,9,9] x) => (float[1,3,9,9] y) { y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x) }")
    graph = Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))
    assert named("asymmetric-pads").plan(graph, 0) == "its padding is the same on both sides"

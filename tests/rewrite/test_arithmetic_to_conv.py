"""Activations and arithmetic through depthwise convolutions, for the releases that take no constant operand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply, text
from .entry import behind_conv

TARGET = "xavier-trt5.0"
NODES = {
    "LeakyRelu<alpha = 0.1>(t)": ["Conv", "Max"],
    "LeakyRelu<alpha = 2.0>(t)": ["Conv", "Min"],
    "Clip<min = 0.0, max = 6.0>(t)": ["Conv", "Relu", "Conv"],
    "Clip<min = -1.0, max = 1.0>(t)": ["Conv", "Relu", "Conv", "Add"],
    "Clip<max = 1.0>(t)": ["Conv", "Relu", "Conv", "Add"],
    "Clip<min = -1.0>(t)": ["Conv", "Relu", "Conv", "Add"],
    "Clip<min = 0.0>(t)": ["Relu"],
    "HardSigmoid(t)": ["Conv", "Conv", "Relu", "Conv"],
    "Abs(t)": ["Conv", "Max"],
    "Sub(t, x)": ["Conv", "Add"],
    "Mean(t, x, t)": ["Add", "Add", "Conv"],
}


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(dims=st.tuples(st.integers(1, 2), *[st.integers(1, 7)] * 3), node=st.sampled_from(list(NODES)))
def test_any_shape(rewrite: Apply, dims: tuple[int, ...], node: str) -> None:
    trial = rewrite(behind_conv(dims, dims, f"y = {node}", opset=10), "arithmetic-to-conv", TARGET, limit=1e-5)
    assert trial.operators == ["Conv", *NODES[node]]
    assert trial.found.before.summary.gpu_nodes == 1
    assert trial.found.after.summary.gpu_nodes == 0


@pytest.mark.parametrize("target", ["xavier-trt6.0", "xavier-trt7.0"])
def test_hard_swish(rewrite: Apply, target: str) -> None:
    model = behind_conv((1, 4, 5, 5), (1, 4, 5, 5), "y = HardSwish(t)", opset=14)
    trial = rewrite(model, "arithmetic-to-conv", target, limit=1e-6)
    assert trial.operators == ["Conv", "Conv", "Conv", "Relu", "Conv", "Conv", "Mul"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA002"}
    assert trial.found.after.summary.gpu_nodes == 0


@pytest.mark.parametrize(
    ("slopes", "operators"),
    [("0.1, 0.2, 1.0", ["Conv", "Max"]), ("1.0, 2.0, 1.5", ["Conv", "Min"]), ("0.5, 2.0, -1.0", ["Relu", "Conv", "Relu", "Conv", "Add"])],
)
@pytest.mark.parametrize(("opset", "shape"), [(7, "1,3,1,1"), (9, "3,1,1")])
def test_prelu(rewrite: Apply, slopes: str, operators: list[str], opset: int, shape: str) -> None:
    model = behind_conv((1, 3, 5, 5), (1, 3, 5, 5), "y = PRelu(t, s)", [f"float[{shape}] s = {{{slopes}}}"], opset=opset)
    assert rewrite(model, "arithmetic-to-conv", TARGET).operators == ["Conv", *operators]


def test_half_precision(rewrite: Apply) -> None:
    model = behind_conv((1, 4, 5, 5), (1, 4, 5, 5), "y = Clip<min = 0.0, max = 6.0>(t)", dtype="float16", opset=10)
    assert rewrite(model, "arithmetic-to-conv", TARGET, limit=2e-3).operators == ["Conv", "Conv", "Relu", "Conv"]


@pytest.mark.parametrize(
    ("body", "opset", "reason"),
    [
        ("(float[1,8,4] x) => (float[1,8,4] y) { y = LeakyRelu(x) }", 10, "its input has not four static dimensions"),
        (
            "(float[1,2,4,4] x) => (float[1,2,4,4] y) <float a = {2.0}, float b = {1.0}> { y = Clip(x, a, b) }",
            11,
            "its lower bound is above the upper one",
        ),
        ("(float[1,2,4,4] x, float[2,1,1] z) => (float[1,2,4,4] y) { y = Sub(x, z) }", 10, "an operand is constant or broadcast"),
        ("(float[1,2,4,4] x, float[2,1,1] z) => (float[1,2,4,4] y) { y = Mean(x, z) }", 10, "an input is constant or broadcast"),
        ("(float[1,2,2,2] x, float[2,1,1] s) => (float[1,2,2,2] y) { y = PRelu(x, s) }", 10, "the slope is computed"),
        (
            "(float[1,2,1,2] x) => (float[1,2,1,2] y) <float[2] s = {0.1, 0.2}> { y = PRelu(x, s) }",
            10,
            "the slope is not one number a channel",
        ),
    ],
)
def test_misses(rewrite: Apply, body: str, opset: int, reason: str) -> None:
    assert rewrite(text(f"g {body}", opset), "arithmetic-to-conv", TARGET).reasons == [f"does not apply: {reason}"]

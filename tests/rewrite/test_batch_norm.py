"""Batch normalization in the weights of convolutions, or as a product and a sum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper

from .conftest import Apply, Trial
from .filled import filled


def _normal(body: str, opset: int = 17) -> ModelProto:
    """The model with variances that are positive."""
    model = filled(body, opset)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("v"):
            tensor.CopyFrom(numpy_helper.from_array(np.abs(numpy_helper.to_array(tensor)), tensor.name))
    return model


def _codes(trial: Trial, *, before: bool) -> set[str]:
    outcome = trial.found.before if before else trial.found.after
    return {finding.code for finding in outcome.findings if finding.severity == "error"}


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    size=st.integers(3, 6),
    kernel=st.integers(1, 3),
    maps=st.integers(1, 5),
    epsilon=st.sampled_from(["", "<epsilon=0.5>"]),
    opset=st.sampled_from([9, 14, 15, 17]),
    linear=st.sampled_from(["Conv", "ConvTranspose"]),
    behind=st.booleans(),
)
def test_into_any_convolution(
    rewrite: Apply, size: int, kernel: int, maps: int, epsilon: str, opset: int, linear: str, behind: bool
) -> None:
    """FP16 parameters become elementwise layers from 7.0 to 8.4; a division is among them."""
    behind = behind and linear == "Conv"
    weights, out = ((maps, 3), size - kernel + 1) if linear == "Conv" else ((3, maps), size + kernel - 1)
    normal, product = f"BatchNormalization{epsilon}(IN, s, b, m, v)", f"{linear}(IN, w)"
    first, last = (normal, product) if behind else (product, normal)
    channels = 3 if behind else maps
    vectors = ", ".join(f"float16[{channels}] {name}" for name in "sbmv")
    body = f"""g (float16[1,3,{size},{size}] x) => (float16[1,{maps},{out},{out}] y)
        <float16[{weights[0]},{weights[1]},{kernel},{kernel}] w, {vectors}>
        {{ t = {first.replace("IN", "x")} y = {last.replace("IN", "t")} }}"""
    trial = rewrite(_normal(body, opset), "batch-norm-into-conv", "xavier-trt7.1", limit=6e-3)
    assert trial.operators == [linear]
    assert "DLA411" in _codes(trial, before=True)
    assert "DLA411" not in _codes(trial, before=False)


def test_into_gemm(rewrite: Apply) -> None:
    body = """g (float16[2,4] x) => (float16[2,3] y) <float16[4,3] w, float16[3] c, float16[3] s, float16[3] b, float16[3] m, float16[3] v>
        { t = Gemm(x, w, c) y = BatchNormalization(t, s, b, m, v) }"""
    trial = rewrite(_normal(body), "batch-norm-into-conv", "xavier-trt8.0", limit=4e-3)
    assert trial.operators == ["Gemm"]


def test_three_dimensions_lose_the_scale(rewrite: Apply) -> None:
    body = """g (float[1,3,4,4,4] x) => (float[1,2,4,4,4] y) <float[2,3,1,1,1] w, float[2] s, float[2] b, float[2] m, float[2] v>
        { t = Conv(x, w) y = BatchNormalization(t, s, b, m, v) }"""
    trial = rewrite(_normal(body), "batch-norm-into-conv", "orin-trt10.3", limit=1e-6)
    assert trial.operators == ["Conv"]
    assert (_codes(trial, before=True), _codes(trial, before=False)) == ({"DLA210", "DLA422"}, {"DLA210"})


@settings(max_examples=10, derandomize=True, deadline=None, database=None)
@given(dims=st.tuples(st.just(1), *[st.integers(1, 5)] * 4), opset=st.sampled_from([9, 14, 15, 17]))
def test_to_scale(rewrite: Apply, dims: tuple[int, ...], opset: int) -> None:
    shape, channels = ",".join(map(str, dims)), dims[1]
    vectors = ", ".join(f"float[{channels}] {name}" for name in "sbmv")
    body = f"g (float[{shape}] x) => (float[{shape}] y) <{vectors}> {{ t = Relu(x) y = BatchNormalization(t, s, b, m, v) }}"
    trial = rewrite(_normal(body, opset), "batch-norm-to-scale", "orin-trt10.3", limit=1e-4)
    assert trial.operators == ["Relu", "Mul", "Add"]
    assert (_codes(trial, before=True), trial.found.after.verdict) == ({"DLA422"}, "full")


def test_to_scale_in_half_precision(rewrite: Apply) -> None:
    body = """g (float16[1,3,4,4] x) => (float16[1,3,4,4] y) <float16[3] s, float16[3] b, float16[3] m, float16[3] v>
        { t = Relu(x) y = BatchNormalization(t, s, b, m, v) }"""
    trial = rewrite(_normal(body), "batch-norm-to-scale", "xavier-trt7.1", limit=4e-3)
    assert trial.operators == ["Relu", "Mul", "Add"]
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize("name", ["batch-norm-into-conv", "batch-norm-to-scale"])
@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("y = BatchNormalization(t, s, p, m, v)", "a parameter is computed"),
        ("y = BatchNormalization(t, s, b, m, n)", "a variance is negative"),
        ("y = BatchNormalization<epsilon=0.0>(t, s, b, m, z)", "a parameter is not finite, or a variance is zero"),
    ],
)
def test_misses(rewrite: Apply, name: str, nodes: str, reason: str) -> None:
    body = f"""g (float16[1,3,4,4] x, float16[3] p) => (float16[1,3,4,4] y) <float16[3,3,1,1] w, float16[3] s, float16[3] b, float16[3] m,
        float16[3] v, float16[3] n = {{48640, 48640, 48640}}, float16[3] z = {{0, 0, 0}}> {{ t = Conv(x, w) {nodes} }}"""
    trial = rewrite(_normal(body), name, "xavier-trt7.1")
    assert trial.reasons == [f"does not apply: {reason}"]


def test_no_convolution_beside_it(rewrite: Apply) -> None:
    body = """g (float16[1,3,4,4] x) => (float16[1,3,4,4] y) <float16[3] s, float16[3] b, float16[3] m, float16[3] v>
        { t = Relu(x) y = BatchNormalization(t, s, b, m, v) }"""
    trial = rewrite(_normal(body), "batch-norm-into-conv", "xavier-trt7.1")
    assert trial.reasons == [
        "does not apply: the node before is no convolution or Gemm that it alone reads, and not every node behind is a convolution or Gemm"
    ]

"""Sums, means and extremes over maps and channels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv, ints
from .filled import filled

XAVIER, OLD = "xavier-trt7.1", "xavier-trt6.0"


def _reduce(op: str, axes: list[int], keep: bool, opset: int) -> tuple[str, list[str]]:
    """A Reduce node that makes ``z`` of ``t``, in the spelling of the operator set, and its constants."""
    as_input = opset >= (13 if op == "ReduceSum" else 18)
    kept = f"keepdims={int(keep)}"
    if as_input:
        return f"z = {op}<{kept}>(t, axes)", [ints("axes", axes)]
    return f"z = {op}<axes={axes}, {kept}>(t)", []


NAMES = {"ReduceMean": ("global-average-pool", "reduce-to-conv"), "ReduceSum": ("reduce-to-conv",) * 2}


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    op=st.sampled_from(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"]),
    axes=st.sampled_from([[2, 3], [-1, -2], [2], [-1], [1], [1, 2], [-3, 2, 3]]),
    keep=st.booleans(),
    opset=st.sampled_from([11, 13, 18]),
    dims=st.tuples(st.integers(1, 2), st.integers(2, 6), st.integers(2, 41), st.integers(2, 18)),
    target=st.sampled_from([ORIN, XAVIER]),
)
def test_any_axes(rewrite: Apply, op: str, axes: list[int], keep: bool, opset: int, dims: tuple[int, ...], target: str) -> None:
    body, constants = _reduce(op, axes, keep, opset)
    channels = any(axis % 4 == 1 for axis in axes)
    name = NAMES.get(op, ("global-max-pool", "reduce-max-halves"))[channels]
    made = [1 if place in [axis % 4 for axis in axes] else size for place, size in enumerate(dims)]
    shape = ints("shape", made)
    body = f"{body} q = Reshape(z, shape) y = Mul(t, q)" if not keep else f"{body} y = Mul(t, z)"
    trial = rewrite(behind_conv(dims, dims, body, [*constants, *([] if keep else [shape])], opset=opset), name, target)
    refused = channels and len(axes) > 1 and op in ("ReduceMax", "ReduceMin")
    if errors(trial, before=True) & {"DLA311", "DLA101"} and op not in trial.operators:
        assert trial.found.after.summary.gpu_nodes < trial.found.before.summary.gpu_nodes
        assert not refused
    if refused:
        assert set(trial.reasons) <= {"does not apply: it does not go over the channels alone"}
    if keep and not refused and "DLA311" in errors(trial, before=True):
        assert "DLA311" not in errors(trial, before=False)


@pytest.mark.parametrize("target", [ORIN, XAVIER, OLD])
@pytest.mark.parametrize(
    ("size", "operators"),
    [
        ((14, 14), ["AveragePool"] * 2),
        ((56, 56), ["AveragePool"] * 2),
        ((13, 10), ["Conv", "Conv"]),
        ((13, 1), ["Conv"]),
        ((26, 26), ["AveragePool", "Conv", "Conv"]),
        ((37, 300), ["AveragePool", "Conv", "Conv", "Conv", "Conv"]),
    ],
)
def test_global_average(rewrite: Apply, size: tuple[int, int], operators: list[str], target: str) -> None:
    trial = rewrite(behind_conv((1, 4, *size), (1, 4, 1, 1), "y = GlobalAveragePool(t)"), "global-average-pool", target)
    assert trial.operators == ["Conv", *operators]
    assert errors(trial, before=True) & {"DLA311", "DLA101", "DLA302"}
    assert trial.found.after.verdict == "full"


def test_half_precision_keeps_large_maps_in_range(rewrite: Apply) -> None:
    model = behind_conv((1, 2, 37, 41), (1, 2, 1, 1), "m = Abs(t) y = GlobalAveragePool(m)", dtype="float16")
    assert rewrite(model, "global-average-pool", limit=2e-3).operators == ["Conv", "Abs", "Conv", "Conv", "Conv", "Conv"]


@pytest.mark.parametrize(("size", "count"), [((7, 7), 1), ((33, 9), 2), ((17, 64), 2), ((300, 5), 3)])
def test_global_max(rewrite: Apply, size: tuple[int, int], count: int) -> None:
    trial = rewrite(behind_conv((1, 4, *size), (1, 4, 1, 1), "y = GlobalMaxPool(t)"), "global-max-pool", XAVIER)
    assert trial.operators == ["Conv", *["MaxPool"] * count]
    assert trial.found.after.verdict == "full"


def test_mean_in_front_of_a_product(rewrite: Apply) -> None:
    body = "m = ReduceMean<axes=[2,3], keepdims=0>(t) y = Gemm(m, v)"
    trial = rewrite(behind_conv((1, 4, 7, 7), (1, 3), body, ["float[4,3] v"]), "global-average-pool", ORIN)
    assert trial.operators == ["Conv", "AveragePool", "Squeeze", "Gemm"]
    assert (trial.found.before.summary.gpu_nodes, trial.found.after.summary.gpu_nodes) == (1, 0)


COMPUTED = """(float[1,4,5,5] x, int64[2] i) => (float[A,B,C,D] y) <float[4,1,1,1] k, int64[2] none = {0, 0}, int64[2] map = {2, 3}>
{ t = Conv<group=4>(x, k) z = Mul(i, none) a = Add(z, map) y = ReduceMean(t, a) }"""
NOTHING = "(float[1,4,5,5] x) => (float[1,4,5,5] y) <int64[0] a = {}> { y = ReduceMean<noop_with_empty_axes=1>(x, a) }"
CONV = "<float[4,1,1,1] k> { t = Conv<group=4>(x, k)"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        (
            "global-average-pool",
            f"(float[N,4,5,5] x) => (float[N,4,1,1] y) {CONV} y = GlobalAveragePool(t) }}",
            "its input has not four static dimensions",
        ),
        (
            "global-average-pool",
            COMPUTED,
            "its axes are computed",
        ),
        ("global-average-pool", NOTHING, "it reduces nothing"),
        (
            "global-average-pool",
            f"(float[1,4,5,5] x) => (float[1,1,1,5] y) {CONV} y = ReduceMean<axes=[1,2]>(t) }}",
            "it takes the mean over channels too, which reduce-to-conv does",
        ),
        ("global-average-pool", f"(float[2,4,5,5] x) => (float[1,1,1,1] y) {CONV} y = ReduceMean(t) }}", "it reduces the batch"),
        (
            "global-max-pool",
            f"(float[1,4,5,5] x) => (float[1,1,1,5] y) {CONV} y = ReduceMax<axes=[1,2]>(t) }}",
            "it goes over channels too, which reduce-max-halves does",
        ),
        (
            "reduce-max-halves",
            f"(float[1,4,5,5] x) => (float[1,1,1,5] y) {CONV} y = ReduceMax<axes=[1,2]>(t) }}",
            "it does not go over the channels alone",
        ),
        (
            "reduce-to-conv",
            f"(float[1,4,5,5] x) => (float[1,4,1,5] y) {CONV} y = ReduceMean<axes=[2]>(t) }}",
            "it takes the mean over the map alone, which global-average-pool does",
        ),
        ("reduce-to-conv", f"(float[2,4,5,5] x) => (float[1,4,5,5] y) {CONV} y = ReduceMean<axes=[0]>(t) }}", "it reduces the batch"),
        ("global-max-pool", "(int32[1,4,5,5] x) => (int32[1,4,1,1] y) { y = ReduceMax<axes=[2,3]>(x) }", "its input is int32"),
    ],
)
def test_misses(rewrite: Apply, name: str, text: str, reason: str) -> None:
    trial = rewrite(filled(f"g {text}", 18 if text in (COMPUTED, NOTHING) else 17), name, XAVIER)
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

"""Slices as convolutions and poolings that select."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints

XAVIER = "xavier-trt7.1"
Spans = dict[int, tuple[int, int, int]]


def sliced(dims: list[int], spans: Spans, dtype: str = "float", opset: int = 17) -> ModelProto:
    """A model that cuts ``spans`` (start, end, step by axis)."""
    made = [len(range(size)[slice(*spans[axis])]) if axis in spans else size for axis, size in enumerate(dims)]
    starts, ends, steps = ([span[part] for span in spans.values()] for part in range(3))
    if opset < 10:
        return behind_conv(dims, made, f"y = Slice<starts={starts}, ends={ends}, axes={list(spans)}>(t)", dtype=dtype, opset=opset)
    given = [ints("b", starts), ints("e", ends), ints("a", list(spans)), ints("s", steps)]
    return behind_conv(dims, made, "y = Slice(t, b, e, a, s)", given, dtype=dtype, opset=opset)


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[int], Spans]:
    dims = [draw(st.integers(1, 2)), *(draw(st.integers(2, 9)) for _ in range(3))]
    spans = {}
    for axis in draw(st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True)):
        start = draw(st.integers(0, dims[axis] - 1))
        end = draw(st.sampled_from([*range(start + 1, dims[axis] + 1), 2**31]))
        spans[axis] = (start - dims[axis] * draw(st.booleans()), end, draw(st.integers(1, 3)))
    return dims, spans


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(cut=cuts(), dtype=st.sampled_from(["float", "float16"]), opset=st.sampled_from([9, 11, 17]))
def test_any_cut(rewrite: Apply, cut: tuple[list[int], Spans], dtype: str, opset: int) -> None:
    dims, spans = cut
    if opset < 10:
        spans = {axis: (start, end, 1) for axis, (start, end, _) in spans.items()}
    trial = rewrite(sliced(dims, spans, dtype, opset), "slice-to-conv", XAVIER)
    if all(range(dims[axis])[start:end:step] == range(dims[axis]) for axis, (start, end, step) in spans.items()):
        assert trial.reasons == ["does not apply: it takes everything as it is"]
        return
    assert set(trial.operators[1:]) <= {"Conv", "MaxPool"}
    assert trial.found.after.verdict == "full"
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}


@pytest.mark.parametrize(
    ("spans", "operators"),
    [
        pytest.param({1: (0, 8, 2)}, ["Conv"], id="channels"),
        pytest.param({1: (7, -9, -1)}, ["Conv"], id="channels-backwards"),
        pytest.param({2: (0, 40, 2), 3: (0, 40, 3)}, ["MaxPool"], id="strides-from-0"),
        pytest.param({2: (1, 40, 2)}, ["Conv"], id="strides-from-1"),
        pytest.param({2: (39, -41, -1)}, ["Transpose", "Conv", "Transpose"], id="rows-backwards"),
        pytest.param({3: (9, 3, -2)}, ["Transpose", "Conv", "Transpose"], id="columns-backwards"),
        pytest.param({3: (35, 40, 2)}, ["Conv", "Conv"], id="far-from-the-edge"),
    ],
)
def test_forms(rewrite: Apply, spans: Spans, operators: list[str]) -> None:
    trial = rewrite(sliced([1, 8, 40, 40], spans), "slice-to-conv")
    assert trial.operators == ["Conv", *operators]
    assert trial.found.after.verdict == "full"
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA521"}


def test_all_channels_have_kernels_of_their_own(rewrite: Apply) -> None:
    trial = rewrite(sliced([1, 8, 12, 12], {2: (1, 12, 2)}), "slice-to-conv")
    conv = trial.model.graph.node[1]
    assert {item.name: onnx_value(item) for item in conv.attribute} == {
        "kernel_shape": [2, 1],
        "strides": [2, 1],
        "pads": [0, 0, 0, 0],
        "dilations": [1, 1],
        "group": 8,
    }


def onnx_value(item: object) -> object:
    return list(item.ints) or item.i  # type: ignore[attr-defined]


def test_a_selection_before_the_slices_joins_them(rewrite: Apply) -> None:
    body = (
        "g (float[1,6,4,4] x) => (float[1,3,4,4] y, float[1,3,4,4] z, int64[1] n)"
        " <float[6,6,1,1] w = {0,0,0,1,0,0, 1,0,0,0,0,0, 0,0,0,0,1,0, 0,1,0,0,0,0, 0,0,0,0,0,1, 0,0,1,0,0,0},"
        " int64[1] zero = {0}, int64[1] three = {3}, int64[1] six = {6}, int64[1] one = {1}>"
        " { c = Conv(x, w) y = Slice(c, zero, three, one) s = Shape(c) z = Slice(c, three, six, one) n = Gather(s, zero) }"
    )
    trial = rewrite(text(body), "slice-to-conv", XAVIER)
    assert [op for op in trial.operators if op not in ("Constant", "Gather")] == ["Conv", "Conv"]
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (sliced([2, 8, 8, 8], {0: (0, 1, 1)}), "it picks from the batch"),
        (sliced([1, 8, 8, 8], {1: (0, 8, 1)}), "it takes everything as it is"),
        (
            text("g (float[1,8,8] x) => (float[1,4,8] y) <int64[1] b = {1}, int64[1] e = {5}> { y = Slice(x, b, e, b) }"),
            "its input has not four static dimensions",
        ),
        (sliced([1, 8192, 1, 1], {1: (0, 8000, 1)}), "it would take 65536000 weights"),
        (
            text("g (float[1,8,8,8] x, int64[1] e) => (float[1,c,8,8] y) <int64[1] b = {0}> { t = Relu(x) y = Slice(t, b, e, b) }"),
            "its indices are computed",
        ),
        (
            text("g (float[1,8,n,8] x) => (float[1,4,n,8] y) <int64[1] b = {1}, int64[1] e = {5}> { y = Slice(x, b, e, b) }"),
            "its input has not four static dimensions",
        ),
        (
            text("g (int32[1,8,8,8] x) => (int32[1,4,8,8] y) <int64[1] b = {1}, int64[1] e = {5}> { y = Slice(x, b, e, b) }"),
            "its input is int32, and convolutions compute floats",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "slice-to-conv", XAVIER)
    assert trial.reasons == [f"does not apply: {reason}"]
    assert "Slice" in trial.operators

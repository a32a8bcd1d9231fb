"""Channels written at constant places as a Concat and a convolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import shape
from .filled import filled


def written(
    dims: list[int], channels: list[int], axis: int = 1, dtype: str = "float", opset: int = 18, reduction: str = "", indices: object = None
) -> ModelProto:
    """A model that writes ``channels`` of a convolution with another one's."""
    part = [dims[0], len(channels), *dims[2:]]
    full = np.broadcast_to(np.array(channels).reshape(1, -1, 1, 1), part) if indices is None else np.array(indices)
    stated = f"axis={axis}" + (f', reduction="{reduction}"' if reduction else "")
    operator = "ScatterElements" if opset > 10 else "Scatter"
    given = f"{shape(part, 'int64')} i = {{{', '.join(str(item) for item in full.flat)}}}"
    return filled(
        f"g ({shape(dims, dtype)} x, {shape(part, dtype)} z) => ({shape(dims, dtype)} y)"
        f" <{shape([dims[1], 1, 1, 1], dtype)} w, {shape([len(channels), 1, 1, 1], dtype)} v, {given}>"
        f" {{ t = Conv<group={dims[1]}>(x, w) u = Conv<group={len(channels)}>(z, v) y = {operator}<{stated}>(t, i, u) }}",
        opset,
    )


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4)),
    axis=st.sampled_from([1, -3]),
    opset=st.sampled_from([10, 11, 16, 18]),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(["orin-trt10.3", "xavier-trt7.1"]),
    data=st.data(),
)
def test_any_channels(rewrite: Apply, dims: tuple[int, ...], axis: int, opset: int, dtype: str, target: str, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, dims[1] - 1), min_size=1, max_size=dims[1], unique=True))
    channels = [place - dims[1] * data.draw(st.booleans()) if opset > 10 else place for place in places]
    trial = rewrite(written(list(dims), channels, axis, dtype, opset), "scatter-elements", target)
    assert trial.operators == ["Conv", "Conv", "Concat", "Conv"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} <= {"DLA101", "DLA002"}
    assert trial.found.after.verdict == "full"


def test_batch_and_channel(rewrite: Apply) -> None:
    indices = "int64[2,2,2] i = {0, 3, 0, 1, 1, 3, 1, -4}"
    model = filled(
        f"g (float[2,5,2,3] x, float[2,2,2,3] z) => (float[2,5,2,3] y) <float[5,1,1,1] w, float[2,1,1,1] v, {indices}>"
        " { t = Conv<group=5>(x, w) u = Conv<group=2>(z, v) y = ScatterND(t, i, u) }"
    )
    trial = rewrite(model, "scatter-elements")
    assert trial.operators == ["Conv", "Conv", "Concat", "Conv"]
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize("shared", [False, True])
def test_channels_in_front_between_transposes(rewrite: Apply, shared: bool) -> None:
    more, output = (" r = Relu(a)", ", float[5,2,2,3] r") if shared else ("", "")
    model = filled(
        f"g (float[2,5,2,3] x, float[2,2,2,3] z) => (float[2,5,2,3] y{output})"
        " <float[5,1,1,1] w, float[2,1,1,1] v, int64[2,1] i = {3, 1}>"
        " { t = Conv<group=5>(x, w) u = Conv<group=2>(z, v) a = Transpose<perm=[1,0,2,3]>(t) b = Transpose<perm=[1,0,2,3]>(u)"
        f" c = ScatterND(a, i, b) y = Transpose<perm=[1,0,2,3]>(c){more} }}"
    )
    trial = rewrite(model, "scatter-elements")
    assert [op for op in trial.operators if op not in ("Transpose", "Relu")] == ["Conv", "Conv", "Concat", "Conv"]
    assert trial.operators.count("Transpose") == shared
    assert trial.found.after.verdict == ("partial" if shared else "full")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (written([1, 3, 2, 2], [1, 1]), "it writes a channel twice"),
        (written([1, 3, 2, 2], [1, -2]), "it writes a channel twice"),
        (written([1, 3, 2, 2], [1, 0], reduction="add"), "it combines what it writes with what is there"),
        (written([1, 3, 2, 2], [1], axis=2), "it writes along another axis than the channels"),
        (written([1, 3, 1, 2], [1], indices=[0, 1]), "it does not write whole channels"),
        (
            text("g (float[2,3,2,2] x, float[1,2,2] u) => (float[2,3,2,2] y) <int64[1,2] i = {1, 2}> { y = ScatterND(x, i, u) }"),
            "it does not write whole channels",
        ),
        (
            text("g (float[2,3,2,2] x, float[1,1,2,2] u) => (float[2,3,2,2] y) <int64[1,1,2] i = {1, 2}> { y = ScatterND(x, i, u) }"),
            "it does not write whole channels",
        ),
        (
            text(
                "g (float[1,3,2,2] x, float[1,1,1,2] u) => (float[1,3,2,2] y) <int64[1,1,1,2] i = {1, 1}>"
                " { y = ScatterElements<axis=1>(x, i, u) }"
            ),
            "it does not write whole channels",
        ),
        (
            text(
                "g (float[1,3,2,2] x, float[1,1,2,2] u, int64[1,1,2,2] n) => (float[1,3,2,2] y) <int64 o = {0}>"
                " { i = Mul(n, o) y = ScatterElements<axis=1>(x, i, u) }"
            ),
            "its indices are computed",
        ),
        (
            text(
                "g (float[1,3,1,2] x) => (float[1,3,1,2] y) <int64[1,1,1,2] i = {1, 1}, float[1,1,1,2] u = {5, 6}>"
                " { y = ScatterElements<axis=1>(x, i, u) }"
            ),
            "its input is a constant",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "scatter-elements")
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

"""Gathers with constant indices as convolutions that select."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints, shape
from .filled import filled

TARGETS = ["orin-trt10.3", "xavier-trt7.1"]


def gathered(dims: list[int], indices: list[int], axis: int, operator: str = "Gather", dtype: str = "float") -> ModelProto:
    """A model that takes ``indices`` of ``axis``, in the form that the operator wants."""
    made = [len(indices) if at == axis % 4 else size for at, size in enumerate(dims)]
    if operator == "Gather":
        return behind_conv(dims, made, f"y = Gather<axis={axis}>(t, i)", [ints("i", indices)], dtype=dtype)
    if operator == "GatherElements":
        full = np.broadcast_to(np.array(indices).reshape([-1 if at == axis % 4 else 1 for at in range(4)]), made)
        body = f"y = GatherElements<axis={axis}>(t, i)"
    else:
        full = np.broadcast_to(np.array(indices)[:, None], [*dims[: axis % 4], len(indices), 1])
        body = f"y = GatherND<batch_dims={axis % 4}>(t, i)"
    constant = f"{shape(full.shape, 'int64')} i = {{{', '.join(str(item) for item in full.flat)}}}"
    return behind_conv(dims, made, body, [constant], dtype=dtype)


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), st.integers(2, 6), st.integers(1, 4), st.integers(1, 4)),
    operator=st.sampled_from(["Gather", "GatherElements", "GatherND"]),
    axis=st.sampled_from([1, -3]),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(TARGETS),
    data=st.data(),
)
def test_any_channels(
    rewrite: Apply, dims: tuple[int, ...], operator: str, axis: int, dtype: str, target: str, data: st.DataObject
) -> None:
    indices = data.draw(st.lists(st.integers(-dims[1], dims[1] - 1), min_size=1, max_size=8))
    trial = rewrite(gathered(list(dims), indices, axis, operator, dtype), "gather-to-conv", target)
    if [index % dims[1] for index in indices] == list(range(dims[1])):
        assert trial.reasons == ["does not apply: it takes everything as it is"]
        return
    assert trial.operators == ["Conv", "Conv"]
    assert trial.found.after.verdict == "full"
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} <= {"DLA101", "DLA002"}


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(2, 5), st.integers(2, 5)),
    axis=st.sampled_from([2, 3, -1]),
    data=st.data(),
)
def test_rows_and_columns(rewrite: Apply, dims: tuple[int, ...], axis: int, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, dims[axis] - 1), min_size=1, max_size=6))
    trial = rewrite(gathered(list(dims), indices, axis), "gather-to-conv")
    if indices == list(range(dims[axis])):
        assert trial.reasons == ["does not apply: it takes everything as it is"]
        return
    assert "Gather" not in trial.operators
    assert trial.found.after.verdict == "full"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), st.integers(2, 4), st.integers(2, 4), st.integers(2, 4)),
    axes=st.sampled_from([(1,), (2, 3), (3, 1), (1, 2, 3)]),
    shared=st.booleans(),
    data=st.data(),
)
def test_indices_in_front_between_transposes(
    rewrite: Apply, dims: tuple[int, ...], axes: tuple[int, ...], shared: bool, data: st.DataObject
) -> None:
    lists = [data.draw(st.lists(st.integers(0, dims[axis] - 1), min_size=2, max_size=4)) for axis in axes]
    order = [*axes, *(axis for axis in range(4) if axis not in axes)]
    grid = np.stack(np.meshgrid(*lists, indexing="ij"), -1)
    made = [len(lists[axes.index(axis)]) if axis in axes else size for axis, size in enumerate(dims)]
    constant = f"{shape(grid.shape, 'int64')} i = {{{', '.join(str(item) for item in grid.flat)}}}"
    back = [order.index(axis) for axis in range(4)]
    more, result = (" r = Relu(a)", f", {shape([dims[axis] for axis in order])} r") if shared else ("", "")
    model = filled(
        f"g ({shape(dims)} x) => ({shape(made)} y{result}) <{shape([dims[1], 1, 1, 1])} w, {constant}>"
        f" {{ t = Conv<group={dims[1]}>(x, w) a = Transpose<perm={order}>(t) b = GatherND(a, i) y = Transpose<perm={back}>(b){more} }}"
    )
    trial = rewrite(model, "gather-to-conv")
    if all(indices == list(range(dims[axis])) for axis, indices in zip(axes, lists, strict=True)):
        assert trial.reasons == ["does not apply: it takes everything as it is"]
        return
    assert "GatherND" not in trial.operators
    assert trial.found.after.verdict == ("partial" if shared else "full")


@pytest.mark.parametrize("after", ["Unsqueeze(a, one)", "Reshape(a, whole)"])
def test_a_single_index(rewrite: Apply, after: str) -> None:
    given = ["int64 i = {2}", ints("one", [1]) if "one" in after else ints("whole", [2, 1, 4, 4])]
    trial = rewrite(behind_conv([2, 5, 4, 4], [2, 1, 4, 4], f"a = Gather<axis=1>(t, i) y = {after}", given), "gather-to-conv")
    assert trial.operators == ["Conv", "Conv"]
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (gathered([2, 3, 4, 4], [1, 0], 0), "it picks from the batch"),
        (
            behind_conv([1, 3, 4, 4], [1, 4, 4], "y = Gather<axis=1>(t, i)", ["int64 i = {2}"]),
            "its single index drops a dimension, which no Unsqueeze behind it restores",
        ),
        (
            behind_conv([1, 3, 4, 4], [1, 2, 2, 4, 4], "y = Gather<axis=1>(t, i)", ["int64[2,2] i = {0, 1, 2, 0}"]),
            "its indices do not pick whole slices of its axes",
        ),
        (
            behind_conv([1, 2, 1, 2], [1, 2, 1, 2], "y = GatherElements<axis=1>(t, i)", ["int64[1,2,1,2] i = {0, 1, 1, 0}"]),
            "its indices do not pick whole slices of its axes",
        ),
        (
            behind_conv([1, 2, 2, 2], [1, 2, 1, 2], "y = GatherElements<axis=1>(t, i)", ["int64[1,2,1,2] i = {1, 1, 0, 0}"]),
            "its indices do not pick whole slices of its axes",
        ),
        (
            behind_conv([1, 2, 2, 2], [1, 2], "y = GatherND(t, i)", ["int64[1,3] i = {0, 1, 1}"]),
            "its indices do not pick whole slices of its axes",
        ),
        (
            text("g (float[1,3,4,4] x, int64[2] n) => (float[1,2,4,4] y) <int64 o = {0}> { i = Mul(n, o) y = Gather<axis=1>(x, i) }"),
            "its indices are computed",
        ),
        (
            text("g (float[1,3,4] x) => (float[1,2,4] y) <int64[2] i = {2, 0}> { y = Gather<axis=1>(x, i) }"),
            "its input has not four static dimensions",
        ),
        (
            text("g (int32[1,3,4,4] x) => (int32[1,2,4,4] y) <int64[2] i = {2, 0}> { y = Gather<axis=1>(x, i) }"),
            "its input is int32, and convolutions compute floats",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "gather-to-conv")
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

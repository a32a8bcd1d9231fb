"""Linear resizes as smoothed nearest ones, through transposed convolutions, and as matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from .conftest import Apply, Trial

ANY = st.sampled_from(["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
WHOLE = st.sampled_from(["half_pixel", "pytorch_half_pixel", "asymmetric"])
DIMS = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))


def model(
    dims: tuple[int, ...],
    scales: tuple[float, float] | None = None,
    sizes: tuple[int, int] | None = None,
    *,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    name: str = "Resize",
    **attributes: Any,
) -> ModelProto:
    """A convolution and a linear resize of its output."""
    made = sizes or tuple(int(np.floor(side * scale)) for side, scale in zip(dims[2:], scales or (1, 1), strict=True))
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    weights = np.linspace(-1, 1, dims[1], dtype=kind).reshape(-1, 1, 1, 1)
    tensors = [numpy_helper.from_array(weights, "w")]
    inputs = ["t"]
    if scales:
        tensors.append(numpy_helper.from_array(np.array([1, 1, *scales], np.float32), "s"))
        inputs += ["region", "s"] if opset >= 11 and name == "Resize" else ["s"]
    else:
        tensors.append(numpy_helper.from_array(np.array([*dims[:2], *made], np.int64), "s"))
        inputs += ["region", "region", "s"]
    if "region" in inputs:
        tensors.append(numpy_helper.from_array(np.zeros(0, np.float32), "region"))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["t"], group=dims[1]),
        helper.make_node(name, inputs, ["y"], mode="linear", **attributes),
    ]
    ends = [helper.make_tensor_value_info(end, dtype, shape) for end, shape in (("x", dims), ("y", (*dims[:2], *made)))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def codes(trial: Trial) -> set[str]:
    return {finding.code for finding in trial.found.before.findings if finding.severity == "error"}


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(
    dims=DIMS, scales=st.tuples(st.integers(1, 8), st.integers(2, 8)), mode=WHOLE, by_size=st.booleans(), opset=st.sampled_from([11, 17])
)
def test_smoothed(rewrite: Apply, dims: tuple[int, ...], scales: tuple[int, int], mode: str, by_size: bool, opset: int) -> None:
    sizes = (dims[2] * scales[0], dims[3] * scales[1]) if by_size else None
    given_scales = None if by_size else (float(scales[0]), float(scales[1]))
    resized = model(dims, given_scales, sizes, opset=opset, coordinate_transformation_mode=mode)
    trial = rewrite(resized, "linear-resize", "xavier-trt8.2", limit=2e-6)
    lone = all(side == 1 or scale == 1 for side, scale in zip(dims[2:], scales, strict=True))
    assert trial.operators == ["Conv", "Resize"] + ["Conv", "Mul"] * (not lone)
    assert codes(trial) >= {"DLA511"}
    assert trial.found.after.verdict == "full"


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(dims=DIMS, scales=st.tuples(st.integers(1, 6), st.integers(2, 6)), mode=WHOLE)
def test_transposed(rewrite: Apply, dims: tuple[int, ...], scales: tuple[int, int], mode: str) -> None:
    resized = model(dims, (float(scales[0]), float(scales[1])), coordinate_transformation_mode=mode)
    trial = rewrite(resized, "linear-resize-deconv", "xavier-trt7.1", limit=2e-6)
    lone = all(side == 1 or scale == 1 for side, scale in zip(dims[2:], scales, strict=True))
    assert trial.operators == ["Conv", "ConvTranspose"] + ["Conv", "Mul"] * (not lone)
    assert codes(trial) == {"DLA101"}
    assert trial.found.after.verdict == "full"


def test_transposed_one_axis_after_the_other(rewrite: Apply) -> None:
    trial = rewrite(model((1, 260, 1, 1), (16.0, 16.0)), "linear-resize-deconv", "xavier-trt7.1")
    assert trial.operators == ["Conv", "ConvTranspose", "ConvTranspose"]
    assert max(trial.errors) == 0


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=DIMS,
    sizes=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    scales=st.none() | st.tuples(st.sampled_from([0.5, 1.0, 1.7, 2.5]), st.sampled_from([1.3, 3.0])),
    mode=ANY,
)
def test_matrices(rewrite: Apply, dims: tuple[int, ...], sizes: tuple[int, int], scales: tuple[float, float] | None, mode: str) -> None:
    if sizes == dims[2:] or (scales and min(int(dims[2] * scales[0]), int(dims[3] * scales[1])) == 0):
        return
    resized = model(dims, scales, None if scales else sizes, coordinate_transformation_mode=mode)
    trial = rewrite(resized, "linear-resize-matrix", "xavier-trt8.5", limit=3e-6)
    if trial.found.changes:
        axes = trial.operators.count("Conv") - 1
        assert trial.operators == ["Conv"] + ["Transpose", "Conv"] * axes + ["Transpose"]
        assert trial.found.after.verdict == "full"
    else:
        assert trial.found.before.verdict == "full"


def test_symmetric(rewrite: Apply) -> None:
    resized = model((1, 3, 5, 7), (1.5, 0.6), opset=19, coordinate_transformation_mode="half_pixel_symmetric")
    assert rewrite(resized, "linear-resize-matrix", limit=2e-6).operators == ["Conv", "Transpose", "Conv", "Transpose", "Conv", "Transpose"]


@pytest.mark.parametrize(("opset", "name"), [(9, "Upsample"), (10, "Resize")])
def test_older_operators(rewrite: Apply, opset: int, name: str) -> None:
    trial = rewrite(model((1, 3, 4, 5), (2.0, 3.0), opset=opset, name=name), "linear-resize", "xavier-trt8.4", limit=2e-6)
    assert trial.operators == ["Conv", name, "Conv", "Mul"]
    assert codes(trial) == {"DLA511"}


def test_half_precision(rewrite: Apply) -> None:
    trial = rewrite(model((1, 3, 4, 5), (8.0, 8.0), dtype=TensorProto.FLOAT16), "linear-resize", limit=3e-3)
    assert trial.operators == ["Conv", "Resize", "Conv", "Mul"]
    assert codes(trial) == {"DLA513"}


WHOLE_ONLY = "its factors are not whole, or it aligns corners"


@pytest.mark.parametrize(
    ("resized", "name", "reason"),
    [
        (model((1, 3, 4, 4), (1.5, 1.5)), "linear-resize", WHOLE_ONLY),
        (model((1, 3, 4, 4), (1.5, 1.5)), "linear-resize-deconv", WHOLE_ONLY),
        (model((1, 3, 4, 4), (2.0, 2.0), coordinate_transformation_mode="align_corners"), "linear-resize", WHOLE_ONLY),
        (model((1, 3, 4, 4), (0.5, 0.5), opset=18, antialias=1), "linear-resize-matrix", "it smooths, or keeps the aspect ratio"),
    ],
)
def test_misses(rewrite: Apply, resized: ModelProto, name: str, reason: str) -> None:
    assert rewrite(resized, name, "xavier-trt8.2").reasons == [f"does not apply: {reason}"]

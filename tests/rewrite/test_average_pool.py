"""Average poolings with large windows, and those that do not count their padding."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv
from .filled import filled

XAVIER = "xavier-trt7.1"
NO_FACTORS, IN_PADDING = "its stride has no factors within the limits", "a window of it lies in the padding"


@st.composite
def poolings(draw: st.DrawFn, least: int, most: int) -> tuple[tuple[int, int], str]:
    """The size of a map, and the attributes of an average over it with a window of ``least`` to ``most``."""
    kernel = (draw(st.integers(least, most)), draw(st.integers(1, most)))
    sides = [draw(st.integers(0, size - 1)) for size in kernel * 2]
    size = [max(draw(st.integers(1, 24)), whole - sides[axis] - sides[axis + 2]) for axis, whole in enumerate(kernel)]
    strides = [draw(st.integers(1, 18 if least > 8 else 8)) for _ in kernel]
    auto = draw(st.sampled_from(["NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if auto != "NOTSET":
        strides = [min(pair) for pair in zip(strides, kernel, strict=True)]
    options = f"kernel_shape={list(kernel)}, strides={strides}, count_include_pad={draw(st.integers(0, 1))}"
    if auto == "NOTSET":
        return (size[0], size[1]), f"{options}, pads={sides}, ceil_mode={draw(st.integers(0, 1))}"
    return (max(size[0], kernel[0]), max(size[1], kernel[1])), f'{options}, auto_pad="{auto}"'


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(drawn=poolings(9, 15), opset=st.sampled_from([11, 17, 19]))
def test_large_windows(rewrite: Apply, drawn: tuple[tuple[int, int], str], opset: int) -> None:
    size, options = drawn
    trial = rewrite(behind_conv((2, 3, *size), (2, 3, "H", "W"), f"y = AveragePool<{options}>(t)", opset=opset), "average-pool-steps", ORIN)
    assert "DLA302" in errors(trial, before=True)
    if trial.found.changes:
        assert errors(trial, before=False) == set()
    else:
        assert trial.reasons in ([f"does not apply: {NO_FACTORS}"], [f"does not apply: {IN_PADDING}"])


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(drawn=poolings(2, 8), opset=st.sampled_from([11, 17, 19]))
def test_excluded_padding(rewrite: Apply, drawn: tuple[tuple[int, int], str], opset: int) -> None:
    size, options = drawn
    model = behind_conv((2, 3, *size), (2, 3, "H", "W"), f"y = AveragePool<{options}>(t)", opset=opset)
    trial = rewrite(model, "pooling-excluded-padding", XAVIER)
    assert errors(trial, before=True) <= {"DLA305", "DLA303"}
    assert "DLA305" not in errors(trial, before=False) or trial.reasons == [f"does not apply: {IN_PADDING}"]


@pytest.mark.parametrize(
    ("options", "operators"),
    [
        ("kernel_shape=[14,14], strides=[14,14]", ["AveragePool", "AveragePool"]),
        ("kernel_shape=[10,9], strides=[10,9]", ["AveragePool", "AveragePool"]),
        ("kernel_shape=[9,9], strides=[1,1], pads=[4,4,4,4], count_include_pad=1", ["Conv"]),
        ("kernel_shape=[9,9], strides=[1,1], pads=[4,4,4,4]", ["Conv", "Mul"]),
        ("kernel_shape=[11,11], strides=[11,11]", ["Conv", "MaxPool"]),
    ],
)
def test_forms(rewrite: Apply, options: str, operators: list[str]) -> None:
    trial = rewrite(behind_conv((1, 4, 28, 28), (1, 4, "H", "W"), f"y = AveragePool<{options}>(t)"), "average-pool-steps", XAVIER)
    assert trial.operators == ["Conv", *operators]
    assert trial.found.after.verdict == "full"


def test_half_precision(rewrite: Apply) -> None:
    body = "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(t)"
    trial = rewrite(behind_conv((1, 4, 8, 8), (1, 4, 8, 8), body, dtype="float16"), "pooling-excluded-padding", XAVIER, limit=2e-3)
    assert trial.operators == ["Conv", "AveragePool", "Mul"]


FREE = "(float[N,2,20,20] x) => (float[N,2,H,W] y) { y = AveragePool<kernel_shape=[9,9], pads=[1,1,1,1]>(x) }"
DILATED = "(float[1,2,20,20] x) => (float[1,2,H,W] y) { y = AveragePool<kernel_shape=[9,9], dilations=[2,2]>(x) }"


@pytest.mark.parametrize(
    ("name", "text", "opset", "reason"),
    [
        ("average-pool-steps", FREE, 17, "its input has not four static dimensions"),
        ("average-pool-steps", DILATED, 19, "its window is dilated"),
        ("pooling-excluded-padding", FREE, 17, "its input has not four static dimensions"),
    ],
)
def test_misses(rewrite: Apply, name: str, text: str, opset: int, reason: str) -> None:
    trial = rewrite(filled(f"g {text}", opset), name, XAVIER)
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes

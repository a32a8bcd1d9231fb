"""Nearest resizes: with scales, with the sampling of the DLA, as convolutions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints

ORIN, OLDER, XAVIER = "orin-trt10.3", "xavier-trt8.2", "xavier-trt7.1"
NATIVE = {"asymmetric": ["floor"], "half_pixel": ["round_prefer_floor", "round_prefer_ceil"]}
TRANSFORMS = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def resized(
    dims: list[int], scales: list[float], *, sized: bool = False, dtype: str = "float", opset: int = 19, **attributes: str
) -> ModelProto:
    """A model that resizes by ``scales``, stated as they are or as sizes."""
    made = [int(size * scale) for size, scale in zip(dims, scales, strict=True)]
    stated = ", ".join(f'{name}="{value}"' for name, value in attributes.items())
    stated = f"<{stated}>" if stated else ""
    roi = "r" if opset < 13 else ""
    if sized:
        given, inputs = [ints("s", made)], f"t, {roi}, {roi}, s"
    else:
        given, inputs = [f"float[4] s = {{{', '.join(map(str, scales))}}}"], f"t, {roi}, s"
    if opset < 13:
        given.append("float[0] r = {}")
    return behind_conv(dims, made, f"y = Resize{stated}({inputs})", given, dtype=dtype, opset=opset)


maps = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    dims=maps,
    factors=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    transform=st.sampled_from(TRANSFORMS),
    rounding=st.sampled_from(ROUNDINGS),
    sized=st.booleans(),
    target=st.sampled_from([ORIN, OLDER]),
)
def test_sampling(
    rewrite: Apply, dims: tuple[int, ...], factors: tuple[int, int], transform: str, rounding: str, sized: bool, target: str
) -> None:
    model = resized(list(dims), [1, 1, *factors], sized=sized, coordinate_transformation_mode=transform, nearest_mode=rounding)
    trial = rewrite(model, "resize-sampling", target)
    if trial.found.changes:
        stated = {item.name: item.s.decode() for item in trial.model.graph.node[1].attribute}
        assert stated == {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        assert trial.found.after.verdict == "full"
    elif trial.reasons:
        assert trial.reasons == ["does not apply: it does not repeat every element alike"]
    half = transform.startswith(("half_pixel", "pytorch")) and rounding.startswith("round")
    twice = transform == "asymmetric" and rounding == "round_prefer_floor" and max(factors) == 2
    flagged = "DLA511" in {finding.code for finding in trial.found.before.findings}
    if half or twice:
        assert bool(trial.found.changes) == flagged


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(dims=maps, factors=st.tuples(st.integers(1, 4), st.integers(1, 4)), mode=st.sampled_from(["nearest", "linear"]))
def test_sizes(rewrite: Apply, dims: tuple[int, ...], factors: tuple[int, int], mode: str) -> None:
    transform, rounding = ("half_pixel", "floor") if mode == "linear" else ("asymmetric", "floor")
    model = resized(list(dims), [1, 1, *factors], sized=True, mode=mode, coordinate_transformation_mode=transform, nearest_mode=rounding)
    trial = rewrite(model, "resize-sizes-to-scales")
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA515"}
    assert [len(node.input) for node in trial.model.graph.node] == [2, 3]
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize("opset", [11, 12, 13, 18])
def test_operator_sets(rewrite: Apply, opset: int) -> None:
    model = resized([1, 2, 3, 4], [1, 1, 2, 3], sized=True, opset=opset, coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    assert rewrite(model, "resize-sizes-to-scales").found.after.verdict == "full"
    model = resized([1, 2, 3, 4], [1, 1, 2, 3], opset=opset, coordinate_transformation_mode="pytorch_half_pixel")
    assert rewrite(model, "resize-sampling").found.after.verdict == "full"
    assert rewrite(model, "resize-to-conv", XAVIER).operators == ["Conv", "ConvTranspose"]


def test_sizes_of_some_axes(rewrite: Apply) -> None:
    body = 'y = Resize<axes=[2, 3], coordinate_transformation_mode="asymmetric", nearest_mode="floor">(t, , , s)'
    trial = rewrite(behind_conv([1, 2, 3, 4], [1, 2, 6, 4], body, [ints("s", [6, 4])], opset=18), "resize-sizes-to-scales")
    assert trial.found.after.verdict == "full"


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    dims=maps,
    factors=st.tuples(*[st.sampled_from([0.25, 0.5, 1, 1, 2, 3, 4])] * 3),
    transform=st.sampled_from(TRANSFORMS),
    rounding=st.sampled_from(ROUNDINGS),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_convolutions(
    rewrite: Apply, dims: tuple[int, ...], factors: tuple[float, float, float], transform: str, rounding: str, dtype: str
) -> None:
    dims = (dims[0], *(max(size, int(1 / factor)) for size, factor in zip(dims[1:], factors, strict=True)))
    model = resized(list(dims), [1, *factors], dtype=dtype, coordinate_transformation_mode=transform, nearest_mode=rounding)
    trial = rewrite(model, "resize-to-conv")
    if "it takes everything as it is" not in "".join(trial.reasons):
        assert ("Resize" in trial.operators) == (trial.found.before.verdict == "full")
    assert trial.found.after.verdict == "full" or not trial.found.changes


@pytest.mark.parametrize(
    ("scales", "operators"),
    [
        ([1, 1, 2, 2], ["ConvTranspose"]),
        ([1, 1, 32, 1], ["ConvTranspose", "ConvTranspose"]),
        ([1, 2, 2, 2], ["ConvTranspose"]),
        ([1, 2, 1, 1], ["Conv"]),
        ([1, 1, 0.5, 0.5], ["MaxPool"]),
        ([1, 1, 0.5, 2], ["MaxPool", "ConvTranspose"]),
    ],
)
def test_forms(rewrite: Apply, scales: list[float], operators: list[str]) -> None:
    model = resized([1, 4, 8, 8], scales, coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    trial = rewrite(model, "resize-to-conv", XAVIER)
    assert trial.operators == ["Conv", *operators]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101"}
    assert trial.found.after.verdict == "full"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=maps,
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    transform=st.sampled_from(TRANSFORMS),
    rounding=st.sampled_from(ROUNDINGS),
)
def test_any_sizes(rewrite: Apply, dims: tuple[int, ...], sizes: tuple[int, int], transform: str, rounding: str) -> None:
    made = [*dims[:2], *sizes]
    body = f'y = Resize<coordinate_transformation_mode="{transform}", nearest_mode="{rounding}">(t, , , s)'
    trial = rewrite(behind_conv(dims, made, body, [ints("s", made)], opset=19), "resize-to-conv")
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} <= {"DLA511", "DLA515"}
    refusals = ("it takes everything as it is", "the elements it samples depend on how its scales are rounded")
    assert "Resize" not in trial.operators or trial.reasons[0].removeprefix("does not apply: ") in refusals


@pytest.mark.parametrize(("opset", "body"), [(8, "y = Upsample<scales=[1.0, 1.0, 2.0, 3.0]>(t)"), (9, "y = Upsample(t, s)")])
def test_upsample(rewrite: Apply, opset: int, body: str) -> None:
    given = ["float[4] s = {1, 1, 2, 3}"] if opset == 9 else []
    trial = rewrite(behind_conv([1, 2, 3, 3], [1, 2, 6, 9], body, given, opset=opset), "resize-to-conv", XAVIER)
    assert trial.operators == ["Conv", "ConvTranspose"]


def test_resize_of_operator_set_10(rewrite: Apply) -> None:
    given = ["float[4] s = {1, 1, 2, 3}"]
    trial = rewrite(behind_conv([1, 2, 3, 3], [1, 2, 6, 9], "y = Resize(t, s)", given, opset=10), "resize-to-conv", XAVIER)
    assert trial.operators == ["Conv", "ConvTranspose"]


def lower_half(scales: list[float]) -> ModelProto:
    return resized([1, 2, 4, 4], scales, coordinate_transformation_mode="half_pixel", nearest_mode="floor")


@pytest.mark.parametrize(
    ("name", "target", "model", "reason"),
    [
        ("resize-sampling", OLDER, lower_half([1, 1, 2, 2]), "it does not repeat every element alike"),
        ("resize-sampling", OLDER, lower_half([1, 1, 1.5, 2]), "its factors are no whole numbers"),
        (
            "resize-to-conv",
            XAVIER,
            behind_conv(
                [1, 1, 1, 14],
                [1, 1, 1, 4],
                'y = Resize<coordinate_transformation_mode="asymmetric", nearest_mode="floor">(t, , , s)',
                [ints("s", [1, 1, 1, 4])],
            ),
            "the elements it samples depend on how its scales are rounded",
        ),
        ("resize-sampling", OLDER, lower_half([1, 1, 0.5, 2]), "its factors are no whole numbers"),
        ("resize-sampling", OLDER, resized([1, 2, 4, 4], [1, 1, 2, 2], mode="linear"), "it interpolates (linear)"),
        ("resize-sizes-to-scales", ORIN, resized([1, 2, 4, 4], [1, 1, 1.5, 2], sized=True), "its sizes are no multiples of those before"),
        ("resize-to-conv", XAVIER, resized([1, 2, 4, 4], [1, 1, 2, 2], mode="cubic"), "it interpolates (cubic)"),
        (
            "resize-to-conv",
            XAVIER,
            behind_conv(
                [1, 2, 4, 4],
                [1, 2, 8, 8],
                'y = Resize<axes=[2, 3], keep_aspect_ratio_policy="not_larger">(t, , , s)',
                [ints("s", [8, 9])],
                opset=19,
            ),
            "it crops, or keeps the aspect ratio",
        ),
        (
            "resize-to-conv",
            XAVIER,
            resized([1, 2, 4, 4], [1, 1, 2, 2], opset=11, coordinate_transformation_mode="tf_half_pixel_for_nn"),
            "its rounding goes beyond the last element",
        ),
        (
            "resize-to-conv",
            XAVIER,
            text(
                "g (float[1,2,4,4] x, float[4] n) => (float[1,2,a,b] y) <float o = {0}, float two = {1}>"
                " { p = Mul(n, o) s = Add(p, two) y = Resize(x, , s) }"
            ),
            "its shapes are not static",
        ),
        (
            "resize-to-conv",
            XAVIER,
            text("g (float[1,2,4] x) => (float[1,2,8] y) <float[3] s = {1, 1, 2}> { y = Resize(x, , s) }"),
            "its input has not four static dimensions",
        ),
    ],
)
def test_misses(rewrite: Apply, name: str, target: str, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, name, target)
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes


def test_an_upsampled_map_of_many_channels_is_not_made(rewrite: Apply) -> None:
    model = resized([1, 4096, 1, 1], [1, 1, 2, 2], coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    assert rewrite(model, "resize-to-conv", XAVIER).reasons == [f"does not apply: it would take {4096 * 4096 * 4} weights"]
    assert np.prod([4096, 4096, 4]) > 1 << 24

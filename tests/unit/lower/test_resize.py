"""Resizes as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


def resize(attributes: str = "", inputs: str = "x, , s", values: str = "float[4] s = {1,1,2,2}") -> str:
    return f"(float[1,4,8,8] x) => (float[1,4,16,16] y) <{values}> {{ y = Resize{attributes}({inputs}) }}"


@pytest.mark.parametrize("release", ["8.0", "8.5", "10.3"])
@pytest.mark.parametrize("opset", [11, 13])
def test_defaults(lowered: Lower, release: str, opset: int) -> None:
    made = lowered(resize(inputs="x, r, s", values="float[4] s = {1,1,2,2}, float[0] r = {}"), release, opset)
    assert made.wiring == ["RESIZE x > y"]
    assert made.params("RESIZE") == {
        "mode": "NEAREST",
        "coordinates": "HALF_PIXEL",
        "selector": "FORMULA",
        "rounding": "HALF_DOWN",
        "scales": (1.0, 1.0, 2.0, 2.0),
        "explicit": False,
        "scale_count": 4,
    }


@pytest.mark.parametrize(
    ("transform", "coordinates", "selector", "rounding"),
    [
        ("half_pixel", "HALF_PIXEL", "FORMULA", "FLOOR"),
        ("pytorch_half_pixel", "HALF_PIXEL", "UPPER", "FLOOR"),
        ("asymmetric", "ASYMMETRIC", "FORMULA", "FLOOR"),
        ("align_corners", "ALIGN_CORNERS", "FORMULA", "FLOOR"),
        ("tf_half_pixel_for_nn", "HALF_PIXEL", "FORMULA", "CEIL"),
    ],
)
def test_coordinates(lowered: Lower, transform: str, coordinates: str, selector: str, rounding: str) -> None:
    found = lowered(resize(f'<coordinate_transformation_mode="{transform}", nearest_mode="floor">'), "8.5").params("RESIZE")
    assert (found["coordinates"], found["selector"], found["rounding"]) == (coordinates, selector, rounding)


@pytest.mark.parametrize(
    ("given", "rounding"),
    [("floor", "FLOOR"), ("ceil", "CEIL"), ("round_prefer_floor", "HALF_DOWN"), ("round_prefer_ceil", "HALF_UP")],
)
def test_rounding(lowered: Lower, given: str, rounding: str) -> None:
    assert lowered(resize(f'<nearest_mode="{given}">'), "8.5").params("RESIZE")["rounding"] == rounding


@pytest.mark.parametrize(("given", "mode"), [("nearest", "NEAREST"), ("linear", "LINEAR"), ("cubic", "CUBIC")])
def test_modes(lowered: Lower, given: str, mode: str) -> None:
    assert lowered(resize(f'<mode="{given}">'), "8.5").params("RESIZE")["mode"] == mode


@pytest.mark.parametrize(("mode", "rounding"), [("nearest", "FLOOR"), ("linear", "HALF_DOWN")])
def test_operator_set_10_is_asymmetric(lowered: Lower, mode: str, rounding: str) -> None:
    found = lowered(resize(f'<mode="{mode}">', "x, s"), "8.5", 10).params("RESIZE")
    assert (found["coordinates"], found["selector"], found["rounding"]) == ("ASYMMETRIC", "FORMULA", rounding)
    assert found["scales"] == (1.0, 1.0, 2.0, 2.0)


@pytest.mark.parametrize("opset", [11, 13])
def test_sizes_are_output_dimensions(lowered: Lower, opset: int) -> None:
    graph = resize(inputs="x, r, r, s", values="int64[4] s = {1,4,16,16}, float[0] r = {}")
    found = lowered(graph, "8.5", opset).params("RESIZE")
    assert (found["explicit"], found["scales"], found["scale_count"]) == (True, None, 4)


def test_computed_scales_are_output_dimensions(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, float[4] s) => (float[1,4,16,16] y) { y = Resize(x, , s) }"
    found = lowered(graph, "8.5").params("RESIZE")
    assert (found["explicit"], found["scales"], found["scale_count"]) == (True, None, 4)


def test_scales_of_some_axes(lowered: Lower) -> None:
    made = lowered(resize("<axes=[3,-2]>", values="float[2] s = {2,3}"), "10.0", 18)
    assert made.params("RESIZE")["scales"] == (1.0, 1.0, 3.0, 2.0)


def test_upsample(lowered: Lower) -> None:
    graph = resize('<mode="linear">', "x, s").replace("Resize", "Upsample")
    assert lowered(graph, "5.1", 9).wiring == ["PLUGIN x > y"]
    made = lowered(graph, "6.0", 9)
    assert made.wiring == ["RESIZE x > y"]
    assert made.params("RESIZE") == {
        "mode": "LINEAR",
        "coordinates": "ASYMMETRIC",
        "selector": "FORMULA",
        "rounding": "FLOOR",
        "scales": (1.0, 1.0, 2.0, 2.0),
        "explicit": False,
        "scale_count": 4,
    }


def test_upsample_by_attribute(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x) => (float[1,4,16,16] y) { y = Upsample<scales=[1.0,1.0,2.0,2.0]>(x) }"
    found = lowered(graph, "8.5", 7).params("RESIZE")
    assert (found["mode"], found["scales"], found["explicit"]) == ("NEAREST", (1.0, 1.0, 2.0, 2.0), False)


def test_upsample_by_computed_scales(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, float[4] s) => (float[1,4,16,16] y) { y = Upsample(x, s) }"
    assert lowered(graph, "8.5", 9).params("RESIZE")["explicit"] is True


def test_grid_sample(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, float[1,6,6,2] g) => (y) { y = GridSample(x, g) }"
    assert lowered(graph, "8.5", 16).wiring == ["GRID_SAMPLE x g > y"]

"""Slices, joins, paddings and gathers as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]

SLICE = """(float[1,8,8,8] x) => (y) <int64[2] b = {0,2}, int64[2] e = {4,8}, int64[2] a = {1,3}, int64[2] s = {1,2}>
           { y = Slice(x, b, e, a, s) }"""


@pytest.mark.parametrize("release", ["6.0", "7.0", "8.5", "10.3"])
@pytest.mark.parametrize("opset", [10, 13])
def test_slice(lowered: Lower, release: str, opset: int) -> None:
    made = lowered(SLICE, release, opset)
    assert made.wiring == ["SLICE x > y"]
    assert made.params("SLICE") == {"mode": "DEFAULT", "static": True, "axes": (1, 3), "stride": (1, 2)}


def test_slice_by_attributes(lowered: Lower) -> None:
    made = lowered("(float[1,8,8,8] x) => (y) { y = Slice<starts=[1], ends=[5], axes=[2]>(x) }", "7.1", 9)
    assert made.params("SLICE") == {"mode": "DEFAULT", "static": True, "axes": (2,), "stride": (1,)}


@pytest.mark.parametrize(("release", "layer"), [("5.1", "IDENTITY x > y"), ("6.0", "SLICE x > y"), ("8.5", "SLICE x > y")])
def test_slice_of_everything(lowered: Lower, release: str, layer: str) -> None:
    assert lowered("(float[1,8,8,8] x) => (y) { y = Slice<starts=[0], ends=[8], axes=[2]>(x) }", release, 9).wiring == [layer]


def test_slice_with_a_computed_start(lowered: Lower) -> None:
    graph = "(float[1,8,8,8] x, int64[1] b) => (float[1,4,8,8] y) <int64[1] e = {8}, int64[1] a = {1}> { y = Slice(x, b, e, a) }"
    made = lowered(graph, "8.5")
    assert made.wiring == ["SLICE x b > y"]
    assert made.params("SLICE") == {"mode": "DEFAULT", "static": False, "axes": (1,), "stride": (1,)}


def test_split(lowered: Lower) -> None:
    graph = "(float[1,8,8,8] x) => (y, z) <int64[2] s = {2,6}> { y, z = Split<axis=-3>(x, s) }"
    assert lowered(graph, "6.0").wiring == ["PLUGIN x > y", "PLUGIN x > z"]
    made = lowered(graph, "7.0")
    assert made.wiring == ["SLICE x > y", "SLICE x > z"]
    assert made.params("SLICE", 1) == {"mode": "DEFAULT", "static": True, "axes": (1,), "stride": (1,)}


def test_split_by_computed_sizes(lowered: Lower) -> None:
    graph = "(float[1,8,8,8] x, int64[2] s) => (float[1,2,8,8] y, float[1,6,8,8] z) { y, z = Split<axis=1>(x, s) }"
    assert lowered(graph, "8.5").params("SLICE")["static"] is False


def test_split_of_a_tensor_of_unknown_rank_makes_all_its_outputs(lowered: Lower) -> None:
    made = lowered("(float[1,8] x) => (y, z) { t = custom.Unknown(x) y, z = Split<axis=1>(t) }", "8.5")
    assert made.wiring == ["PLUGIN x > t", "SLICE t > y", "SLICE t > z"]


@pytest.mark.parametrize(("axis", "resolved"), [(1, 1), (-1, 3)])
def test_concat(lowered: Lower, axis: int, resolved: int) -> None:
    made = lowered(f"(float[1,4,8,8] a, float[1,4,8,8] b) => (y) {{ y = Concat<axis={axis}>(a, b) }}", "8.5")
    assert made.wiring == ["CONCATENATION a b > y"]
    assert made.params("CONCATENATION") == {"axis": resolved, "count": 2}


def test_concat_counts_constants(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] a) => (y) <float[1,1,8,8] c> { y = Concat<axis=1>(a, c) }", "8.5")
    assert made.params("CONCATENATION")["count"] == 2


def pad(attributes: str = "", values: str = "int64[8] p = {0,0,1,1,0,0,1,2}", inputs: str = "x, p") -> str:
    return f"(float[1,8,8,8] x) => (y) <{values}> {{ y = Pad{attributes}({inputs}) }}"


@pytest.mark.parametrize("release", ["5.1", "7.2", "8.0"])
def test_pad_is_a_padding_layer_up_to_8_0(lowered: Lower, release: str) -> None:
    made = lowered(pad(), release)
    assert made.wiring == ["PADDING x > y"]
    assert made.params("PADDING") == {"mode": "constant"}


@pytest.mark.parametrize("release", ["8.2", "8.5", "10.3"])
@pytest.mark.parametrize(("given", "mode"), [("constant", "FILL"), ("reflect", "REFLECT"), ("edge", "CLAMP")])
def test_pad_is_a_slice_from_8_2(lowered: Lower, release: str, given: str, mode: str) -> None:
    made = lowered(pad(f'<mode="{given}">'), release)
    assert made.wiring == ["SLICE x > y"]
    assert made.params("SLICE") == {"mode": mode, "static": True, "axes": (2, 3), "stride": (1,), "fill": 0.0}


@pytest.mark.parametrize(
    ("release", "layer"), [("5.1", "PADDING x > y"), ("7.2", "PADDING x > y"), ("8.0", "IDENTITY x > y"), ("10.3", "IDENTITY x > y")]
)
def test_pad_by_nothing(lowered: Lower, release: str, layer: str) -> None:
    assert lowered(pad(values="int64[8] p = {0,0,0,0,0,0,0,0}"), release).wiring == [layer]


def test_what_a_pad_fills_with(lowered: Lower) -> None:
    values = "int64[8] p = {0,0,1,1,0,0,1,1}, float v = {2.5}"
    assert lowered(pad(values=values, inputs="x, p, v"), "8.5").params("SLICE")["fill"] == 2.5
    attributes = "(float[1,8,8,8] x) => (y) { y = Pad<pads=[0,0,1,1,0,0,1,1], value=0.5>(x) }"
    assert lowered(attributes, "8.5", 10).params("SLICE")["fill"] == 0.5
    computed = "(float[1,8,8,8] x, float v) => (y) <int64[8] p = {0,0,1,1,0,0,1,1}> { y = Pad(x, p, v) }"
    assert lowered(computed, "8.5").params("SLICE")["fill"] is None


def test_computed_pads(lowered: Lower) -> None:
    made = lowered("(float[1,8,8,8] x, int64[8] p) => (float[1,8,9,9] y) { y = Pad(x, p) }", "8.5")
    assert made.params("SLICE")["static"] is False


def test_expand_reads_axes_of_length_one_with_stride_0(lowered: Lower) -> None:
    made = lowered("(float[1,4,1,8] x) => (y) <int64[4] s = {1,4,6,8}> { y = Expand(x, s) }", "8.5")
    assert made.wiring == ["SLICE x > y"]
    assert made.params("SLICE") == {"mode": "DEFAULT", "static": True, "axes": (2,), "stride": (0, 1, 0, 1)}


def test_expand_to_a_higher_rank(lowered: Lower) -> None:
    made = lowered("(float[4,8] x) => (y) <int64[4] s = {2,3,4,8}> { y = Expand(x, s) }", "8.5")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "SLICE y#t0 > y"]
    assert made.shape("y#t0") == (1, 1, 4, 8)
    assert made.params("SLICE") == {"mode": "DEFAULT", "static": True, "axes": (0, 1), "stride": (0, 0, 1, 1)}


def test_tile_wraps(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] x) => (y) <int64[4] r = {1,1,2,2}> { y = Tile(x, r) }", "8.5")
    assert made.wiring == ["SLICE x > y"]
    assert made.params("SLICE") == {"mode": "WRAP", "static": True, "axes": (2, 3), "stride": (1,)}


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("Gather(x, i)", "GATHER x i"),
        ("GatherElements(x, i)", "GATHER x i"),
        ("ScatterElements(x, i, u)", "SCATTER x i u"),
        ("Trilu(x)", "SELECT x"),
        ("NonZero(x)", "NON_ZERO x"),
    ],
)
def test_indexed_reads_and_writes(lowered: Lower, call: str, kind: str) -> None:
    graph = f"(float[4,8] x, int64[4,8] i, float[4,8] u) => (y) {{ y = {call} }}"
    assert lowered(graph, "8.5", 16).wiring == [f"{kind} > y"]

"""Poolings as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


def pool(op: str, attributes: str, size: str = "16,16") -> str:
    return f"(float[1,4,{size}] x) => (y) {{ y = {op}<{attributes}>(x) }}"


@pytest.mark.parametrize("release", ["5.1", "6.0", "7.0", "8.5", "10.3"])
def test_max_pool(lowered: Lower, release: str) -> None:
    made = lowered(pool("MaxPool", "kernel_shape=[3,2], strides=[2,1], pads=[1,0,0,1]"), release)
    assert made.wiring == ["POOLING.MAX x > y"]
    assert made.params("POOLING") == {
        "op": "MAX",
        "window": (3, 2),
        "stride": (2, 1),
        "pre_padding": (1, 0),
        "post_padding": (0, 1),
        "exclusive": False,
        "spatial": 2,
        "dilated": False,
    }


@pytest.mark.parametrize(("release", "exclusive"), [("5.1", True), ("6.0", True), ("7.0", False), ("10.3", False)])
def test_padding_in_an_average_counts_from_7_0(lowered: Lower, release: str, exclusive: bool) -> None:
    made = lowered(pool("AveragePool", "kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1"), release)
    assert made.wiring == ["POOLING.AVERAGE x > y"]
    found = made.params("POOLING")
    assert (found["exclusive"], found["pre_padding"], found["post_padding"]) == (exclusive, (1, 1), (1, 1))


@pytest.mark.parametrize("release", ["5.1", "7.0", "10.3"])
def test_average_without_the_padding(lowered: Lower, release: str) -> None:
    made = lowered(pool("AveragePool", "kernel_shape=[3,3]"), release)
    assert made.params("POOLING")["exclusive"] is True


@pytest.mark.parametrize(
    ("release", "opset", "post"),
    [("5.1", 13, (0, 0)), ("6.0", 13, (1, 1)), ("6.0", 9, (0, 0)), ("7.0", 13, (1, 1)), ("10.3", 10, (1, 1))],
)
def test_ceil_mode(lowered: Lower, release: str, opset: int, post: object) -> None:
    attribute = ", ceil_mode=1" if opset > 9 else ""
    made = lowered(pool("MaxPool", f"kernel_shape=[3,3], strides=[2,2]{attribute}"), release, opset)
    assert (made.params("POOLING")["pre_padding"], made.params("POOLING")["post_padding"]) == ((0, 0), post)


@pytest.mark.parametrize(("size", "post"), [("15,15", (1, 3)), ("16,17", (2, 1)), ("14,18", (2, 4))])
def test_ceil_mode_reaches_as_far_as_the_last_window(lowered: Lower, size: str, post: object) -> None:
    made = lowered(pool("MaxPool", "kernel_shape=[3,3], strides=[2,4], pads=[1,1,1,1], ceil_mode=1", size), "8.5")
    assert made.params("POOLING")["post_padding"] == post


def test_automatic_padding_goes_before_ceil_mode(lowered: Lower) -> None:
    made = lowered(pool("MaxPool", 'kernel_shape=[3,3], strides=[2,2], auto_pad="SAME_UPPER", ceil_mode=1'), "8.5")
    assert (made.params("POOLING")["pre_padding"], made.params("POOLING")["post_padding"]) == ((0, 0), (1, 1))


@pytest.mark.parametrize(("release", "pre", "post"), [("5.1", (0, 0), (0, 0)), ("6.0", (0, 0), (0, 0)), ("7.0", (0, 1), (1, 1))])
def test_automatic_padding_of_an_average_is_read_from_7_0(lowered: Lower, release: str, pre: object, post: object) -> None:
    made = lowered(pool("AveragePool", 'kernel_shape=[3,3], strides=[2,1], auto_pad="SAME_UPPER"'), release)
    assert made.wiring == ["POOLING.AVERAGE x > y"]
    assert (made.params("POOLING")["pre_padding"], made.params("POOLING")["post_padding"]) == (pre, post)


@pytest.mark.parametrize("release", ["5.1", "6.0"])
def test_one_more_row_behind_in_old_averages(lowered: Lower, release: str) -> None:
    made = lowered(pool("AveragePool", "kernel_shape=[3,3], strides=[2,3], pads=[0,1,1,1]"), release)
    assert made.wiring == ["POOLING.AVERAGE x > y#t0", "PADDING y#t0 > y"]
    assert (made.shape("y#t0"), made.shape("y")) == ((1, 4, 9, 6), (1, 4, 8, 6))
    assert (made.params("POOLING")["pre_padding"], made.params("POOLING")["post_padding"]) == ((2, 1), (2, 1))


def test_one_more_row_behind_stays_in_the_layer_from_7_0(lowered: Lower) -> None:
    made = lowered(pool("AveragePool", "kernel_shape=[3,3], strides=[2,3], pads=[0,1,1,1]"), "7.0")
    assert made.wiring == ["POOLING.AVERAGE x > y"]
    assert (made.params("POOLING")["pre_padding"], made.params("POOLING")["post_padding"]) == ((0, 1), (1, 1))


@pytest.mark.parametrize(("dilation", "dilated"), [(1, False), (2, True)])
def test_dilation(lowered: Lower, dilation: int, dilated: bool) -> None:
    made = lowered(pool("MaxPool", f"kernel_shape=[3,3], dilations=[1,{dilation}]"), "8.5")
    assert made.params("POOLING")["dilated"] is dilated


@pytest.mark.parametrize(("op", "kind"), [("MaxPool", "MAX"), ("AveragePool", "AVERAGE")])
@pytest.mark.parametrize("release", ["6.0", "8.5"])
def test_one_dimension_becomes_two(lowered: Lower, op: str, kind: str, release: str) -> None:
    made = lowered(pool(op, "kernel_shape=[4], strides=[3], pads=[2,2]", "16"), release)
    assert made.wiring == ["[SHUFFLE x > y#t0]", f"POOLING.{kind} y#t0 > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((1, 4, 16, 1), (1, 4, 6, 1))
    found = made.params("POOLING")
    assert (found["window"], found["stride"], found["spatial"]) == ((4, 1), (3, 1), 2)
    assert (found["pre_padding"], found["post_padding"]) == ((2, 0), (2, 0))


def test_one_more_element_behind_in_an_old_one_dimensional_average(lowered: Lower) -> None:
    made = lowered(pool("AveragePool", "kernel_shape=[4], strides=[2], pads=[1,2]", "17"), "6.0")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "POOLING.AVERAGE y#t0 > y#t1", "PADDING y#t1 > y#t2", "[SHUFFLE y#t2 > y]"]
    assert made.params("POOLING")["pre_padding"] == (3, 0)
    assert (made.shape("y#t1"), made.shape("y#t2")) == ((1, 4, 10, 1), (1, 4, 9, 1))


def test_three_dimensions_stay(lowered: Lower) -> None:
    made = lowered(pool("MaxPool", "kernel_shape=[2,2,2]", "8,8,8"), "8.5")
    assert made.wiring == ["POOLING.MAX x > y"]
    assert made.params("POOLING")["spatial"] == 3


@pytest.mark.parametrize(("kernel", "size", "last"), [("2,2", "8,8", "POOLING.MAX x > y"), ("2", "8", "[SHUFFLE y#t1 > y]")])
def test_indices_are_no_work_of_the_pooling(lowered: Lower, kernel: str, size: str, last: str) -> None:
    graph = f"(float[1,4,{size}] x) => (y, z) {{ y, z = MaxPool<kernel_shape=[{kernel}]>(x) }}"
    assert lowered(graph, "8.5").wiring[-2:] == [last, "PLUGIN x > z"]


@pytest.mark.parametrize(("op", "pooling", "reduction"), [("GlobalAveragePool", "AVERAGE", "AVG"), ("GlobalMaxPool", "MAX", "MAX")])
def test_global_pool(lowered: Lower, op: str, pooling: str, reduction: str) -> None:
    graph = f"(float[1,4,7,9] x) => (y) {{ y = {op}(x) }}"
    old, new = lowered(graph, "6.0"), lowered(graph, "7.0")
    assert old.wiring == [f"POOLING.{pooling} x > y"]
    assert old.params("POOLING") == {
        "op": pooling,
        "window": (7, 9),
        "stride": (1, 1),
        "pre_padding": (0, 0),
        "post_padding": (0, 0),
        "exclusive": pooling == "AVERAGE",
        "spatial": 2,
        "dilated": False,
    }
    assert new.wiring == [f"REDUCE.{reduction} x > y"]
    assert new.params("REDUCE") == {"op": reduction, "axes": (2, 3), "keep": True}


def test_global_pool_of_one_and_three_dimensions(lowered: Lower) -> None:
    assert lowered("(float[1,4,7] x) => (y) { y = GlobalMaxPool(x) }", "8.5").params("REDUCE")["axes"] == (2,)
    assert lowered("(float[1,4,7,7,7] x) => (y) { y = GlobalMaxPool(x) }", "8.5").params("REDUCE")["axes"] == (2, 3, 4)


def test_pool_by_norm(lowered: Lower) -> None:
    made = lowered(pool("LpPool", "kernel_shape=[3,3], pads=[1,1,1,1]"), "8.5")
    assert made.wiring == [
        "ELEMENTWISE.PROD x x > y#t0",
        "POOLING.AVERAGE y#t0 > y#t1",
        "ELEMENTWISE.PROD y#t1 > y#t2",
        "UNARY.SQRT y#t2 > y",
    ]
    assert made.params("POOLING")["exclusive"] is False
    assert made.params("ELEMENTWISE", 1) == {"op": "PROD", "constants": 1, "broadcast": False}
    assert lowered(pool("LpPool", "kernel_shape=[3,3], p=1"), "8.5").wiring == [
        "UNARY.ABS x > y#t0",
        "POOLING.AVERAGE y#t0 > y#t1",
        "ELEMENTWISE.PROD y#t1 > y",
    ]


def test_global_pool_by_norm(lowered: Lower) -> None:
    made = lowered("(float[1,4,7,7] x) => (y) { y = GlobalLpPool(x) }", "8.5")
    assert made.wiring == ["ELEMENTWISE.POW x > y#t0", "REDUCE.SUM y#t0 > y#t1", "ELEMENTWISE.POW y#t1 > y"]
    assert made.params("REDUCE")["axes"] == (2, 3)


def test_regions_are_a_plugin(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, float[2,4] r, int64[2] b) => (y) { y = RoiAlign(x, r, b) }"
    assert lowered(graph, "8.5").wiring == ["PLUGIN x r b > y"]

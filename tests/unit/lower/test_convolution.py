"""Convolutions and deconvolutions as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]

CONV = "(float[1,4,16,12] x) => (float[1,8,14,10] y) <float[8,4,3,3] w, float[8] b> { y = Conv(x, w, b) }"


@pytest.mark.parametrize("release", ["5.0", "7.1", "8.6", "10.3"])
def test_conv(lowered: Lower, release: str) -> None:
    made = lowered(CONV, release)
    assert made.wiring == ["CONVOLUTION x w b > y"]
    assert made.params("CONVOLUTION") == {
        "kernel": (3, 3),
        "stride": (1, 1),
        "dilation": (1, 1),
        "pre_padding": (0, 0),
        "post_padding": (0, 0),
        "groups": 1,
        "maps": 8,
        "spatial": 2,
        "weights_constant": True,
    }


def test_conv_with_every_attribute(lowered: Lower) -> None:
    made = lowered(
        """(float[1,4,16,16] x) => (float[1,8,8,7] y) <float[8,1,3,5] w>
           { y = Conv<kernel_shape=[3,5], strides=[2,1], dilations=[1,3], pads=[1,0,1,3], group=4>(x, w) }""",
        "8.5",
    )
    found = made.params("CONVOLUTION")
    assert (found["kernel"], found["stride"], found["dilation"], found["groups"]) == ((3, 5), (2, 1), (1, 3), 4)
    assert (found["pre_padding"], found["post_padding"]) == ((1, 0), (1, 3))


@pytest.mark.parametrize(
    ("auto_pad", "pre", "post"), [("SAME_UPPER", (0, 1), (1, 1)), ("SAME_LOWER", (1, 1), (0, 1)), ("VALID", (0, 0), (0, 0))]
)
def test_automatic_padding(lowered: Lower, auto_pad: str, pre: object, post: object) -> None:
    made = lowered(f'(float[1,4,16,15] x) => (y) <float[8,4,3,3] w> {{ y = Conv<auto_pad="{auto_pad}", strides=[2,2]>(x, w) }}', "7.1")
    assert made.params("CONVOLUTION")["pre_padding"] == pre
    assert made.params("CONVOLUTION")["post_padding"] == post


def test_automatic_padding_counts_dilation(lowered: Lower) -> None:
    made = lowered('(float[1,4,16,16] x) => (y) <float[8,4,3,2] w> { y = Conv<auto_pad="SAME_UPPER", dilations=[2,3]>(x, w) }', "8.5")
    assert (made.params("CONVOLUTION")["pre_padding"], made.params("CONVOLUTION")["post_padding"]) == ((2, 1), (2, 2))


def test_automatic_padding_of_a_free_size_is_not_known(lowered: Lower) -> None:
    made = lowered('(float[1,4,H,16] x) => (y) <float[8,4,3,3] w> { y = Conv<auto_pad="SAME_UPPER">(x, w) }', "8.5")
    assert made.params("CONVOLUTION")["pre_padding"] is None
    assert made.params("CONVOLUTION")["post_padding"] is None


def test_one_dimension_becomes_two(lowered: Lower) -> None:
    made = lowered("(float[1,4,16] x) => (float[1,8,8] y) <float[8,4,3] w> { y = Conv<strides=[2], pads=[1,1]>(x, w) }", "8.5")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "CONVOLUTION y#t0 w > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((1, 4, 16, 1), (1, 8, 8, 1))
    found = made.params("CONVOLUTION")
    assert (found["kernel"], found["stride"], found["dilation"], found["spatial"]) == ((3, 1), (2, 1), (1, 1), 2)
    assert (found["pre_padding"], found["post_padding"]) == ((1, 0), (1, 0))


def test_three_dimensions_stay(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8,8] x) => (y) <float[8,4,3,3,3] w> { y = Conv(x, w) }", "8.5")
    assert made.wiring == ["CONVOLUTION x w > y"]
    assert made.params("CONVOLUTION")["spatial"] == 3


@pytest.mark.parametrize(("inputs", "weights"), [("float[8,4,3,3] w", "float[8] b"), ("float[8] b", "float[8,4,3,3] w")])
def test_computed_weights_or_bias(lowered: Lower, inputs: str, weights: str) -> None:
    made = lowered(f"(float[1,4,16,16] x, {inputs}) => (y) <{weights}> {{ y = Conv(x, w, b) }}", "8.5")
    assert made.wiring == ["CONVOLUTION x w b > y"]
    assert made.params("CONVOLUTION")["weights_constant"] is False


def transposed(attributes: str, *, size: int = 8, kernel: int = 3, bias: str = "") -> str:
    inputs, weights = ("x, w, b", ", float[6] b") if bias else ("x, w", "")
    return f"(float[1,4,{size},{size}] x) => (y) <float[4,6,{kernel},{kernel}] w{weights}> {{ y = ConvTranspose<{attributes}>({inputs}) }}"


def padding(made: Any) -> tuple[object, object]:
    found = made.params("DECONVOLUTION")
    return found["pre_padding"], found["post_padding"]


def test_deconvolution(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] x) => (y) <float[4,3,4,2] w, float[6] b> { y = ConvTranspose<strides=[2,2], group=2>(x, w, b) }", "8.5")
    assert made.wiring == ["DECONVOLUTION x w b > y"]
    assert made.params("DECONVOLUTION") == {
        "kernel": (4, 2),
        "stride": (2, 2),
        "dilation": (1, 1),
        "pre_padding": (0, 0),
        "post_padding": (0, 0),
        "groups": 2,
        "maps": 6,
        "spatial": 2,
        "weights_constant": True,
    }


@pytest.mark.parametrize(
    ("auto_pad", "kernel", "pre", "post"),
    [("SAME_UPPER", 3, 0, 1), ("SAME_LOWER", 3, 1, 0), ("SAME_UPPER", 4, 1, 1), ("SAME_UPPER", 1, 0, 0)],
)
def test_deconvolution_with_automatic_padding(lowered: Lower, auto_pad: str, kernel: int, pre: int, post: int) -> None:
    made = lowered(transposed(f'strides=[2,2], auto_pad="{auto_pad}"', kernel=kernel), "8.5")
    assert padding(made) == ((pre, pre), (post, post))


@pytest.mark.parametrize("release", ["7.0", "8.0", "8.2", "10.3"])
def test_output_padding_is_taken_from_the_padding_behind(lowered: Lower, release: str) -> None:
    made = lowered(transposed("strides=[2,2], pads=[1,1,1,1], output_padding=[1,0]", bias="b"), release)
    assert made.wiring == ["DECONVOLUTION x w b > y"]
    assert padding(made) == ((1, 1), (0, 1))


@pytest.mark.parametrize(("release", "post"), [("5.1", (-1, 0)), ("6.0", (0, 0))])
def test_output_padding_in_old_parsers(lowered: Lower, release: str, post: object) -> None:
    made = lowered(transposed("strides=[2,2], pads=[0,0,0,1], output_padding=[1,1]", bias="b"), release)
    assert made.wiring == ["DECONVOLUTION x w b > y"]
    assert padding(made) == ((0, 0), post)


@pytest.mark.parametrize(("release", "layer"), [("7.0", "PADDING"), ("8.0", "PADDING"), ("8.2", "SLICE"), ("10.1", "SLICE")])
def test_output_padding_beyond_the_padding(lowered: Lower, release: str, layer: str) -> None:
    made = lowered(transposed("strides=[2,2], pads=[0,0,0,1], output_padding=[1,1]", bias="b"), release)
    assert made.wiring == ["DECONVOLUTION x w > y#t0", f"{layer} y#t0 > y#t1", "ELEMENTWISE.SUM y#t1 b > y"]
    assert padding(made) == ((0, 0), (0, 0))
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((1, 6, 17, 17), (1, 6, 18, 17))
    assert made.params("ELEMENTWISE") == {"op": "SUM", "constants": 1, "broadcast": False}
    if layer == "SLICE":
        assert made.params("SLICE") == {"mode": "FILL", "static": True, "axes": (2,), "stride": (1,), "fill": 0.0}


def test_output_padding_beyond_the_padding_without_bias(lowered: Lower) -> None:
    made = lowered(transposed("strides=[2,2], output_padding=[1,1]"), "8.5")
    assert made.wiring == ["DECONVOLUTION x w > y#t0", "SLICE y#t0 > y"]
    assert made.params("SLICE")["axes"] == (2, 3)


def test_output_padding_in_one_dimension(lowered: Lower) -> None:
    made = lowered(
        "(float[1,4,8] x) => (y) <float[4,6,3] w, float[6] b> { y = ConvTranspose<strides=[2], output_padding=[1]>(x, w, b) }", "8.5"
    )
    assert made.wiring == [
        "[SHUFFLE x > y#t0]",
        "DECONVOLUTION y#t0 w > y#t1",
        "SLICE y#t1 > y#t2",
        "ELEMENTWISE.SUM y#t2 b > y#t3",
        "[SHUFFLE y#t3 > y]",
    ]
    assert [made.shape(f"y#t{index}") for index in range(4)] == [(1, 4, 8, 1), (1, 6, 17, 1), (1, 6, 18, 1), (1, 6, 18, 1)]
    assert made.params("SLICE")["axes"] == (2,)
    assert made.params("DECONVOLUTION")["kernel"] == (3, 1)


@pytest.mark.parametrize("release", ["7.1", "8.5", "10.1"])
@pytest.mark.parametrize(("wanted", "pre", "post"), [(17, 0, 0), (16, 0, 1), (15, 1, 1), (14, 1, 2)])
def test_output_shape_gives_the_padding(lowered: Lower, release: str, wanted: int, pre: int, post: int) -> None:
    made = lowered(transposed(f"strides=[2,2], output_shape=[{wanted},17]"), release)
    assert made.wiring == ["DECONVOLUTION x w > y"]
    assert padding(made) == ((pre, 0), (post, 0))


def test_output_shape_beyond_the_deconvolution(lowered: Lower) -> None:
    made = lowered(transposed("strides=[2,2], output_shape=[18,17]"), "8.5")
    assert made.wiring == ["DECONVOLUTION x w > y#t0", "SLICE y#t0 > y"]
    assert padding(made) == ((0, 0), (0, 0))
    assert made.params("SLICE")["axes"] == (2,)


def test_output_shape_and_output_padding(lowered: Lower) -> None:
    made = lowered(transposed("strides=[2,2], output_shape=[16,16], output_padding=[1,1]"), "8.5")
    assert padding(made) == ((1, 1), (0, 0))


@pytest.mark.parametrize(("release", "pre", "post"), [("5.1", (1, 1), (1, 1)), ("6.0", (1, 1), (1, 1)), ("7.0", (1, 1), (0, 2))])
def test_output_shape_in_old_parsers(lowered: Lower, release: str, pre: object, post: object) -> None:
    made = lowered(transposed("strides=[2,2], pads=[1,1,1,1], output_shape=[16,14]"), release)
    assert made.wiring == ["DECONVOLUTION x w > y"]
    assert padding(made) == (pre, post)


def test_output_shape_of_a_free_input_is_not_known(lowered: Lower) -> None:
    made = lowered("(float[1,4,H,8] x) => (y) <float[4,6,3,3] w> { y = ConvTranspose<strides=[2,2], output_shape=[16,16]>(x, w) }", "8.5")
    assert padding(made) == (None, None)


def test_deformable_convolution_is_a_plugin(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, float[1,18,6,6] o) => (y) <float[8,4,3,3] w> { y = DeformConv(x, w, o) }"
    assert lowered(graph, "10.1", 19).wiring == ["PLUGIN x w o > y"]

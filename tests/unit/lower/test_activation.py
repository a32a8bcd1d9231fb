"""Activations and softmax as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dlalint.lower.activation import FLOAT_MAX

Lower = Callable[..., Any]


@pytest.mark.parametrize(
    ("op", "layer"),
    [
        ("Relu", "RELU"),
        ("Sigmoid", "SIGMOID"),
        ("Tanh", "TANH"),
        ("Elu", "ELU"),
        ("Selu", "SELU"),
        ("Softplus", "SOFTPLUS"),
        ("Softsign", "SOFTSIGN"),
        ("ThresholdedRelu", "THRESHOLDED_RELU"),
        ("HardSigmoid", "HARD_SIGMOID"),
    ],
)
@pytest.mark.parametrize("release", ["5.1", "8.5", "10.3"])
def test_one_layer(lowered: Lower, op: str, layer: str, release: str) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) {{ y = {op}(x) }}", release)
    assert made.wiring == [f"ACTIVATION.{layer} x > y"]
    assert made.params("ACTIVATION") == {"op": layer}


def test_leaky_relu(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (y, z) { y = LeakyRelu(x) z = LeakyRelu<alpha=0.25>(x) }", "8.5")
    assert [made.params("ACTIVATION", index)["alpha"] for index in (0, 1)] == [0.01, 0.25]


def test_gelu(lowered: Lower) -> None:
    assert lowered("(float[1,4] x) => (y) { y = Gelu(x) }", "10.0", 20).wiring == ["ACTIVATION.GELU_ERF x > y"]
    assert lowered('(float[1,4] x) => (y) { y = Gelu<approximate="tanh">(x) }', "10.0", 20).wiring == ["ACTIVATION.GELU_TANH x > y"]


def clip(*bounds: str, kind: str = "float") -> str:
    values = ", ".join(f"{kind} {name} = {{{value}}}" for name, value in (("lo", 0), ("hi", 6)) if name in bounds)
    return f"({kind}[1,4] x) => (y) <{values}> {{ y = Clip({', '.join(('x', *bounds))}) }}"


@pytest.mark.parametrize("release", ["7.0", "8.0", "10.3"])
@pytest.mark.parametrize(
    ("bounds", "alpha", "beta"),
    [(("lo", "hi"), 0.0, 6.0), (("lo",), 0.0, FLOAT_MAX)],
)
@pytest.mark.parametrize("opset", [11, 13])
def test_clip_by_constants(lowered: Lower, release: str, bounds: tuple[str, ...], alpha: float, beta: float, opset: int) -> None:
    made = lowered(clip(*bounds), release, opset)
    assert made.wiring == ["ACTIVATION.CLIP x > y"]
    assert made.params("ACTIVATION") == {"op": "CLIP", "alpha": alpha, "beta": beta}


@pytest.mark.parametrize("release", ["5.1", "7.1", "8.5", "10.3"])
def test_clip_by_attributes(lowered: Lower, release: str) -> None:
    made = lowered("(float[1,4] x) => (y, z) { y = Clip<min=-1.0, max=1.0>(x) z = Clip<max=6.0>(x) }", release, 10)
    assert made.params("ACTIVATION") == {"op": "CLIP", "alpha": -1.0, "beta": 1.0}
    assert made.params("ACTIVATION", 1) == {"op": "CLIP", "alpha": -FLOAT_MAX, "beta": 6.0}


def test_clip_whose_low_bound_is_left_out_by_an_empty_name(lowered: Lower) -> None:
    graph = clip("", "hi")
    assert lowered(graph, "7.2").params("ACTIVATION") == {"op": "CLIP", "alpha": -FLOAT_MAX, "beta": 6.0}
    for release in ("8.0", "8.5", "10.3"):
        made = lowered(graph, release)
        assert made.wiring == ["ELEMENTWISE.MAX x > y#t0", "ELEMENTWISE.MIN y#t0 hi > y"]
        assert made.params("ELEMENTWISE") == {"op": "MAX", "constants": 1, "broadcast": False}
        assert made.params("ELEMENTWISE", 1) == {"op": "MIN", "constants": 1, "broadcast": False}


def test_clip_of_integers(lowered: Lower) -> None:
    graph = clip("lo", "hi", kind="int32")
    assert lowered(graph, "7.2").wiring == ["ACTIVATION.CLIP x > y"]
    assert lowered(graph, "8.0").wiring == ["ELEMENTWISE.MAX x lo > y#t0", "ELEMENTWISE.MIN y#t0 hi > y"]
    assert lowered(clip("lo", kind="int32"), "8.0").wiring == ["ELEMENTWISE.MAX x lo > y#t0", "ELEMENTWISE.MIN y#t0 > y"]


def test_clip_by_a_computed_bound(lowered: Lower) -> None:
    graph = "(float[1,4] x, float lo) => (y) { y = Clip(x, lo) }"
    assert lowered(graph, "7.2").params("ACTIVATION")["alpha"] is None
    assert lowered(graph, "8.0").wiring == ["[SHUFFLE lo > y#t0]", "ELEMENTWISE.MAX x y#t0 > y#t1", "ELEMENTWISE.MIN y#t1 > y"]


@pytest.mark.parametrize("release", ["6.0", "7.0", "8.5"])
def test_prelu_by_a_constant(lowered: Lower, release: str) -> None:
    made = lowered("(float[1,4,8,8] x) => (y) <float[4,1,1] s> { y = PRelu(x, s) }", release)
    assert made.wiring == ["PARAMETRIC_RELU x s > y"]
    assert made.params("PARAMETRIC_RELU") == {"slope_constant": True, "slope_rank": 4}


def test_prelu_by_a_computed_slope(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, float[4,1,1] s) => (y) { y = PRelu(x, s) }"
    old, new = lowered(graph, "6.0"), lowered(graph, "7.0")
    assert old.wiring == ["PARAMETRIC_RELU x s > y"]
    assert old.params("PARAMETRIC_RELU") == {"slope_constant": False, "slope_rank": 3}
    assert new.wiring == ["[SHUFFLE s > y#t0]", "PARAMETRIC_RELU x y#t0 > y"]
    assert new.params("PARAMETRIC_RELU") == {"slope_constant": False, "slope_rank": 4}


def test_products_with_a_gate(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (y) { y = HardSwish(x) }", "8.4", 14)
    assert made.wiring == ["ACTIVATION.HARD_SIGMOID x > y#t0", "ELEMENTWISE.PROD x y#t0 > y"]
    assert made.params("ELEMENTWISE") == {"op": "PROD", "constants": 0, "broadcast": False}
    assert lowered("(float[1,4] x) => (y) { y = Mish(x) }", "10.0", 18).wiring == [
        "ACTIVATION.SOFTPLUS x > y#t0",
        "ACTIVATION.TANH y#t0 > y#t1",
        "ELEMENTWISE.PROD x y#t1 > y",
    ]


@pytest.mark.parametrize(("release", "op"), [("7.2", "POW"), ("8.2", "POW"), ("8.4", "PROD"), ("10.1", "PROD")])
def test_celu(lowered: Lower, release: str, op: str) -> None:
    made = lowered("(float[1,4] x) => (y) { y = Celu(x) }", release)
    assert made.wiring == [
        "ELEMENTWISE.DIV x > y#t0",
        "UNARY.EXP y#t0 > y#t1",
        "ELEMENTWISE.MAX x > y#t2",
        "ELEMENTWISE.SUB y#t1 > y#t3",
        f"ELEMENTWISE.{op} y#t3 > y#t4",
        "ELEMENTWISE.MIN y#t4 > y#t5",
        "ELEMENTWISE.SUM y#t2 y#t5 > y",
    ]


def test_shrink(lowered: Lower) -> None:
    assert lowered("(float[1,4] x) => (y) { y = Shrink(x) }", "8.4").wiring == [
        "ELEMENTWISE.GREATER x > y#t0",
        "ELEMENTWISE.SUB x > y#t1",
        "SELECT y#t0 y#t1 > y#t2",
        "ELEMENTWISE.LESS x > y#t3",
        "ELEMENTWISE.SUM x > y#t4",
        "SELECT y#t3 y#t4 y#t2 > y",
    ]


@pytest.mark.parametrize("release", ["7.2", "8.5", "10.3"])
@pytest.mark.parametrize(("attribute", "axis"), [("", 3), ("<axis=1>", 1), ("<axis=-2>", 2)])
def test_softmax_from_operator_set_13(lowered: Lower, release: str, attribute: str, axis: int) -> None:
    made = lowered(f"(float[2,4,8,8] x) => (y) {{ y = Softmax{attribute}(x) }}", release)
    assert made.wiring == ["SOFTMAX x > y"]
    assert made.params("SOFTMAX") == {"axis": axis}


@pytest.mark.parametrize(("release", "opset"), [("7.0", 11), ("7.1", 13), ("7.2", 11), ("10.3", 11)])
@pytest.mark.parametrize(("attribute", "matrix"), [("", (2, 256)), ("<axis=2>", (8, 64)), ("<axis=-1>", (64, 8))])
def test_softmax_of_a_matrix(lowered: Lower, release: str, opset: int, attribute: str, matrix: object) -> None:
    made = lowered(f"(float[2,4,8,8] x) => (y) {{ y = Softmax{attribute}(x) }}", release, opset)
    assert made.wiring == ["[SHUFFLE x > y#t0]", "SOFTMAX y#t0 > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == (matrix, matrix)
    assert made.params("SOFTMAX") == {"axis": 1}
    assert made.params("SHUFFLE", 1)["ranks"] == (2, 4)


@pytest.mark.parametrize("release", ["5.1", "6.0"])
def test_softmax_of_channels_in_old_parsers(lowered: Lower, release: str) -> None:
    made = lowered("(float[2,4,8,8] x) => (y) { y = Softmax(x) }", release, 11)
    assert made.wiring == ["SOFTMAX x > y"]
    assert made.params("SOFTMAX") == {"axis": 1}
    other = lowered("(float[2,4,8,8] x) => (y) { y = Softmax<axis=3>(x) }", release, 11)
    assert other.wiring == ["[SHUFFLE x > y#t0]", "SOFTMAX y#t0 > y#t1", "[SHUFFLE y#t1 > y]"]


def test_log_softmax(lowered: Lower) -> None:
    graph = "(float[2,4] x) => (y) { y = LogSoftmax<axis=1>(x) }"
    assert lowered(graph, "8.5").wiring == ["SOFTMAX x > y#t0", "UNARY.LOG y#t0 > y"]
    assert lowered(graph, "6.0", 11).wiring == ["SOFTMAX x > y#t0", "UNARY.LOG y#t0 > y"]
    assert lowered(graph, "8.5", 11).wiring == [
        "[SHUFFLE x > y#t0]",
        "SOFTMAX y#t0 > y#t1",
        "UNARY.LOG y#t1 > y#t2",
        "[SHUFFLE y#t2 > y]",
    ]


def test_hardmax(lowered: Lower) -> None:
    assert lowered("(float[2,4] x) => (y) { y = Hardmax(x) }", "10.0").wiring == ["TOPK x > y#t0", "ONE_HOT y#t0 > y"]

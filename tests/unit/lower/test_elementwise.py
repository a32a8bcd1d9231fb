"""Arithmetic, comparisons, logic and unary operators as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]
LAYERS = {
    "Add": "SUM",
    "Sub": "SUB",
    "Mul": "PROD",
    "Div": "DIV",
    "Pow": "POW",
    "Max": "MAX",
    "Min": "MIN",
    "Sum": "SUM",
    "Equal": "EQUAL",
    "Greater": "GREATER",
    "Less": "LESS",
}


@pytest.mark.parametrize("op", LAYERS)
@pytest.mark.parametrize("release", ["7.0", "8.5", "10.3"])
def test_two_computed_operands(lowered: Lower, op: str, release: str) -> None:
    made = lowered(f"(float[1,4,8,8] x, float[1,4,8,8] z) => (y) {{ y = {op}(x, z) }}", release)
    assert made.wiring == [f"ELEMENTWISE.{LAYERS[op]} x z > y"]
    assert made.params("ELEMENTWISE") == {"op": LAYERS[op], "constants": 0, "broadcast": False}


@pytest.mark.parametrize(("op", "layer"), [("And", "AND"), ("Or", "OR"), ("Xor", "XOR")])
def test_logic(lowered: Lower, op: str, layer: str) -> None:
    made = lowered(f"(bool[1,4] x, bool[1,4] z) => (y) {{ y = {op}(x, z) }}", "8.5")
    assert made.wiring == [f"ELEMENTWISE.{layer} x z > y"]


@pytest.mark.parametrize("shape", ["", "1", "8", "4,1,1", "1,4,1,1", "1,4,8,8"])
@pytest.mark.parametrize("release", ["5.1", "7.0", "10.3"])
def test_constant_operand_is_no_layer_and_needs_no_shuffle(lowered: Lower, shape: str, release: str) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) <float[{shape}] c> {{ y = Add(c, x) }}", release)
    assert made.wiring == ["ELEMENTWISE.SUM c x > y"]
    assert made.params("ELEMENTWISE") == {"op": "SUM", "constants": 1, "broadcast": False}


@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        ("1", "UNIFORM"),
        ("1,1,1", "UNIFORM"),
        ("4,1,1", "CHANNEL"),
        ("4", "CHANNEL"),  # that parser takes a row as long as there are channels for one value a channel
        ("4,8,4", "ELEMENTWISE"),
        ("1,4,8,4", "ELEMENTWISE"),
    ],
)
@pytest.mark.parametrize(("op", "other"), [("Add", "SUM"), ("Mul", "PROD")])
def test_constant_operand_is_a_scale_in_6_0(lowered: Lower, shape: str, mode: str, op: str, other: str) -> None:
    graph = f"(float[1,4,8,4] x) => (y) <float[{shape}] c> {{ y = {op}(x, c) }}"
    made = lowered(graph, "6.0")
    assert made.wiring == ["SCALE x > y"]
    assert made.params("SCALE") == {"mode": mode, "spatial": 2}
    for release in ("5.1", "7.0"):
        assert lowered(graph, release).wiring == [f"ELEMENTWISE.{other} x c > y"]


@pytest.mark.parametrize("shape", ["", "1,4,1,1", "8", "8,1"])
def test_constant_that_6_0_cannot_scale_with(lowered: Lower, shape: str) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) <float[{shape}] c> {{ y = Add(c, x) }}", "6.0")
    assert made.wiring == ["ELEMENTWISE.SUM c x > y"]


@pytest.mark.parametrize(("op", "layer"), [("Sub", "SUB"), ("Div", "DIV"), ("Pow", "POW")])
def test_other_operations_are_no_scale_in_6_0(lowered: Lower, op: str, layer: str) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) <float[4,1,1] c> {{ y = {op}(x, c) }}", "6.0")
    assert made.wiring == [f"ELEMENTWISE.{layer} x c > y"]


def test_scale_of_another_rank_in_6_0(lowered: Lower) -> None:
    made = lowered("(float[2,4,8] x) => (y) <float[4,1] c> { y = Mul(c, x) }", "6.0")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "SCALE y#t0 > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((2, 4, 8, 1), (2, 4, 8, 1))


def test_lower_rank_is_raised_by_a_shuffle(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] x, float[8] z) => (y) { y = Add(z, x) }", "8.5")
    assert made.wiring == ["[SHUFFLE z > y#t0]", "ELEMENTWISE.SUM y#t0 x > y"]
    assert made.shape("y#t0") == (1, 1, 1, 8)
    assert made.params("ELEMENTWISE") == {"op": "SUM", "constants": 0, "broadcast": True}
    assert made.params("SHUFFLE") == {"moves": ("reshape",), "ranks": (1, 4), "batch_kept": False}


def test_lower_rank_is_raised_to_that_of_a_constant(lowered: Lower) -> None:
    made = lowered("(float[4,8] x) => (y) <float[1,4,8] c> { y = Add(x, c) }", "8.5")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "ELEMENTWISE.SUM y#t0 c > y"]
    assert made.shape("y#t0") == (1, 4, 8)


def test_operands_that_are_broadcast(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] x, float[1,4,1,1] z) => (y) { y = Mul(x, z) }", "8.5")
    assert made.params("ELEMENTWISE")["broadcast"] is True


def test_chain_of_more_than_two(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] a, float[1,4,8,8] b, float[1,4,8,8] c) => (y) <float[1] k> { y = Max(a, b, k, c) }", "8.5")
    assert made.wiring == ["ELEMENTWISE.MAX a b > y#t0", "ELEMENTWISE.MAX y#t0 k > y#t1", "ELEMENTWISE.MAX y#t1 c > y"]
    assert made.params("ELEMENTWISE", 1) == {"op": "MAX", "constants": 1, "broadcast": False}
    assert made.shape("y#t1") == (1, 4, 8, 8)


def test_chain_is_raised_to_the_highest_rank_first(lowered: Lower) -> None:
    made = lowered("(float[8] a, float[8] b, float[4,8] c) => (y) { y = Sum(a, b, c) }", "8.5")
    assert made.wiring == [
        "[SHUFFLE a > y#t0]",
        "[SHUFFLE b > y#t1]",
        "ELEMENTWISE.SUM y#t0 y#t1 > y#t2",
        "ELEMENTWISE.SUM y#t2 c > y",
    ]
    assert made.shape("y#t2") == (1, 8)


@pytest.mark.parametrize("op", ["Sum", "Max", "Min"])
def test_one_operand_is_an_identity(lowered: Lower, op: str) -> None:
    assert lowered(f"(float[1,4,8,8] x) => (y) {{ y = {op}(x) }}", "8.5").wiring == ["IDENTITY x > y"]


def test_mean(lowered: Lower) -> None:
    made = lowered("(float[1,4] a, float[1,4] b, float[1,4] c) => (y) { y = Mean(a, b, c) }", "8.5")
    assert made.wiring == ["ELEMENTWISE.SUM a b > y#t0", "ELEMENTWISE.SUM y#t0 c > y#t1", "ELEMENTWISE.PROD y#t1 > y"]
    assert made.params("ELEMENTWISE", 2) == {"op": "PROD", "constants": 1, "broadcast": False}
    assert lowered("(float[1,4] a) => (y) { y = Mean(a) }", "8.5").wiring == ["IDENTITY a > y#t0", "ELEMENTWISE.PROD y#t0 > y"]


@pytest.mark.parametrize(("op", "strict"), [("GreaterOrEqual", "GREATER"), ("LessOrEqual", "LESS")])
def test_or_equal(lowered: Lower, op: str, strict: str) -> None:
    made = lowered(f"(float[1,4] a) => (y) <float[1] k> {{ y = {op}(a, k) }}", "8.5")
    assert made.wiring == [f"ELEMENTWISE.{strict} a k > y#t0", "ELEMENTWISE.EQUAL a k > y#t1", "ELEMENTWISE.OR y#t0 y#t1 > y"]
    assert [kind.dtype for layer in made.network.layers for kind in layer.spec.outputs] == ["bool"] * 3
    assert made.params("ELEMENTWISE")["constants"] == 1


def test_or_equal_raises_ranks(lowered: Lower) -> None:
    made = lowered("(float[1,4] a, float[4] b) => (y) { y = LessOrEqual(a, b) }", "8.5")
    assert made.wiring == [
        "[SHUFFLE b > y#t0]",
        "ELEMENTWISE.LESS a y#t0 > y#t1",
        "[SHUFFLE b > y#t2]",
        "ELEMENTWISE.EQUAL a y#t2 > y#t3",
        "ELEMENTWISE.OR y#t1 y#t3 > y",
    ]


def test_mod(lowered: Lower) -> None:
    graph = "({0}[1,4] a, {0}[1,4] b) => (y) {{ y = Mod<fmod={1}>(a, b) }}"
    rest = ["ELEMENTWISE.PROD b y#t0 > y#t1", "ELEMENTWISE.SUB a y#t1 > y"]
    assert lowered(graph.format("int32", 0), "8.5").wiring == ["ELEMENTWISE.FLOOR_DIV a b > y#t0", *rest]
    assert lowered(graph.format("int32", 1), "8.5").wiring == ["ELEMENTWISE.DIV a b > y#t0", *rest]
    assert lowered(graph.format("float", 1), "8.5").wiring == [
        "ELEMENTWISE.DIV a b > y#t0",
        "UNARY.FLOOR y#t0 > y#t1",
        "ELEMENTWISE.PROD b y#t1 > y#t2",
        "ELEMENTWISE.SUB a y#t2 > y#t3",
        "UNARY.CEIL y#t0 > y#t4",
        "ELEMENTWISE.PROD b y#t4 > y#t5",
        "ELEMENTWISE.SUB a y#t5 > y#t6",
        "ELEMENTWISE.GREATER y#t0 > y#t7",
        "ELEMENTWISE.EQUAL y#t0 > y#t8",
        "ELEMENTWISE.OR y#t7 y#t8 > y#t9",
        "SELECT y#t9 y#t3 y#t6 > y",
    ]


@pytest.mark.parametrize(
    ("op", "layer"),
    [("Abs", "ABS"), ("Neg", "NEG"), ("Exp", "EXP"), ("Reciprocal", "RECIP"), ("Erf", "ERF"), ("Atanh", "ATANH"), ("Round", "ROUND")],
)
def test_unary(lowered: Lower, op: str, layer: str) -> None:
    made = lowered(f"(float[1,4] x) => (y) {{ y = {op}(x) }}", "8.5")
    assert made.wiring == [f"UNARY.{layer} x > y"]
    assert made.params("UNARY") == {"op": layer}


@pytest.mark.parametrize("release", ["8.2", "10.0"])
def test_not_a_number_is_not_equal_to_itself(lowered: Lower, release: str) -> None:
    graph = "(float[1,4] x) => (y) { y = IsNaN(x) }"
    assert lowered(graph, release).wiring == ["ELEMENTWISE.EQUAL x x > y#t0", "UNARY.NOT y#t0 > y"]
    assert lowered(graph, "10.1").wiring == ["UNARY.ISNAN x > y"]


def test_infinity(lowered: Lower) -> None:
    graph = "(float[1,4] x) => (y) {{ y = IsInf<detect_negative={}, detect_positive={}>(x) }}"
    assert lowered(graph.format(1, 1), "8.6").wiring == ["UNARY.ISINF x > y"]
    both = ["UNARY.ISINF x > y#t1", "ELEMENTWISE.AND y#t0 y#t1 > y"]
    assert lowered(graph.format(1, 0), "8.6").wiring == ["ELEMENTWISE.LESS x > y#t0", *both]
    assert lowered(graph.format(0, 1), "8.6").wiring == ["ELEMENTWISE.GREATER x > y#t0", *both]
    assert lowered(graph.format(0, 0), "8.6").wiring == [
        "ELEMENTWISE.GREATER x > y#t0",
        "ELEMENTWISE.LESS x > y#t1",
        "ELEMENTWISE.AND y#t0 y#t1 > y",
    ]


def test_where(lowered: Lower) -> None:
    made = lowered("(bool[1,4] c, float[1,4] x) => (y) <float[1] k> { y = Where(c, x, k) }", "8.5")
    assert made.wiring == ["SELECT c x k > y"]

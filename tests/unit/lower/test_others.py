"""Operators whose layers the DLA never runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


@pytest.mark.parametrize(
    ("call", "wiring"),
    [
        ("y = QuantizeLinear(x, s, z)", ["QUANTIZE x s z > y"]),
        ("t = QuantizeLinear(x, s, z) y = DequantizeLinear(t, s, z)", ["QUANTIZE x s z > t", "DEQUANTIZE t s z > y"]),
        ("y = LSTM<hidden_size=2>(x, w, r)", ["RNN x w r > y"]),
        ("y = RandomNormalLike(x)", ["FILL x > y"]),
    ],
)
def test_layers(lowered: Lower, call: str, wiring: list[str]) -> None:
    weights = "float s = {1}, int8 z = {0}, float[1,8,4] w, float[1,8,2] r"
    assert lowered(f"(float[3,1,4] x) => (y) <{weights}> {{ {call} }}", "8.5").wiring == wiring


def test_shape_of_a_free_tensor(lowered: Lower) -> None:
    assert lowered("(float[N,4] x) => (y) { y = Shape(x) }", "8.5").wiring == ["SHAPE x > y"]


def test_condition_reads_what_its_branches_capture(lowered: Lower) -> None:
    graph = """(bool c, float[4] x) => (y) {
        y = If(c) <then_branch = t () => (float[4] a) { a = Relu(x) }, else_branch = e () => (float[4] b) { b = Neg(x) }>
    }"""
    assert lowered(graph, "8.5").wiring == ["CONDITION c x > y"]

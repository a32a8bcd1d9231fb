"""Reductions and sorting as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


@pytest.mark.parametrize(("op", "layer"), [("ReduceMean", "AVG"), ("ReduceMax", "MAX"), ("ReduceMin", "MIN"), ("ReduceProd", "PROD")])
@pytest.mark.parametrize("release", ["5.1", "7.0", "8.5", "10.3"])
def test_axes_of_the_attribute(lowered: Lower, op: str, layer: str, release: str) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) {{ y = {op}<axes=[-1,2], keepdims=0>(x) }}", release)
    assert made.wiring == [f"REDUCE.{layer} x > y"]
    assert made.params("REDUCE") == {"op": layer, "axes": (2, 3), "keep": False}


def test_all_axes_when_none_are_given(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] x) => (y) { y = ReduceMax(x) }", "10.3")
    assert made.params("REDUCE") == {"op": "MAX", "axes": (0, 1, 2, 3), "keep": True}


@pytest.mark.parametrize(
    ("op", "opset", "first"),
    [
        ("ReduceSum", 13, "8.0"),
        ("ReduceLogSum", 18, "8.0"),
        ("ReduceMax", 18, "10.0"),
        ("ReduceMean", 18, "10.0"),
        ("ReduceL2", 18, "10.0"),
    ],
)
def test_axes_of_an_input_are_read_from(lowered: Lower, op: str, opset: int, first: str) -> None:
    graph = f"(float[1,4,8,8] x) => (y) <int64[2] a = {{-1, 2}}> {{ y = {op}(x, a) }}"
    for release in ("7.0", "7.2", "8.0", "8.6", "10.0", "10.3"):
        axes = (2, 3) if float(release) >= float(first) else (0, 1, 2, 3)
        assert lowered(graph, release, opset).params("REDUCE")["axes"] == axes, release


def test_computed_axes_are_not_known(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x, int64[1] a) => (y) { y = ReduceSum(x, a) }"
    assert lowered(graph, "8.5").params("REDUCE")["axes"] is None


@pytest.mark.parametrize("axes", ["", ", a"])
@pytest.mark.parametrize("op", ["ReduceSum", "ReduceL1"])
def test_no_axes_can_mean_nothing(lowered: Lower, axes: str, op: str) -> None:
    weights = "<int64[0] a = {}>" if axes else ""
    graph = f"(float[1,4,8,8] x) => (y) {weights} {{ y = {op}<noop_with_empty_axes=1>(x{axes}) }}"
    assert lowered(graph, "10.0", 18).wiring == ["IDENTITY x > y"]
    assert lowered(graph, "8.6", 18).params("REDUCE")["axes"] == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("op", "wiring"),
    [
        ("ReduceL1", ["UNARY.ABS x > y#t0", "REDUCE.SUM y#t0 > y"]),
        ("ReduceL2", ["ELEMENTWISE.PROD x x > y#t0", "REDUCE.SUM y#t0 > y#t1", "UNARY.SQRT y#t1 > y"]),
        ("ReduceSumSquare", ["ELEMENTWISE.PROD x x > y#t0", "REDUCE.SUM y#t0 > y"]),
        ("ReduceLogSum", ["REDUCE.SUM x > y#t0", "UNARY.LOG y#t0 > y"]),
        ("ReduceLogSumExp", ["UNARY.EXP x > y#t0", "REDUCE.SUM y#t0 > y#t1", "UNARY.LOG y#t1 > y"]),
    ],
)
def test_norms_and_logarithms_of_sums(lowered: Lower, op: str, wiring: list[str]) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) {{ y = {op}<axes=[2,3]>(x) }}", "8.5")
    assert made.wiring == wiring
    assert made.params("REDUCE") == {"op": "SUM", "axes": (2, 3), "keep": True}


@pytest.mark.parametrize(
    ("call", "kind"),
    [("y = ArgMax<axis=1>(x)", "TOPK"), ("y = ArgMin<axis=1>(x)", "TOPK"), ("y = CumSum(x, k)", "LOOP")],
)
def test_what_the_dla_never_does(lowered: Lower, call: str, kind: str) -> None:
    made = lowered(f"(float[1,4,8,8] x) => (y) <int64 k = {{1}}> {{ {call} }}", "8.5")
    assert [layer.spec.kind for layer in made.network.layers] == [kind]


def test_two_outputs_of_a_sort(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (v, i) <int64[1] k = {2}> { v, i = TopK(x, k) }", "8.5")
    assert made.wiring == ["TOPK x k > v", "TOPK x k > i"]

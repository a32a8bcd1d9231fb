"""Normalizations as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


def batch_norm(size: str, weights: str = "float", *, computed: str = "") -> str:
    names = ["s", "b", "m", "v"]
    given = ", ".join(f"{weights}[4] {name}" for name in names if name in computed)
    stored = ", ".join(f"{weights}[4] {name}" for name in names if name not in computed)
    first = f"{weights}[{size}] x" + (f", {given}" if given else "")
    return f"({first}) => (y) <{stored}> {{ y = BatchNormalization(x, s, b, m, v) }}"


@pytest.mark.parametrize("release", ["5.1", "6.0", "7.0", "8.5", "10.3"])
def test_batch_normalization(lowered: Lower, release: str) -> None:
    made = lowered(batch_norm("2,4,8,8"), release)
    assert made.wiring == ["SCALE x > y"]
    assert made.params("SCALE") == {"mode": "CHANNEL", "spatial": 2}


@pytest.mark.parametrize(("size", "four"), [("2,4", (2, 4, 1, 1)), ("2,4,8", (2, 4, 8, 1)), ("2,4,3,5,6,7", (2, 4, 3, 210))])
def test_batch_normalization_of_other_ranks(lowered: Lower, size: str, four: object) -> None:
    made = lowered(batch_norm(size), "8.5")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "SCALE y#t0 > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == (four, four)
    assert made.params("SCALE") == {"mode": "CHANNEL", "spatial": 2}


def test_batch_normalization_of_three_dimensions(lowered: Lower) -> None:
    old, new = lowered(batch_norm("2,4,3,5,6"), "5.1"), lowered(batch_norm("2,4,3,5,6"), "6.0")
    assert old.wiring == ["[SHUFFLE x > y#t0]", "SCALE y#t0 > y#t1", "[SHUFFLE y#t1 > y]"]
    assert old.shape("y#t0") == (2, 4, 3, 30)
    assert new.wiring == ["SCALE x > y"]
    assert new.params("SCALE") == {"mode": "CHANNEL", "spatial": 3}


@pytest.mark.parametrize(("release", "scaled"), [("6.0", True), ("7.0", False), ("8.4", False), ("8.5", True), ("10.0", True)])
def test_batch_normalization_in_half_precision(lowered: Lower, release: str, scaled: bool) -> None:
    made = lowered(batch_norm("2,4,1,1", "float16"), release)
    if scaled:
        assert made.wiring == ["SCALE x > y"]
        return
    assert made.wiring == [
        "ELEMENTWISE.SUB x m > y#t0",
        "ELEMENTWISE.DIV y#t0 > y#t1",
        "ELEMENTWISE.PROD s y#t1 > y#t2",
        "ELEMENTWISE.SUM y#t2 b > y",
    ]
    assert [made.params("ELEMENTWISE", index)["constants"] for index in range(4)] == [1, 1, 1, 1]
    assert [made.shape(f"y#t{index}") for index in range(3)] == [(2, 4, 1, 1)] * 3


def test_batch_normalization_with_computed_parameters(lowered: Lower) -> None:
    made = lowered(batch_norm("2,4,8,8", computed="mv"), "8.5")
    assert made.wiring == [
        "[SHUFFLE m > y#t0]",
        "[SHUFFLE v > y#t1]",
        "ELEMENTWISE.SUB x y#t0 > y#t2",
        "ELEMENTWISE.SUM y#t1 > y#t3",
        "UNARY.SQRT y#t3 > y#t4",
        "ELEMENTWISE.DIV y#t2 y#t4 > y#t5",
        "ELEMENTWISE.PROD s y#t5 > y#t6",
        "ELEMENTWISE.SUM y#t6 b > y",
    ]
    assert made.shape("y#t0") == (1, 4, 1, 1)
    assert [made.params("ELEMENTWISE", index)["broadcast"] for index in (0, 2)] == [True, True]


def test_lrn(lowered: Lower) -> None:
    made = lowered("(float[1,16,8,8] x) => (y) { y = LRN<size=5>(x) }", "7.1")
    assert made.wiring == ["LRN x > y"]
    assert made.params("LRN") == {"window": 5, "region": "ACROSS_CHANNELS"}


@pytest.mark.parametrize(("release", "kind"), [("5.1", "PLUGIN"), ("8.6", "PLUGIN"), ("10.0", "NORMALIZATION"), ("10.3", "NORMALIZATION")])
def test_instance_normalization(lowered: Lower, release: str, kind: str) -> None:
    graph = "(float[1,4,8,8] x) => (y) <float[4] s, float[4] b> { y = InstanceNormalization(x, s, b) }"
    assert lowered(graph, release).wiring == [f"{kind} x > y"]


def test_layer_normalization(lowered: Lower) -> None:
    graph = "(float[1,4,8] x) => (y) <float[8] s, float[8] b> { y = LayerNormalization(x, s, b) }"
    assert lowered(graph, "8.6", 17).wiring == ["NORMALIZATION x > y"]


@pytest.mark.parametrize(("release", "change"), [("7.2", "IDENTITY"), ("8.6", "IDENTITY"), ("10.0", "CAST")])
def test_lp_normalization(lowered: Lower, release: str, change: str) -> None:
    made = lowered("(float[1,4,8,8] x) => (y) { y = LpNormalization<axis=1>(x) }", release)
    assert made.wiring == [
        "ELEMENTWISE.PROD x x > y#t0",
        "REDUCE.SUM y#t0 > y#t1",
        "UNARY.SQRT y#t1 > y#t2",
        "ELEMENTWISE.EQUAL y#t2 > y#t3",
        f"{change} y#t3 > y#t4",
        "ELEMENTWISE.SUM y#t2 y#t4 > y#t5",
        "ELEMENTWISE.DIV x y#t5 > y",
    ]
    assert made.params("REDUCE") == {"op": "SUM", "axes": (1,), "keep": True}
    assert [made.shape(f"y#t{index}") for index in range(1, 6)] == [(1, 1, 8, 8)] * 5


def test_lp_normalization_by_magnitudes(lowered: Lower) -> None:
    made = lowered("(float[1,4,8,8] x) => (y) { y = LpNormalization<p=1>(x) }", "8.5")
    assert made.wiring[:3] == ["UNARY.ABS x > y#t0", "REDUCE.SUM y#t0 > y#t1", "ELEMENTWISE.EQUAL y#t1 > y#t2"]
    assert made.params("REDUCE")["axes"] == (3,)
    assert made.shape("y#t1") == (1, 4, 8, 1)


def test_mean_variance_normalization(lowered: Lower) -> None:
    made = lowered("(float[2,4,8,8] x) => (y) { y = MeanVarianceNormalization(x) }", "8.5")
    assert made.wiring == [
        "REDUCE.AVG x > y#t0",
        "ELEMENTWISE.SUB x y#t0 > y#t1",
        "ELEMENTWISE.PROD y#t1 y#t1 > y#t2",
        "REDUCE.AVG y#t2 > y#t3",
        "UNARY.SQRT y#t3 > y#t4",
        "ELEMENTWISE.SUM y#t4 > y#t5",
        "ELEMENTWISE.DIV y#t1 y#t5 > y",
    ]
    assert made.params("REDUCE", 1) == {"op": "AVG", "axes": (0, 2, 3), "keep": True}
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((1, 4, 1, 1), (2, 4, 8, 8))

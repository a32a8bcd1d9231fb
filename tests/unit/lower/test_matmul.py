"""Matrix products as each parser makes them, and what the builder converts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


def gemm(attributes: str = "", weights: str = "16,10", bias: str = "float[10] c", extra: str = "") -> str:
    stored = ", ".join(part for part in (f"float[{weights}] w", bias) if part)
    return f"(float[2,16] x{extra}) => (y) <{stored}> {{ y = Gemm{attributes}({'x, w, c' if bias or extra else 'x, w'}) }}"


@pytest.mark.parametrize(
    ("release", "kind"),
    [("5.0", "FULLY_CONNECTED"), ("7.1", "FULLY_CONNECTED"), ("8.0", "FULLY_CONNECTED"), ("8.2", "CONVOLUTION"), ("10.3", "CONVOLUTION")],
)
def test_gemm_by_constants_is_converted(lowered: Lower, release: str, kind: str) -> None:
    made = lowered(gemm(), release)
    assert made.wiring == ["[SHUFFLE x > y#t0]", f"{kind} y#t0 w c > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((2, 16, 1, 1), (2, 10, 1, 1))
    assert made.params(kind) | {"imported": ""} == {
        "kernel": (1, 1),
        "stride": (1, 1),
        "dilation": (1, 1),
        "pre_padding": (0, 0),
        "post_padding": (0, 0),
        "groups": 1,
        "maps": 10,
        "spatial": 2,
        "weights_constant": True,
        "product": True,
        "product_rank": 2,
        "imported": "",
    }


@pytest.mark.parametrize(
    ("graph", "connected"),
    [
        (gemm(), ("5.0", "7.2", "8.0")),
        (gemm("<transB=1>", "10,16"), ("5.0", "7.2", "8.0")),
        (gemm(bias=""), ("5.0", "8.0")),
        (gemm(bias="float[1,10] c"), ("5.0",)),
        (gemm("<beta=0.5>"), ("5.0",)),
        (gemm("<alpha=0.5>"), ("5.0",)),
    ],
)
def test_what_the_parser_makes_of_gemm(lowered: Lower, graph: str, connected: tuple[str, ...]) -> None:
    for release in ("5.0", "5.1", "6.0", "7.0", "7.1", "7.2", "8.0", "8.2", "8.4", "8.6", "10.3"):
        kind = "CONVOLUTION" if float(release) >= 8.2 else "FULLY_CONNECTED"
        expected = "FULLY_CONNECTED" if release in connected else "MATRIX_MULTIPLY"
        assert lowered(graph, release).params(kind)["imported"] == expected, release


def test_transposed_weights(lowered: Lower) -> None:
    made = lowered(gemm("<transB=1>", "10,16"), "8.5")
    assert made.params("CONVOLUTION")["maps"] == 10
    assert made.shape("y#t0") == (2, 16, 1, 1)


def test_factor_on_the_product_stays_a_layer(lowered: Lower) -> None:
    made = lowered(gemm("<alpha=0.5>"), "8.5")
    assert made.wiring == [
        "[SHUFFLE x > y#t0]",
        "CONVOLUTION y#t0 w > y#t1",
        "[SHUFFLE y#t1 > y#t2]",
        "ELEMENTWISE.PROD y#t2 > y#t3",
        "ELEMENTWISE.SUM y#t3 c > y",
    ]
    assert lowered(gemm("<alpha=0.5>", bias=""), "8.5").wiring[2:] == ["[SHUFFLE y#t1 > y#t2]", "ELEMENTWISE.PROD y#t2 > y"]


def test_factor_on_a_constant_bias_is_folded(lowered: Lower) -> None:
    assert lowered(gemm("<beta=0.5>"), "8.5").wiring[1] == "CONVOLUTION y#t0 w c > y#t1"


def test_computed_bias(lowered: Lower) -> None:
    graph = gemm(bias="", extra=", float[2,10] c")
    assert lowered(graph, "8.5").wiring == [
        "[SHUFFLE x > y#t0]",
        "CONVOLUTION y#t0 w > y#t1",
        "[SHUFFLE y#t1 > y#t2]",
        "ELEMENTWISE.SUM y#t2 c > y",
    ]


def test_factors_of_computed_matrices(lowered: Lower) -> None:
    graph = "(float[2,16] x, float[16,10] z, float[10] c) => (y) { y = Gemm<alpha=2.0, beta=0.5>(x, z, c) }"
    assert lowered(graph, "8.5").wiring == [
        "MATRIX_MULTIPLY x z > y#t0",
        "ELEMENTWISE.PROD y#t0 > y#t1",
        "ELEMENTWISE.PROD c > y#t2",
        "[SHUFFLE y#t2 > y#t3]",
        "ELEMENTWISE.SUM y#t1 y#t3 > y",
    ]


def test_gemm_that_is_not_converted(lowered: Lower) -> None:
    graph = "(float[16,2] x, float[16,10] z) => (y) <float[10] c> { y = Gemm<transA=1>(x, z, c) }"
    assert lowered(graph, "8.5").wiring == ["MATRIX_MULTIPLY x z > y#t0", "ELEMENTWISE.SUM y#t0 c > y"]
    assert lowered("(float[16,2] x) => (y) <float[16,10] w> { y = Gemm<transA=1>(x, w) }", "8.5").wiring == ["MATRIX_MULTIPLY x w > y"]


@pytest.mark.parametrize(
    ("release", "kind", "imported"),
    [
        ("5.0", "FULLY_CONNECTED", "FULLY_CONNECTED"),
        ("5.1", "FULLY_CONNECTED", "MATRIX_MULTIPLY"),
        ("7.0", "FULLY_CONNECTED", "MATRIX_MULTIPLY"),
        ("7.1", "FULLY_CONNECTED", "FULLY_CONNECTED"),
        ("8.2", "FULLY_CONNECTED", "FULLY_CONNECTED"),
        ("8.4", "CONVOLUTION", "MATRIX_MULTIPLY"),
        ("10.3", "CONVOLUTION", "MATRIX_MULTIPLY"),
    ],
)
def test_matmul_of_matrices(lowered: Lower, release: str, kind: str, imported: str) -> None:
    made = lowered("(float[2,16] x) => (y) <float[16,10] w> { y = MatMul(x, w) }", release)
    assert made.wiring == ["[SHUFFLE x > y#t0]", f"{kind} y#t0 w > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.params(kind)["imported"], made.params(kind)["maps"]) == (imported, 10)


def test_matmul_of_a_stack(lowered: Lower) -> None:
    graph = "(float[2,5,16] x) => (y) <float[1,16,10] w> { y = MatMul(x, w) }"
    assert lowered(graph, "8.2").wiring == ["MATRIX_MULTIPLY x w > y"]
    made = lowered(graph, "8.4")
    assert made.wiring == ["[SHUFFLE x > y#t0]", "CONVOLUTION y#t0 w > y#t1", "[SHUFFLE y#t1 > y]"]
    assert (made.shape("y#t0"), made.shape("y#t1")) == ((10, 16, 1, 1), (10, 10, 1, 1))
    assert (made.params("CONVOLUTION")["product_rank"], made.params("CONVOLUTION")["imported"]) == (3, "MATRIX_MULTIPLY")


@pytest.mark.parametrize("weights", ["2,16,10", "16"])
def test_constants_that_are_no_matrix(lowered: Lower, weights: str) -> None:
    graph = f"(float[2,5,16] x) => (y) <float[{weights}] w> {{ y = MatMul(x, w) }}"
    assert lowered(graph, "8.5").wiring == ["MATRIX_MULTIPLY x w > y"]


def test_free_batch(lowered: Lower) -> None:
    made = lowered("(float[N,16] x) => (y) <float[16,10] w> { y = MatMul(x, w) }", "8.5")
    assert (made.shape("y#t0"), made.shape("y#t1")) == (("N", 16, 1, 1), ("N", 10, 1, 1))
    stack = lowered("(float[N,5,16] x) => (y) <float[16,10] w> { y = MatMul(x, w) }", "8.5")
    assert stack.shape("y#t0") == (None, 16, 1, 1)


def test_computed_factors(lowered: Lower) -> None:
    graph = "(float[2,5,16] x, float[16,10] z) => (y) { y = MatMul(x, z) }"
    assert lowered(graph, "6.0").wiring == ["MATRIX_MULTIPLY x z > y"]
    made = lowered(graph, "7.0")
    assert made.wiring == ["[SHUFFLE z > y#t0]", "MATRIX_MULTIPLY x y#t0 > y"]
    assert made.shape("y#t0") == (1, 16, 10)
    assert lowered("(float[16] x, float[16,10] z) => (y) { y = MatMul(x, z) }", "8.5").wiring == ["MATRIX_MULTIPLY x z > y"]


def test_einsum(lowered: Lower) -> None:
    graph = '(float[2,3] a, float[3,4] b) => (y) { y = Einsum<equation="ij,jk->ik">(a, b) }'
    assert lowered(graph, "8.2").wiring == ["EINSUM a b > y"]

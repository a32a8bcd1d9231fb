"""What the builder does to a network before it places layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Build = Callable[..., Any]


def test_identities_vanish(built: Build) -> None:
    made = built("(float[1,4] x) => (y, z) { a = Identity(x) b = Dropout(a) y = Relu(b) z = Neg(a) }", "8.5")
    assert made.wiring == ["ACTIVATION.RELU x > y", "UNARY.NEG x > z"]


def test_identity_that_makes_an_output_stays(built: Build) -> None:
    made = built("(float[1,4] x) => (a, y) { a = Identity(x) y = Relu(a) }", "8.5")
    assert made.wiring == ["IDENTITY x > a", "ACTIVATION.RELU a > y"]


@pytest.mark.parametrize(("release", "layer"), [("8.5", "IDENTITY"), ("8.6", "CAST")])
def test_identity_that_changes_the_type_stays(built: Build, release: str, layer: str) -> None:
    made = built("(float[1,4] x) => (y) { a = Cast<to=10>(x) y = Relu(a) }", release)
    assert made.wiring == [f"{layer} x > a", "ACTIVATION.RELU a > y"]


def test_cast_to_the_same_type_vanishes(built: Build) -> None:
    assert built("(float[1,4] x) => (y) { a = Cast<to=1>(x) y = Relu(a) }", "10.3").wiring == ["ACTIVATION.RELU x > y"]


def test_neighbouring_shuffles_are_one(built: Build) -> None:
    made = built("(float[2,12] x) => (y) <int64[3] s = {2,3,4}> { a = Reshape(x, s) b = Transpose<perm=[0,2,1]>(a) y = Relu(b) }", "8.5")
    assert made.wiring == ["SHUFFLE x > b", "ACTIVATION.RELU b > y"]
    assert made.params("SHUFFLE") == {"moves": ("reshape", "transpose 0 2 1"), "ranks": (2, 3, 3), "batch_kept": True}
    layer = made.network.layers[0]
    assert (layer.name, layer.origin) == ("Reshape:a + Transpose:b", (0, 1))


def test_shuffle_with_two_readers_stays(built: Build) -> None:
    made = built("(float[2,12] x) => (y, z) <int64[2] s = {12,2}> { a = Reshape(x, s) y = Transpose(a) z = Relu(a) }", "8.5")
    assert made.wiring == ["SHUFFLE x > a", "SHUFFLE a > y", "ACTIVATION.RELU a > z"]


def test_shuffle_that_makes_an_output_stays(built: Build) -> None:
    made = built("(float[2,12] x) => (a, y) <int64[2] s = {12,2}> { a = Reshape(x, s) y = Transpose(a) }", "8.5")
    assert made.wiring == ["SHUFFLE x > a", "SHUFFLE a > y"]


def test_shuffles_that_cancel_vanish(built: Build) -> None:
    made = built("(float[2,3,4] x) => (y) { a = Transpose<perm=[0,2,1]>(x) b = Transpose<perm=[0,2,1]>(a) y = Relu(b) }", "8.5")
    assert made.wiring == ["ACTIVATION.RELU x > y"]


def test_shuffle_that_changes_nothing(built: Build) -> None:
    made = built("(float[2,3] x) => (y, z) <int64[2] s = {2,3}> { a = Reshape(x, s) y = Relu(a) z = Reshape(x, s) }", "8.5")
    assert made.wiring == ["ACTIVATION.RELU x > y", "SHUFFLE x > z"]


def test_flatten_before_a_product_of_single_pixels_vanishes(built: Build) -> None:
    made = built("(float[1,16,1,1] x) => (y) <float[10,16] w, float[10] c> { a = Flatten(x) y = Gemm<transB=1>(a, w, c) }", "10.3")
    assert made.wiring == ["CONVOLUTION x w c > y#t1", "[SHUFFLE y#t1 > y]"]


def test_flatten_before_a_product_of_a_map_stays(built: Build) -> None:
    made = built("(float[1,16,2,2] x) => (y) <float[10,64] w, float[10] c> { a = Flatten(x) y = Gemm<transB=1>(a, w, c) }", "10.3")
    assert made.wiring == ["SHUFFLE x > y#t0", "CONVOLUTION y#t0 w c > y#t1", "[SHUFFLE y#t1 > y]"]
    assert made.params("SHUFFLE")["ranks"] == (4, 2, 4)
    assert made.network.layers[0].origin == (0,)


def product(added: str, constant: str, outputs: str = "y", more: str = "") -> str:
    return f"(float[2,16] x) => ({outputs}) <float[16,10] w, float[{constant}] c> {{ p = MatMul(x, w) y = Add({added}) {more} }}"


@pytest.mark.parametrize("constant", ["10", "1", "1,10", ""])
@pytest.mark.parametrize("added", ["p, c", "c, p"])
def test_sum_behind_a_product_is_its_bias(built: Build, added: str, constant: str) -> None:
    made = built(product(added, constant), "10.3")
    assert made.wiring == ["[SHUFFLE x > p#t0]", "CONVOLUTION p#t0 w > p#t1", "[SHUFFLE p#t1 > y]"]
    layer = made.network.layers[1]
    assert (layer.name, layer.origin) == ("MatMul:p + Add:y", (0, 1))


@pytest.mark.parametrize(("constant", "summed"), [("2,10", "p"), ("2,1", "p"), ("1,1,10", "y#t0")])
def test_sum_that_is_no_bias(built: Build, constant: str, summed: str) -> None:
    assert built(product("p, c", constant), "10.3").wiring[2:] == [f"[SHUFFLE p#t1 > {summed}]", f"ELEMENTWISE.SUM {summed} c > y"]


def test_product_that_others_read_gets_no_bias(built: Build) -> None:
    assert built(product("p, c", "10", "y, z", "z = Relu(p)"), "10.3").wiring[3] == "ELEMENTWISE.SUM p c > y"
    assert built(product("p, c", "10", "p, y"), "10.3").wiring[3] == "ELEMENTWISE.SUM p c > y"


def test_other_operations_are_no_bias(built: Build) -> None:
    assert built(product("p, c", "10").replace("Add", "Mul"), "10.3").wiring[3] == "ELEMENTWISE.PROD p c > y"


def test_what_nobody_reads_vanishes(built: Build) -> None:
    made = built("(float[1,4,8,8] x) => (y) { a, i = MaxPool<kernel_shape=[2,2]>(x) y, m = Dropout(a) b = Relu(a) c = Neg(b) }", "8.5")
    assert made.wiring == ["POOLING.MAX x > a", "IDENTITY a > y"]


def test_order_and_ends_of_the_network_stay(built: Build) -> None:
    made = built("(float[1,4] x, float[1,4] z) => (y, x) { a = Neg(z) b = Identity(a) y = Relu(b) }", "8.5")
    assert made.wiring == ["UNARY.NEG z > a", "ACTIVATION.RELU a > y"]
    assert (made.network.inputs, made.network.outputs) == (("x", "z"), ("y", "x"))

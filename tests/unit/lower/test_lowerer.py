"""The driver: which lowering a node gets, how layers and tensors are named, what is shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


def test_custom_operator_is_a_plugin(lowered: Lower) -> None:
    made = lowered("(float[1,4] x, float[4] z) => (y) { y = custom.Relu(x, z) }", "8.5")
    assert made.wiring == ["PLUGIN x z > y"]
    assert made.network.layers[0].spec.note == "custom.Relu, an operator outside of ONNX"


def test_operator_that_the_parser_does_not_know_yet(lowered: Lower) -> None:
    graph = "(float[1,4] x) => (y) { y = HardSwish(x) }"
    made = lowered(graph, "8.2", 14)
    assert made.wiring == ["MISSING x > y"]
    assert made.network.layers[0].spec.note == "HardSwish"
    assert lowered(graph, "8.4", 14).wiring[-1] == "ELEMENTWISE.PROD x y#t0 > y"


def test_operator_that_no_parser_knows(lowered: Lower) -> None:
    assert lowered("(float[1,4] x) => (y, m, b) { y, m, b = DynamicQuantizeLinear(x) }", "10.3").wiring == [
        "MISSING x > y",
        "MISSING x > m",
        "MISSING x > b",
    ]


def test_operator_that_nobody_knows(lowered: Lower) -> None:
    made = lowered("(float[1,4] x, float[4] z) => (y) { y = Invented(x, z) }", "8.5")
    assert made.wiring == ["UNKNOWN x z > y"]
    assert made.network.layers[0].spec.note == "Invented is not an operator that this version of dlalint knows"


def test_output_that_no_importer_makes(lowered: Lower) -> None:
    weights = "float[4] s, float[4] b"
    made = lowered(f"(float[1,4] x) => (y, m) <{weights}> {{ y, m = LayerNormalization(x, s, b) }}", "8.6", 17)
    assert made.wiring == ["NORMALIZATION x > y", "PLUGIN x > m"]
    assert made.network.layers[1].spec.note == "output 1 of LayerNormalization"


def test_folded_nodes_make_no_layers(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (y) <float[1,4] a, float[1,4] b> { c = Add(a, b) y = Mul(x, c) }", "8.5")
    assert made.wiring == ["ELEMENTWISE.PROD x c > y"]
    assert made.network.layers[0].origin == (1,)


def test_names_of_layers(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (y, z) { [block] y = LogSoftmax<axis=1>(x) z = LogSoftmax<axis=1>(x) }", "8.5", 11)
    assert [layer.name for layer in made.network.layers] == [
        "block [Shuffle]",
        "block",
        "block [Log]",
        "block [Shuffle]",
        "LogSoftmax:z [Shuffle]",
        "LogSoftmax:z",
        "LogSoftmax:z [Log]",
        "LogSoftmax:z [Shuffle]",
    ]


def test_tensors_in_between_have_types(lowered: Lower) -> None:
    made = lowered("(float16[1,4,9] x) => (y) <float16[8,4,3] w> { y = Conv(x, w) }", "8.5")
    assert made.network.types["y#t0"] == ("float16", (1, 4, 9, 1))
    assert made.network.types["y#t1"] == ("float16", (1, 8, 7, 1))
    assert [kind.shape for layer in made.network.layers for kind in layer.spec.outputs] == [(1, 4, 9, 1), (1, 8, 7, 1), (1, 8, 7)]


def test_equal_nodes_share_their_layers(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (z) { y = Relu(x) z = Relu(y) }", "8.5")
    first, second = made.network.layers
    assert first.spec is second.spec
    assert (first.inputs, second.inputs) == (("x",), ("y",))


def test_releases_do_not_share(lowered: Lower) -> None:
    graph = "(float[1,4,8,8] x) => (y) { y = GlobalMaxPool(x) }"
    assert [lowered(graph, release).network.layers[0].spec.kind for release in ("6.0", "7.0", "6.0")] == ["POOLING", "REDUCE", "POOLING"]


def test_free_dimensions_are_marked(lowered: Lower) -> None:
    made = lowered("(float[N,4] x) => (y) { y = Relu(x) }", "8.5")
    spec = made.network.layers[0].spec
    assert (spec.inputs[0].free, spec.inputs[0].type.shape) == (True, ("N", 4))
    assert spec.outputs[0].shape == ("N", 4)
    assert made.network.dynamic == {"x", "y"}


def test_shape_that_nobody_knows_is_none(lowered: Lower) -> None:
    made = lowered("(float[1,4] x) => (y) { a = custom.Op(x) y = Relu(a) }", "8.5")
    spec = made.network.layers[1].spec
    assert (spec.inputs[0].free, spec.inputs[0].type) == (False, None)


@pytest.mark.parametrize(("count", "known"), [(16, True), (17, False)])
def test_elements_of_short_integer_constants_are_known(lowered: Lower, count: int, known: bool) -> None:
    values = ",".join("1" for _ in range(count))
    graph = f"(int64[{count}] x) => (y) <int64[{count}] c = {{{values}}}> {{ y = Add(x, c) }}"
    operand = lowered(graph, "8.5").network.layers[0].spec.inputs[1]
    assert operand.constant
    assert operand.items == ((1,) * count if known else None)


def test_inputs_and_outputs_are_those_of_the_model(lowered: Lower) -> None:
    made = lowered("(float[1,4] x, float[1,4] z) => (y, b) <float[4] w> { a = Add(x, w) b = Neg(z) y = Mul(a, b) }", "8.5")
    assert (made.network.inputs, made.network.outputs) == (("x", "z"), ("y", "b"))
    assert [layer.origin for layer in made.network.layers] == [(0,), (1,), (2,)]

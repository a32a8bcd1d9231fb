"""Replacements put into a model: names, order, and what is left over."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from dlalint.pipeline import Session
from dlalint.rewrite.applying import Batch, apply
from dlalint.rewrite.base import Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import NOT_A_NODE, Graph, attribute
from dlalint.rewrite.weights import Weights

from .conftest import text


def _graph(session: Session, model: ModelProto) -> Graph:
    return Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))


def _neg(graph: Graph, index: int) -> Replacement:
    build = Builder(graph, index, "neg")
    node = graph.nodes[index]
    build.add("Mul", [node.input[0], build.like(-1, node.input[0])], node.output[0])
    return build.replacement(index)


def test_names_order_and_what_others_read_stay(session: Session) -> None:
    graph = _graph(session, text("g (float[2,2] x) => (float[2,2] y, float[2,2] z) { a = Relu(x) b = Neg(a) y = Add(a, b) z = Abs(b) }"))
    before = graph.proto.SerializeToString()
    made = apply(graph, [_neg(graph, 1)])
    assert graph.proto.SerializeToString() == before
    assert [(node.op_type, list(node.output)) for node in made.graph.node] == [
        ("Relu", ["a"]),
        ("Mul", ["b"]),
        ("Add", ["y"]),
        ("Abs", ["z"]),
    ]
    assert [tensor.name for tensor in made.graph.initializer] == ["b/neg_0"]
    onnx.checker.check_model(made, full_check=True)


def test_what_only_the_replaced_nodes_needed_goes_and_the_rest_stays(session: Session) -> None:
    body = """g (float[2] x) => (float[2] y) <float[2] w = {1, 2}, float[2] unread = {1, 2}> {
        c = Constant<value: tensor = float[2] {3, 4}>() d = Mul(c, w) idle = Relu(x) y = Add(x, d) }"""
    model = text(body)
    model.graph.value_info.append(onnx.helper.make_tensor_value_info("d", 1, [2]))
    graph = _graph(session, model)
    build = Builder(graph, 3, "fold")
    build.add("Add", ["x", build.tensor(np.array([3, 8], np.float32))], "y")
    made = apply(graph, [build.replacement(3)])
    assert [node.op_type for node in made.graph.node] == ["Relu", "Add"]
    assert {tensor.name for tensor in made.graph.initializer} == {"unread", "y/fold_0"}
    assert not made.graph.value_info


def test_an_initializer_that_is_an_input_stays(session: Session) -> None:
    model = text("g (float[2] x, float[2] w) => (float[2] y) <float[2] w = {1, 2}> { y = Add(x, w) }")
    graph = _graph(session, model)
    build = Builder(graph, 0, "identity")
    build.add("Identity", ["x"], "y")
    made = apply(graph, [build.replacement(0)])
    assert [tensor.name for tensor in made.graph.initializer] == ["w"]


def test_nodes_are_put_where_their_inputs_are_known(session: Session) -> None:
    """The output of the last removed node is read in between."""
    graph = _graph(
        session, text("g (float[2] x) => (float[2] y) { a = Neg(x) b = Relu(x) c = Exp(b) d = Neg(b) e = Add(a, c) y = Add(d, e) }")
    )
    build = Builder(graph, 0, "both")
    build.add("Mul", ["b", build.like(-1, "b")], "d")
    build.add("Mul", ["x", build.like(-1, "x")], "a")
    made = apply(graph, [build.replacement(0, 3)])
    onnx.checker.check_model(made, full_check=True)
    assert [node.op_type for node in made.graph.node] == ["Mul", "Relu", "Mul", "Exp", "Add", "Add"]


def test_a_replacement_that_reads_its_own_result_is_a_fault_of_ours(session: Session) -> None:
    graph = _graph(session, text("g (float[2] x) => (float[2] y) { a = Neg(x) y = Relu(a) }"))
    build = Builder(graph, 0, "loop")
    build.add("Add", ["x", "y"], "a")
    with pytest.raises(RuntimeError, match="reads what depends on it"):
        apply(graph, [build.replacement(0)])


def test_a_batch_takes_what_does_not_collide(session: Session) -> None:
    graph = _graph(session, text("g (float[2] x) => (float[2] y) { a = Neg(x) b = Neg(a) y = Neg(b) }"))
    batch = Batch(graph)
    assert batch.take(_neg(graph, 0))
    assert not batch.take(_neg(graph, 0))
    both = Builder(graph, 1, "both")
    both.add("Identity", ["a"], "y")
    assert batch.take(both.replacement(1, 2))
    assert len(batch.members) == 2


def test_a_batch_refuses_to_read_what_another_takes_away(session: Session) -> None:
    graph = _graph(session, text("g (float[2] x) => (float[2] y) { a = Neg(x) b = Neg(a) y = Relu(b) }"))
    swallow = Builder(graph, 0, "swallow")
    swallow.add("Identity", ["x"], "b")
    batch = Batch(graph)
    assert batch.take(swallow.replacement(0, 1))
    reader = Builder(graph, 2, "reader")
    reader.add("Relu", ["a"], "y")
    assert not batch.take(reader.replacement(2))


def test_names_are_unique(session: Session) -> None:
    model = text('g (float[2] x) => (float[2] y) <float[2] "n/neg_0" = {1, 2}> { [n] y = Neg(x) }')
    graph = _graph(session, model)
    made = apply(graph, [_neg(graph, 0)])
    assert [tensor.name for tensor in made.graph.initializer] == ["n/neg_0", "n/neg_1"]


def test_consumers_count_outputs_and_bodies(session: Session) -> None:
    body = """g (bool c, float[2] x) => (float[2] y, float[2] a) { a = Relu(x)
        y = If(c)<then_branch = t () => (float[2] p) { p = Neg(a) }, else_branch = e () => (float[2] q) { q = Neg(x) }> }"""
    graph = _graph(session, text(body))
    assert graph.consumers("a") == [NOT_A_NODE, NOT_A_NODE]
    assert graph.consumers("x") == [0, NOT_A_NODE]
    assert graph.only_consumer("x") is None
    assert graph.producer("x") is None


def test_constants_are_read_from_all_their_places(session: Session) -> None:
    body = """g (float[2,3] x) => (float[3,2] y) <int64 axis = {1}> { s = Shape(x) c = Constant<value: tensor = float[2] {3, 4}>()
        t = Constant<value_float: float = 2.5>() h = Gather(s, axis) y = Transpose(x) }"""
    graph = _graph(session, text(body))
    assert graph.ints("s") == (2, 3)
    assert graph.ints("h") == (3,)
    assert graph.number("t") == 2.5
    found = graph.constant("c")
    assert found is not None
    assert found.tolist() == [3, 4]
    assert graph.constant("x") is None
    assert graph.number("c") is None
    assert graph.ints("c") is None


def test_attributes_have_python_values() -> None:
    node = onnx.helper.make_node("Any", [], ["y"], ints=[1, 2], text="abc", real=0.5, whole=3, texts=["a", "b"])
    assert [attribute(node, name) for name in ("ints", "text", "real", "whole", "none")] == [(1, 2), "abc", 0.5, 3, None]
    assert attribute(node, "none", 7) == 7


def test_what_was_useless_keeps_what_it_reads(session: Session) -> None:
    graph = _graph(session, text("g (float[2] x) => (float[2] y) { a = Neg(x) idle = Relu(a) y = Abs(x) }"))
    made = apply(graph, [_neg(graph, 0)])
    onnx.checker.check_model(made, full_check=True)
    assert [node.op_type for node in made.graph.node] == ["Mul", "Relu", "Abs"]

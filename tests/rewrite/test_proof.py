"""A replacement by itself as two models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from dlalint.numeric import Runner, verify
from dlalint.pipeline import Session
from dlalint.rewrite import proof
from dlalint.rewrite.base import Replacement
from dlalint.rewrite.builder import Builder
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

from .conftest import named, text, with_side_file


def _graph(session: Session, body: str, opset: int = 17) -> Graph:
    model = text(body, opset)
    return Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))


def _planned(graph: Graph, name: str, index: int) -> Replacement:
    planned = named(name).plan(graph, index)
    assert isinstance(planned, Replacement), planned
    return planned


def test_both_sides_take_and_give_the_same(session: Session) -> None:
    graph = _graph(session, "g (float[1,4] x) => (float[1,4] y, float[1,4] z) <float[4] w = {1, 2, 4, 8}> { y = Div(x, w) z = Relu(y) }")
    made = proof.parts(graph, _planned(graph, "div-to-mul", 0))
    assert made is not None
    assert [[item.name for item in model.graph.input] for model in made] == [["x"], ["x"]]
    assert [[item.name for item in model.graph.output] for model in made] == [["y"], ["y"]]
    assert [[node.op_type for node in model.graph.node] for model in made] == [["Div"], ["Mul"]]
    assert [[tensor.name for tensor in model.graph.initializer] for model in made] == [["w"], ["y/div-to-mul_0"]]
    for model in made:
        onnx.checker.check_model(model, full_check=True)


def test_it_tells_right_from_wrong(session: Session) -> None:
    graph = _graph(session, "g (float[1,4] x) => (float[1,4] y) { y = HardSwish(x) }")
    with Runner() as runner:
        made = proof.parts(graph, _planned(graph, "hard-swish", 0))
        assert made is not None
        assert verify(runner, *(model.SerializeToString() for model in made)).ok
        build = Builder(graph, 0, "wrong")
        build.add("Relu", ["x"], "y")
        wrong = proof.parts(graph, build.replacement(0))
        assert wrong is not None
        found = verify(runner, *(model.SerializeToString() for model in wrong))
        assert not found.ok
        assert found.first == "y"


def test_folded_constants_are_given_and_a_new_version_of_the_format_runs(session: Session) -> None:
    body = "g (float[2,3] x) => (float[2,3] y) <int64 at = {1}> { s = Shape(x) h = Gather(s, at) c = Cast<to: int = 1>(h) y = Div(x, c) }"
    graph = _graph(session, body)
    graph.proto.ir_version = 13
    made = proof.parts(graph, _planned(graph, "div-to-mul", 3))
    assert made is not None
    assert [model.ir_version for model in made] == [proof.RUNNABLE_IR, proof.RUNNABLE_IR]
    assert [tensor.name for tensor in made[0].graph.initializer] == ["c"]
    with Runner() as runner:
        assert verify(runner, *(model.SerializeToString() for model in made)).ok


def test_what_is_too_large_is_left_to_the_whole_model(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "LARGE_BYTES", 10)
    graph = _graph(session, "g (float[1,4] x) => (float[1,4] y) <float[4] w = {1, 2, 4, 8}> { y = Div(x, w) }")
    assert proof.parts(graph, _planned(graph, "div-to-mul", 0)) is None


def test_weights_in_a_side_file_are_read(session: Session, tmp_path: Path) -> None:
    model = text("g (float[1,4] x) => (float[1,4] y) <float[4] w = {1, 2, 4, 5}> { y = Div(x, w) }")
    path = str(tmp_path / "model.onnx")
    with_side_file(model, tmp_path / "model.onnx", "side.data")
    graph = Graph(onnx.load(path, load_external_data=False), session.view(path), Weights(path))
    planned = _planned(graph, "div-to-mul", 0)
    assert np.array_equal(onnx.numpy_helper.to_array(planned.tensors[0]), 1 / np.array([1, 2, 4, 5], np.float32))
    made = proof.parts(graph, planned)
    assert made is not None
    assert np.array_equal(onnx.numpy_helper.to_array(made[0].graph.initializer[0]), np.array([1, 2, 4, 5], np.float32))


def test_inputs_that_depend_on_each_other_are_made_from_one(session: Session) -> None:
    """The new nodes read in front of a Squeeze, the old ones behind it: both have to see the same data."""
    turned = "Transpose<perm=[0,2,1]>"
    body = f"g (float[1,4,1] x) => (float[1,4,1] y) {{ r = Relu(x) t = {turned}(r) n = Neg(t) y = {turned}(n) }}"
    graph = _graph(session, body)
    build = Builder(graph, 2, "straight")
    build.add("Neg", ["r"], "y")
    made = proof.parts(graph, build.replacement(2, 3))
    assert made is not None
    assert [[node.op_type for node in model.graph.node] for model in made] == [["Transpose", "Neg", "Transpose"], ["Transpose", "Neg"]]
    assert [[item.name for item in model.graph.input] for model in made] == [["r"], ["r"]]
    with Runner() as runner:
        assert verify(runner, *(model.SerializeToString() for model in made), exact=True).ok

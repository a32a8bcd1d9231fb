"""Constants that the model computes from others."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dlalint.pipeline import Session
from dlalint.rewrite.constants import constant
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

from .conftest import Apply
from .filled import filled

LARGE = 70  # squared more than the lint folds itself


def _graph(session: Session, nodes: str) -> Graph:
    model = filled(f"g (float[{LARGE},{LARGE}] x) => (float[{LARGE},{LARGE}] y) <float[{LARGE},{LARGE}] w> {{ {nodes} y = Mul(x, c) }}")
    return Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))


@pytest.mark.parametrize(
    ("nodes", "power"),
    [
        ("t = Transpose(w) c = Identity(t)", 1),
        ("t = Neg(w) s = Transpose(t) c = Neg(s)", 1),
        ("t = Transpose(w) s = Transpose(w) c = Mul(t, s)", 2),
    ],
)
def test_moves_and_arithmetic(session: Session, nodes: str, power: int) -> None:
    graph = _graph(session, nodes)
    weights = numpy_helper.to_array(graph.initializers["w"])
    assert graph.constant("c") is None
    found = constant(graph, "c")
    assert found is not None
    assert np.array_equal(found, weights.T**power)


@pytest.mark.parametrize("nodes", ["c = Erf(w)", "c = Neg(x)", "c, d = Split<axis=0, num_outputs=1>(w)"])
def test_others_are_not_known(session: Session, nodes: str) -> None:
    assert constant(_graph(session, nodes), "c") is None


def test_what_is_too_large_is_not_computed(session: Session) -> None:
    model = filled("g (float[1] x) => (float[8192,16384] y) <float[1] w, int64[2] s = {8192, 16384}> { c = Expand(w, s) y = Mul(x, c) }")
    graph = Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))
    assert graph.is_constant("c")
    assert constant(graph, "c") is None


def test_a_rewrite_reads_them(rewrite: Apply) -> None:
    body = """g (float[1,64,4,4] x) => (float[1,96,4,4] y) <float[64,96] w, int64[4] s = {96,64,1,1}, float[96,1,1] k>
        { t = Transpose(w) v = Reshape(t, s) c = Conv(x, v) d = Mul(c, k) y = Relu(d) }"""
    trial = rewrite(filled(body), "fold-constant-operand", "xavier-trt5.0", limit=1e-5)
    assert trial.operators == ["Conv", "Relu"]
    assert onnx.numpy_helper.to_array(trial.model.graph.initializer[0]).shape == (96, 64, 1, 1)

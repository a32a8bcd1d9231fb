"""What arithmetic with constants can be written over."""

from __future__ import annotations

import numpy as np
import pytest

from dlalint.pipeline import Session
from dlalint.rewrite.arithmetic import per_channel
from dlalint.rewrite.base import Miss
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

from .conftest import named, text


@pytest.mark.parametrize("name", ["hard-sigmoid", "hard-swish", "leaky-relu", "silu", "mish", "softmax-to-sigmoid"])
def test_types_other_than_floats(session: Session, name: str) -> None:
    op = next(iter(sorted(named(name).operators)))
    model = text(f"g (bfloat16[1,2,4,4] x) => (bfloat16[1,2,4,4] y) {{ y = {op}(x) }}", 24)
    graph = Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))
    assert named(name).plan(graph, 0) == Miss("its input is bfloat16, not float")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), True), ((1,), True), ((5, 1, 1), True), ((1, 5, 1, 1), True), ((5,), False), ((4, 1), False), ((1, 1, 5, 1, 1), False)],
)
def test_per_channel(shape: tuple[int, ...], expected: bool) -> None:
    assert per_channel(np.zeros(shape), 5) is expected

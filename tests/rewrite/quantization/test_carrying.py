"""Scales carried through nodes that do not change values."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dlalint.pipeline import Session
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.quantization.carrying import Carried, carry
from dlalint.rewrite.weights import Weights
from tests.rewrite.conftest import text


def carried(session: Session, body: str, scales: dict[str, float], opset: int = 17, more: str = "", **options: object) -> Carried:
    model = text(f"g (float[1,4,4,4] x) => (float[N] y) <int64[1] m = {{-1}}{more}> {{ {body} z = Erf(t) y = Reshape(z, m) }}", opset)
    view = session.view_bytes(model.SerializeToString(), "model.onnx")
    return carry(Graph(model, view, Weights("model.onnx")), scales, **options)  # type: ignore[arg-type]


KEEP = [
    ("t = Relu(a)", ""),
    ("t = MaxPool<kernel_shape=[2,2]>(a)", ""),
    ("t = GlobalMaxPool(a)", ""),
    ("t = Reshape(a, m)", ""),
    ("t = Transpose(a)", ""),
    ("t = Flatten(a)", ""),
    ("t = Squeeze(a, o)", ", int64[1] o = {0}"),
    ("t = Unsqueeze(a, o)", ", int64[1] o = {0}"),
    ("t = Identity(a)", ""),
    ("t = Dropout(a)", ""),
    ("t = DepthToSpace<blocksize=2>(a)", ""),
    ("t = SpaceToDepth<blocksize=2>(a)", ""),
    ("t = Slice(a, o, p)", ", int64[1] o = {0}, int64[1] p = {1}"),
    ("t, u = Split<axis=1>(a)", ""),
    ("t = Pad(a, p)", ", int64[8] p = {0,0,1,1,0,0,1,1}"),
    ("t = Pad(a, p, v)", ", int64[8] p = {0,0,1,1,0,0,1,1}, float v = {0.0}"),
    ("t = Pad<mode=\"reflect\">(a, p)", ", int64[8] p = {0,0,1,1,0,0,1,1}"),
    ("t = Resize<mode=\"nearest\">(a, , k)", ", float[4] k = {1,1,2,2}"),
    ("t = Clip(a, v, w)", ", float v = {0.0}, float w = {6.0}"),
    ("t = Clip(a, , w)", ", float w = {6.0}"),
    ("t = Cast<to=10>(a) ", ""),
    ("t = Gather(a, o)", ", int64[1] o = {0}"),
    ("t = Concat<axis=1>(a, a)", ""),
]  # fmt: skip
CHANGE = [
    ("t = Sigmoid(a)", ""),
    ("t = LeakyRelu(a)", ""),
    ("t = AveragePool<kernel_shape=[2,2]>(a)", ""),
    ("t = GlobalAveragePool(a)", ""),
    ("t = Pad(a, p, v)", ", int64[8] p = {0,0,1,1,0,0,1,1}, float v = {1.0}"),
    ("t = Resize<mode=\"linear\">(a, , k)", ", float[4] k = {1,1,2,2}"),
    ("t = Clip(a, v, w)", ", float v = {1.0}, float w = {6.0}"),
    ("t = Concat<axis=1>(a, x)", ""),
    ("t = Add(a, a)", ""),
]  # fmt: skip


@pytest.mark.parametrize(("body", "more"), KEEP, ids=[case[0].split("(")[0] + str(number) for number, case in enumerate(KEEP)])
def test_down_and_up(body: str, more: str, session: Session) -> None:
    down = carried(session, f"a = Sin(x) {body}", {"a": 0.5}, more=more)
    assert down.scales["t"] == 0.5
    assert [(step.tensor, step.source, step.origin) for step in down.steps if step.tensor == "t"] == [("t", "a", "carried")]
    known = {"t": 0.5, "u": 0.25} if " u =" in body or ", u" in body else {"t": 0.5}
    up = carried(session, f"a = Sin(x) {body}", known, more=more)
    assert up.scales["a"] == 0.5
    assert "x" not in up.scales


@pytest.mark.parametrize(("body", "more"), CHANGE, ids=[case[0].split("(")[0] + str(number) for number, case in enumerate(CHANGE)])
def test_not_through_what_changes_values(body: str, more: str, session: Session) -> None:
    assert carried(session, f"a = Sin(x) {body}", {"a": 0.5}, more=more).steps == ()
    assert "a" not in carried(session, f"a = Sin(x) {body}", {"t": 0.5}, more=more).scales or body.startswith("t = Concat")


def test_means_when_asked_for(session: Session) -> None:
    assert carried(session, "a = Sin(x) t = GlobalAveragePool(a)", {"a": 0.5}, average=True).scales["t"] == 0.5


def test_up_only_when_all_readers_hand_it_on(session: Session) -> None:
    """A Relu cuts off at its scale; who reads the tensor past it may need the values below zero."""
    assert "a" not in carried(session, "a = Sin(x) r = Relu(a) t = Add(a, r)", {"r": 0.5}).scales
    both = carried(session, "a = Sin(x) r = Relu(a) p = MaxPool<kernel_shape=[1,1]>(a) t = Add(r, p)", {"r": 0.5, "p": 0.75})
    assert both.scales["a"] == 0.75


def test_to_a_fixed_point(session: Session) -> None:
    """Up through a Transpose, over to another branch, and down again to the end."""
    body = "a = Sin(x) b = Transpose(a) c = Relu(b) d = Identity(b) e = Flatten(d) f = Flatten(c) t = Concat<axis=1>(e, f)"
    found = carried(session, body, {"e": 0.5, "c": 0.25})
    assert found.scales == {"e": 0.5, "c": 0.25, "d": 0.5, "b": 0.5, "a": 0.5, "f": 0.25, "t": 0.5}


def test_the_largest_scale_of_what_is_joined(session: Session) -> None:
    found = carried(
        session,
        "a = Sin(x) b = Cos(x) t = Concat<axis=1>(a, b, k)",
        {"a": 0.5, "b": 0.25},
        more=", float[1,1,4,4] k = {" + ",".join(["254"] * 16) + "}",
    )
    assert found.scales["t"] == 2.0  # the constant reaches 254
    assert found.uneven == (("Concat:t", 2.0),)


def test_never_over_what_is_there(session: Session) -> None:
    found = carried(session, "a = Sin(x) t = Relu(a)", {"a": 0.5, "t": 0.125})
    assert found.scales == {"a": 0.5, "t": 0.125}
    assert found.steps == ()


@pytest.mark.parametrize(
    ("weights", "op_type", "attributes", "picks"),
    [
        (np.eye(4).reshape(4, 4, 1, 1), "Conv", {}, True),
        (np.eye(4).reshape(4, 4, 1, 1) * 2, "Conv", {}, False),
        (np.ones((4, 4, 1, 1)), "Conv", {}, False),
        (np.ones((4, 1, 1, 1)), "Conv", {"group": 4}, True),
        (np.ones((4, 1, 2, 2)), "Conv", {"group": 4}, False),
        (np.ones((4, 1, 2, 2)), "ConvTranspose", {"group": 4, "strides": [2, 2]}, True),
        (np.ones((4, 1, 2, 2)), "ConvTranspose", {"group": 4, "strides": [1, 1]}, False),
        (np.ones((4, 4, 2, 2)), "ConvTranspose", {"strides": [2, 2]}, False),
        (np.eye(4).reshape(4, 4, 1, 1), "ConvTranspose", {"strides": [2, 2]}, True),
    ],
)
def test_convolutions_that_pick(weights: np.ndarray, op_type: str, attributes: dict[str, object], picks: bool, session: Session) -> None:
    model = text("g (float[1,4,4,4] x) => (float[1,4,N,M] y) { a = Neg(x) y = Conv(a, w) }")
    node = onnx.helper.make_node(op_type, ["a", "w"], ["y"], **attributes)  # type: ignore[arg-type]
    model.graph.node[1].CopyFrom(node)
    model.graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), "w"))
    graph = Graph(model, session.view_bytes(model.SerializeToString(), "model.onnx"), Weights("model.onnx"))
    assert ("y" in carry(graph, {"a": 0.5}, selections=True).scales) == picks
    assert carry(graph, {"a": 0.5}).steps == ()
    assert carry(graph, {"a": 0.5}, selections=True, only=()).steps == ()

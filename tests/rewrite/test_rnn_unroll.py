"""Recurrent layers step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from dlalint.pipeline import Session
from dlalint.rewrite.applying import apply
from dlalint.rewrite.base import Miss, Replacement
from dlalint.rewrite.graph import Graph
from dlalint.rewrite.weights import Weights

from .conftest import Apply, data, named, ran

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def model(
    kind: str,
    steps: int,
    hidden: int,
    direction: str = "forward",
    *,
    features: int = 3,
    batch: int = 1,
    bias: bool = True,
    initial: str = "",
    last: bool = False,
    dtype: int = TensorProto.FLOAT,
    length: tuple[int, ...] = (),
    **attributes: Any,
) -> ModelProto:
    """A convolution to batch,features,1,steps, the moves that torch exports before and behind a recurrent layer, and the layer.

    With ``last`` the state after the last step is the output, else the state of each step.
    """
    sides = 2 if direction == "bidirectional" else 1
    source = np.random.default_rng(3)
    real = helper.tensor_dtype_to_np_dtype(dtype)

    def random(*shape: int) -> NDArray[Any]:
        return (source.standard_normal(shape) * 0.4).astype(real)

    rows = GATES[kind] * hidden
    arrays: dict[str, NDArray[Any]] = {
        "c": random(features, 1, 1, 1) / 64,  # large data would drive the gates to where exponentials differ,
        "d": 1 + random(features),  # and small data would find the kernels' tanh differ
        "w": random(sides, rows, features),
        "r": random(sides, rows, hidden),
        **({"b": random(sides, 2 * rows)} if bias else {}),
        **({"l": np.array(length, np.int32)} if length else {}),
        "axis": np.array([2], np.int64),
        "first": np.array([1 if sides == 1 else 0], np.int64),
        "joined": np.array([steps, batch, sides * hidden], np.int64),
        "states": np.array([batch, sides * hidden], np.int64),
    }
    states = ["h"] + ["k"] * (kind == "LSTM") if initial else []
    if initial == "zero":
        arrays |= {name: np.zeros((sides, batch, hidden), real) for name in states}
    given_bias, given_length = "b" if bias else "", "l" if length else ""
    inputs = ["s", "w", "r", given_bias, given_length, *states]
    while not inputs[-1]:
        inputs.pop()
    nodes = [
        helper.make_node("Conv", ["x", "c", "d"], ["t"], group=features),
        helper.make_node("Squeeze", ["t", "axis"], ["q"]),
        helper.make_node("Transpose", ["q"], ["s"], perm=[2, 0, 1]),
        helper.make_node(kind, inputs, ["", "e"] if last else ["a"], hidden_size=hidden, direction=direction, **attributes),
    ]
    if last:
        nodes += [helper.make_node("Transpose", ["e"], ["n"], perm=[1, 0, 2]), helper.make_node("Reshape", ["n", "states"], ["y"])]
    elif sides == 1:
        nodes.append(helper.make_node("Squeeze", ["a", "first"], ["y"]))
    else:
        nodes += [helper.make_node("Transpose", ["a"], ["n"], perm=[0, 2, 1, 3]), helper.make_node("Reshape", ["n", "joined"], ["y"])]
    ends = {"x": (batch, features, 1, steps), **(dict.fromkeys(states, (sides, batch, hidden)) if initial == "computed" else {})}
    made = (batch, sides * hidden) if last else (steps, batch, sides * hidden)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in ends.items()],
        [helper.make_tensor_value_info("y", dtype, made)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    kind=st.sampled_from([("LSTM", None), ("GRU", 0), ("GRU", 1), ("RNN", None)]),
    direction=st.sampled_from(["forward", "reverse", "bidirectional"]),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(1, 2)),
    bias=st.booleans(),
    initial=st.sampled_from(["", "zero", "computed"]),
    last=st.booleans(),
)
def test_any_layer(
    rewrite: Apply, kind: tuple[str, int | None], direction: str, sizes: tuple[int, int, int, int], bias: bool, initial: str, last: bool
) -> None:
    steps, hidden, features, batch = sizes
    reset: dict[str, Any] = {} if kind[1] is None else {"linear_before_reset": kind[1]}
    given_model = model(kind[0], steps, hidden, direction, features=features, batch=batch, bias=bias, initial=initial, last=last, **reset)
    trial = rewrite(given_model, "rnn-unroll", "xavier-trt8.5", limit=1e-4)
    assert "DLA101" in {finding.code for finding in trial.found.before.findings}
    assert trial.found.changes or last or initial == "computed"  # whose reshapes may cost more than the layer
    if trial.found.changes:
        assert not {"LSTM", "GRU", "RNN"} & set(trial.operators)
        assert trial.found.after.summary.gpu_nodes <= trial.found.before.summary.gpu_nodes


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "reset"), [("LSTM", {}), ("GRU", {"linear_before_reset": 0}), ("GRU", {"linear_before_reset": 1}), ("RNN", {})]
)
def test_every_output(session: Session, kind: str, reset: dict[str, Any], direction: str) -> None:
    """The outputs of the node itself, wherever the placement would have them."""
    layered = model(kind, 3, 2, direction, batch=2, initial="computed", **reset)
    names = ["a", "e", "k2"][: 3 if kind == "LSTM" else 2]
    del layered.graph.node[4:]
    del layered.graph.node[3].output[:]
    layered.graph.node[3].output.extend(names)
    del layered.graph.output[:]
    layered.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    graph = Graph(layered, session.view_bytes(layered.SerializeToString(), "model.onnx"), Weights("model.onnx"))
    planned = named("rnn-unroll").plan(graph, 3)
    assert isinstance(planned, Replacement)
    unrolled = apply(graph, [planned])
    assert not {"LSTM", "GRU", "RNN"} & {node.op_type for node in unrolled.graph.node}
    for feeds in data(layered):
        for first, second in zip(ran(layered, feeds), ran(unrolled, feeds), strict=True):
            np.testing.assert_allclose(second, first, rtol=0, atol=1e-5 * max(1, float(np.abs(first).max())))


@pytest.mark.parametrize(
    ("kind", "steps", "hidden", "nodes"),
    [
        ("LSTM", 1, 2, ["Sigmoid", "Sigmoid", "Tanh", "Mul", "Tanh", "Mul"]),
        ("GRU", 1, 2, ["Sigmoid", "Tanh", "Mul"]),
        ("RNN", 1, 2, ["Tanh"]),
    ],
)
def test_one_step(rewrite: Apply, kind: str, steps: int, hidden: int, nodes: list[str]) -> None:
    """The state before the first step is zero, and what it would take part in is not written."""
    trial = rewrite(model(kind, steps, hidden), "rnn-unroll")
    assert sorted(op for op in trial.operators if op not in ("Conv", "Squeeze", "Transpose")) == sorted(nodes)


def test_layers_behind_each_other(rewrite: Apply) -> None:
    """The second layer takes the first one's result in four dimensions: no move is left between them."""
    first = model("LSTM", 4, 3, "bidirectional")
    weights = {"w2": (1, 6, 6), "r2": (1, 6, 2)}
    source = np.random.default_rng(4)
    first.graph.initializer.extend(
        numpy_helper.from_array(source.standard_normal(shape).astype(np.float32), name) for name, shape in weights.items()
    )
    first.graph.node.extend(
        [
            helper.make_node("GRU", ["y", "w2", "r2"], ["g"], hidden_size=2, linear_before_reset=1),
            helper.make_node("Squeeze", ["g", "one"], ["z"]),
        ]
    )
    first.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    first.graph.output[0].CopyFrom(helper.make_tensor_value_info("z", TensorProto.FLOAT, (4, 1, 2)))
    trial = rewrite(first, "", "xavier-trt8.5", limit=1e-4)
    assert [change.rewrite for change in trial.found.changes].count("rnn-unroll") == 2
    assert trial.operators.count("Squeeze") + trial.operators.count("Transpose") == 2
    assert trial.found.after.summary.gpu_nodes == 2


@pytest.mark.parametrize(
    ("given_model", "reason"),
    [
        (model("LSTM", 33, 2), "it has 33 steps, and a DLA convolution spans at most 32"),
        (model("LSTM", 2, 2, clip=3.0), "it clips, couples its gates, or has the batch in front"),
        (model("LSTM", 2, 2, input_forget=1), "it clips, couples its gates, or has the batch in front"),
        (model("GRU", 2, 2, activations=["HardSigmoid", "Tanh"]), "its activations are not the usual ones"),
        (model("GRU", 3, 2, length=(2,)), "the lengths of its sequences are computed, or differ"),
    ],
)
def test_misses(session: Session, given_model: ModelProto, reason: str) -> None:
    graph = Graph(given_model, session.view_bytes(given_model.SerializeToString(), "model.onnx"), Weights("model.onnx"))
    assert named("rnn-unroll").plan(graph, 3) == Miss(reason)


def test_full_length_is_no_obstacle(rewrite: Apply) -> None:
    assert len(rewrite(model("GRU", 3, 2, length=(3,)), "rnn-unroll").found.changes) == 1

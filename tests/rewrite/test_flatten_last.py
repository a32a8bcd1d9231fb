"""A flattening behind what four dimensions allow."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv, ints


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    batch=st.integers(1, 2),
    steps=st.lists(st.sampled_from(["Relu", "Sigmoid", "Softmax<axis=1>", "Mul", "Neg", "Identity"]), min_size=1, max_size=4),
    opset=st.sampled_from([11, 13, 21]),
)
def test_chains(rewrite: Apply, batch: int, steps: list[str], opset: int) -> None:
    body, name = "p = AveragePool<kernel_shape=[3,3]>(t) f = Flatten(p)", "f"
    for number, step in enumerate(steps):
        body += f" s{number} = Mul({name}, c)" if step == "Mul" else f" s{number} = {step}({name})"
        name = f"s{number}"
    constants = ["float[5] c"] if "Mul" in steps else []
    trial = rewrite(behind_conv((batch, 5, 3, 3), (batch, 5), f"{body} y = Relu({name})", constants, opset=opset), "flatten-last")
    assert "DLA541" in errors(trial, before=True)
    if trial.found.changes:
        assert trial.operators == ["Conv", "AveragePool", *(step.split("<")[0] for step in steps), "Relu", "Flatten"]


def test_probabilities(rewrite: Apply) -> None:
    body = "p = GlobalMaxPool(t) f = Squeeze(p, k) y = Softmax<axis=1>(f)"
    trial = rewrite(behind_conv((1, 5, 3, 3), (1, 5), body, [ints("k", (2, 3))]), "flatten-last", ORIN)
    assert trial.operators == ["Conv", "GlobalMaxPool", "Softmax", "Flatten"]
    assert errors(trial, before=True) == {"DLA531", "DLA541"}
    assert errors(trial, before=False) == {"DLA541"}


def test_a_gate(rewrite: Apply) -> None:
    body = "p = GlobalMaxPool(t) f = Squeeze(p, k) s = Sigmoid(f) u = Unsqueeze(s, k) y = Mul(t, u)"
    trial = rewrite(behind_conv((1, 5, 3, 3), (1, 5, 3, 3), body, [ints("k", (2, 3))]), "flatten-last", ORIN)
    assert trial.operators == ["Conv", "GlobalMaxPool", "Sigmoid", "Mul"]
    assert errors(trial, before=False) == set()


@pytest.mark.parametrize(
    ("body", "made", "constants"),
    [
        ("p = GlobalMaxPool(t) y = Flatten(p)", (1, 5), []),
        ("p = GlobalMaxPool(t) f = Flatten(p) y = MatMul(f, wa)", (1, 3), ["float[5,3] wa"]),
        ("p = Reshape(t, k) y = Relu(p)", (5, 9), [ints("k", (5, 9))]),
    ],
)
def test_misses(rewrite: Apply, body: str, made: tuple[int, ...], constants: list[str]) -> None:
    trial = rewrite(behind_conv((1, 5, 3, 3), made, body, constants), "flatten-last", "xavier-trt8.4")
    assert set(trial.reasons) <= {"does not apply: nothing behind it computes the same in four dimensions"}
    assert not trial.found.changes

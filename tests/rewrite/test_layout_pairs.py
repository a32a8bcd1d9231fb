"""Transposes and reshapes around elementwise work."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import ORIN, Apply, Trial
from .filled import filled

XAVIER = "xavier-trt8.4"  # takes no shuffle


def _codes(trial: Trial) -> set[str]:
    return {finding.code for finding in trial.found.before.findings if finding.severity == "error"}


def _dims(values: Iterable[int]) -> str:
    return ",".join(map(str, values))


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(2, 4)] * 3),
    order=st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]),
    last=st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]),
    work=st.lists(st.sampled_from(["Sigmoid(@)", "LeakyRelu(@)", "Mul(@, k)", "Add(k, @)", "Max(@, s)", "PRelu(@, k)"]), max_size=4),
    constant=st.tuples(*[st.booleans()] * 4),
    cancel=st.booleans(),
)
def test_any_transposes(
    rewrite: Apply, dims: tuple[int, ...], order: list[int], last: list[int], work: list[str], constant: tuple[bool, ...], cancel: bool
) -> None:
    inside = [dims[axis] for axis in order]
    last = list(np.argsort(order)) if cancel else last
    made = [inside[axis] for axis in last]
    shape = [dim if full else 1 for dim, full in zip(inside, constant, strict=True)]
    lines = " ".join(f"t{number + 1} = {call.replace('@', f't{number}')}" for number, call in enumerate(work))
    body = f"""g (float[{_dims(dims)}] x) => (float[{_dims(made)}] y) <float[{_dims(shape)}] k, float s = {{0.25}}>
        {{ r = Relu(x) t0 = Transpose<perm=[{_dims(order)}]>(r) {lines} u = Transpose<perm=[{_dims(last)}]>(t{len(work)}) y = Relu(u) }}"""
    trial = rewrite(filled(body), "transpose-pairs", XAVIER)
    inner = [call[: call.index("(")] for call in work]
    if [order[axis] for axis in last] == [0, 1, 2, 3] and not work:
        assert trial.operators == ["Relu", "Transpose", "Transpose", "Relu"]  # the builder erases them alone
        assert not _codes(trial)
        return
    gone = [order[axis] for axis in last] == [0, 1, 2, 3]
    assert trial.operators == ["Relu", *inner, *["Transpose"] * (not gone), "Relu"]
    assert {"DLA101"} <= _codes(trial) <= {"DLA101", "DLA416"}
    assert trial.found.after.summary.gpu_nodes == (0 if gone else 1)


def test_tensors_that_meet_and_part(rewrite: Apply) -> None:
    """Two entries, a join, a softmax, two exits; the axes follow."""
    body = """g (float[1,3,4,5] x, float[1,2,4,5] z) => (float[1,5,4,5] y, float[1,5,4,5] v)
        { a = Relu(x) b = Relu(z) c = Transpose<perm=[0,2,3,1]>(a) d = Transpose<perm=[0,2,3,1]>(b) e = Concat<axis=-1>(c, d)
          f = Softmax(e) h = Sigmoid(e) i = Add(f, h) j = Transpose<perm=[0,3,1,2]>(i) k = Transpose<perm=[0,3,1,2]>(h)
          y = Relu(j) v = Relu(k) }"""
    trial = rewrite(filled(body), "transpose-pairs", XAVIER)
    assert trial.operators == ["Relu", "Relu", "Concat", "Softmax", "Sigmoid", "Add", "Relu", "Relu"]
    assert next(node for node in trial.model.graph.node if node.op_type == "Concat").attribute[0].i == 1


def test_at_an_output(rewrite: Apply) -> None:
    body = """g (float[1,3,4,5] x) => (float[1,3,4,5] y) { r = Relu(x) a = Transpose<perm=[0,2,3,1]>(r) b = Sigmoid(a)
        y = Transpose<perm=[0,3,1,2]>(b) }"""
    trial = rewrite(filled(body), "transpose-pairs", XAVIER)
    assert (trial.operators, trial.found.after.verdict) == (["Relu", "Sigmoid"], "full")


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), *[st.integers(1, 4)] * 3),
    work=st.lists(st.sampled_from(["Sigmoid(@)", "LeakyRelu(@)", "Mul(@, k)", "Add(k, @)", "Max(@, s)", "Sub(@, t0)"]), max_size=4),
    spelling=st.sampled_from(["Reshape", "Flatten", "Squeeze"]),
    constant=st.booleans(),
    same=st.booleans(),
    target=st.sampled_from([ORIN, XAVIER]),
    opset=st.sampled_from([11, 13, 17]),
)
def test_any_reshapes(
    rewrite: Apply, dims: tuple[int, ...], work: list[str], spelling: str, constant: bool, same: bool, target: str, opset: int
) -> None:
    if spelling == "Squeeze":
        dims = (*dims[:3], 1)
    inside = {"Reshape": (*dims[:2], dims[2] * dims[3]), "Flatten": (prod(dims[:2]), prod(dims[2:])), "Squeeze": dims[:3]}[spelling]
    first = {
        "Reshape": "Reshape(r, a)",
        "Flatten": "Flatten<axis=2>(r)",
        "Squeeze": "Squeeze<axes=[3]>(r)" if opset < 13 else "Squeeze(r, c)",
    }
    made = dims if same else (dims[0], dims[2], dims[1], dims[3])
    lines = " ".join(f"t{number + 1} = {call.replace('@', f't{number}')}" for number, call in enumerate(work))
    body = f"""g (float[{_dims(dims)}] x) => (float[{_dims(made)}] y) <float[{_dims(inside if constant else inside[-1:])}] k,
        float s = {{0.25}}, int64[{len(inside)}] a = {{{_dims(inside)}}}, int64[4] b = {{{_dims(made)}}}, int64[1] c = {{3}}>
        {{ r = Relu(x) t0 = {first[spelling]} {lines} u = Reshape(t{len(work)}, b) y = Relu(u) }}"""
    trial = rewrite(filled(body, opset), "reshape-pairs", target)
    inner = [call[: call.index("(")] for call in work]
    gone = made == dims
    if gone and not work:
        assert trial.operators == ["Relu", spelling, "Reshape", "Relu"]  # the builder erases them alone
        return
    assert _codes(trial) & {"DLA101", "DLA541", "DLA542"}
    assert trial.operators == ["Relu", *inner, *["Reshape"] * (not gone), "Relu"]


def test_a_transpose_of_single_elements_is_a_reshape(rewrite: Apply) -> None:
    body = """g (float[1,6,1,1] x) => (float[1,6,1,1] y) <int64[2] a = {1,6}, int64[4] b = {1,6,1,1}>
        { r = Relu(x) s = Transpose<perm=[0,2,3,1]>(r) t = Reshape(s, a) u = Sigmoid(t) v = Reshape(u, b) y = Relu(v) }"""
    trial = rewrite(filled(body), "reshape-pairs")
    assert trial.operators == ["Relu", "Sigmoid", "Relu"]


@pytest.mark.parametrize(
    ("name", "made", "nodes", "reason"),
    [
        ("transpose-pairs", "2,2,2,2", "y = Transpose(x)", "an output of the model needs the layout"),
        ("transpose-pairs", "2,2,1,1", "a = Transpose(x) y = GlobalMaxPool(a)", "GlobalMaxPool needs the layout"),
        ("transpose-pairs", "2,2,2,2", "a = Transpose(x) b = Add(a, x) y = Transpose(b)", "an input of the model has the layout"),
        (
            "transpose-pairs",
            "2,2,2,2",
            "a = Transpose(x) b = Transpose<perm=[1,0,2,3]>(x) c = Add(a, b) y = Transpose(c)",
            "the tensors that meet are transposed in different ways",
        ),
        ("transpose-pairs", "2,2,2,2,1", "a = Transpose(x) b = Add(a, w) y = Transpose(b)", "a tensor that it meets has more dimensions"),
        ("reshape-pairs", "2,2,4", "y = Reshape(x, three)", "an output of the model needs the layout"),
        ("reshape-pairs", "2,2,2,2", "a = Reshape(x, three) b = Softmax(a) y = Reshape(b, four)", "Softmax needs the layout"),
        (
            "reshape-pairs",
            "2,2,2,2",
            "a = Reshape(x, three) b = ReduceMax<axes=[2]>(a) c = Sub(a, b) y = Reshape(c, four)",
            "ReduceMax needs the layout",
        ),
        ("reshape-pairs", "2,2,1,2,2", "a = Reshape(p, three) b = Relu(a) y = Reshape(b, five)", "no tensor outside has four dimensions"),
    ],
)
def test_misses(rewrite: Apply, name: str, made: str, nodes: str, reason: str) -> None:
    body = f"""g (float[2,2,2,2] x, float[2,2,1,2,2] p) => (float[{made}] y) <float[1,2,2,2,2] w, int64[3] three = {{2,2,4}},
        int64[4] four = {{2,2,2,2}}, int64[5] five = {{2,2,1,2,2}}> {{ {nodes} }}"""
    trial = rewrite(filled(body), name, XAVIER)
    assert f"does not apply: {reason}" in trial.reasons

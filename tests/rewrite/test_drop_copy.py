"""Nodes that hand on their input, taken out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import ORIN, Apply
from .filled import filled

COPIES = {
    "Identity(t)": "DLA101",
    "Dropout(t)": "DLA101",
    "Concat<axis=-3>(t)": "DLA502",
    "Sum(t)": "DLA101",
    "Max(t)": "DLA101",
    "Cast<to=1>(t)": "DLA101",
    "Reshape(t, shape)": "DLA541",
    "Tile(t, ones)": "DLA522",
    "Slice(t, zero, end, zero)": "DLA524",
}


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    dims=st.lists(st.integers(1, 5), min_size=3, max_size=5).filter(lambda dims: len(dims) != 4),
    copy=st.sampled_from(sorted(COPIES)),
    others=st.booleans(),
    opset=st.sampled_from([11, 12, 13, 17]),
)
def test_at_an_output(rewrite: Apply, dims: list[int], copy: str, others: bool, opset: int) -> None:
    """The node before makes the output; who else read its result reads the output."""
    kind = f"float[{','.join(map(str, dims))}]"
    constants = f"""int64[{len(dims)}] shape = {{{",".join(map(str, dims))}}}, int64[{len(dims)}] ones = {{{",".join("1" * len(dims))}}},
        int64[1] zero = {{0}}, int64[1] end = {{{dims[0]}}}"""
    more = ("z = Sigmoid(t)", f", {kind} z") if others else ("", "")
    trial = rewrite(filled(f"g ({kind} x) => ({kind} y{more[1]}) <{constants}> {{ t = Relu(x) {more[0]} y = {copy} }}", opset), "drop-copy")
    assert trial.operators == ["Relu", *["Sigmoid"] * others]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {COPIES[copy]}
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("node", "target"),
    [("Concat<axis=1>(t)", ORIN), ("Pad(t, none)", "xavier-trt7.1"), ("Tile(t, ones)", ORIN), ("Split<axis=1>(t)", "xavier-trt8.2")],
)
def test_in_the_middle(rewrite: Apply, node: str, target: str) -> None:
    body = f"""g (float[1,4,8,8] x) => (float[1,4,8,8] y, float[1,4,8,8] z)
        <int64[8] none = {{0,0,0,0,0,0,0,0}}, int64[4] ones = {{1,1,1,1}}> {{ t = Relu(x) s = {node} y = Sigmoid(s) z = Mul(s, s) }}"""
    trial = rewrite(filled(body, 17 if "Split" not in node else 12), "drop-copy", target)
    assert trial.operators == ["Relu", "Sigmoid", "Mul"]
    assert trial.found.after.verdict == "full"


def test_a_chain(rewrite: Apply) -> None:
    body = "g (float[1,4,8,8] x) => (float[1,4,8,8] y) { t = Relu(x) s = Concat<axis=1>(t) r = Identity(s) y = Concat<axis=2>(r) }"
    trial = rewrite(filled(body), "drop-copy")
    assert trial.operators == ["Relu"]


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("y = Identity(x) z = Relu(x)", "the model needs both its input and its output"),
        ("z = Relu(x) y = Concat<axis=1>(z)", "the model needs both its input and its output"),
        ("z = Relu(x) y = Transpose<perm=[0,2,1]>(z)", "it changes its input"),
        ("z = Relu(x) y = Transpose(z)", "it changes its input"),
        ("z = Relu(x) y = Slice(z, last, first, one, back)", "it changes its input"),
        ("z = Relu(x) y = Pad(z, around)", "it changes its input"),
    ],
)
def test_misses(rewrite: Apply, nodes: str, reason: str) -> None:
    body = f"""g (float[1,3,3] x) => (float[a,b,c] y, float[1,3,3] z) <int64[1] last = {{2}}, int64[1] first = {{-4}}, int64[1] one = {{1}},
        int64[1] back = {{-1}}, int64[6] around = {{0,1,0,0,-1,0}}> {{ {nodes} }}"""
    trial = rewrite(filled(body), "drop-copy")
    assert trial.reasons == [f"does not apply: {reason}"]

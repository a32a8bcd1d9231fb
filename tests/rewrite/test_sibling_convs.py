"""Convolutions side by side as one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import Apply
from .filled import filled

TARGET = "xavier-trt7.1"  # leaves a join at the entry of a loadable to the GPU


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    maps=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    biases=st.lists(st.booleans(), min_size=4, max_size=4),
    axis=st.sampled_from([1, -3]),
)
def test_any_siblings(rewrite: Apply, maps: list[int], kernel: int, stride: int, biases: list[bool], axis: int) -> None:
    """The Relu behind the Transpose closes the loadable of the convolutions before the join."""
    size = (8 - kernel) // stride + 1
    constants = ", ".join(f"float[{count},3,{kernel},{kernel}] w{number}, float[{count}] b{number}" for number, count in enumerate(maps))
    calls = [f"w{number}{f', b{number}' if biases[number] else ''}" for number in range(len(maps))]
    siblings = " ".join(f"c{number} = Conv<strides=[{stride},{stride}]>(r, {call})" for number, call in enumerate(calls))
    body = f"""g (float[1,3,8,8] x) => (float[1,{sum(maps)},{size},{size}] y, float[1,8,3,8] z) <{constants}>
        {{ r = Relu(x) {siblings} t = Transpose<perm=[0,2,1,3]>(r) z = Relu(t)
          j = Concat<axis={axis}>({", ".join(f"c{number}" for number in range(len(maps)))}) y = Relu(j) }}"""
    trial = rewrite(filled(body), "sibling-convs", TARGET, limit=1e-6)
    assert sorted(trial.operators) == ["Conv", "Relu", "Relu", "Relu", "Transpose"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA101", "DLA503"}
    assert {finding.code for finding in trial.found.after.findings if finding.severity == "error"} == {"DLA101"}


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("a = Conv(r, w) b = Sigmoid(r) j = Concat<axis=1>(a, b)", "not all it joins are convolutions"),
        ("a = Conv(r, w) j = Concat<axis=1>(a, a)", "not all it joins are convolutions"),
        ("a = Conv(r, w) b = Conv(r, v) j = Concat<axis=1>(a, b) s = Relu(a)", "a convolution has other readers"),
        ("a = Conv(r, w) b = Conv(q, v) j = Concat<axis=1>(a, b)", "the convolutions differ in more than their weights"),
        ("a = Conv(r, w) b = Conv<pads=[0,0,0,0]>(r, v) j = Concat<axis=1>(a, b)", "the convolutions differ in more than their weights"),
        (
            "a = Conv<group=3>(r, u) b = Conv<group=3>(r, u) j = Concat<axis=1>(a, b)",
            "it does not join the channels of convolutions with one group",
        ),
        ("a = Conv(r, o) b = Conv(r, v) j = Concat<axis=1>(a, b)", "weights are computed"),
    ],
)
def test_misses(rewrite: Apply, nodes: str, reason: str) -> None:
    body = f"""g (float[1,3,8,8] x, float[3,3,1,1] o) => (float[1,6,8,8] y, float[1,8,3,8] z)
        <float[3,3,1,1] w, float[3,3,1,1] v, float[3,1,1,1] u>
        {{ r = Relu(x) q = Tanh(x) {nodes.split(" j = ")[0]} t = Transpose<perm=[0,2,1,3]>(r) z = Relu(t)
          j = {nodes.split(" j = ")[1]} y = Relu(j) }}"""
    trial = rewrite(filled(body), "sibling-convs", TARGET)
    assert trial.reasons == [f"does not apply: {reason}"]

"""One-dimensional layers in two dimensions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import ORIN, Apply, Trial
from .filled import filled

XAVIER = "xavier-trt7.1"
WORK = [
    "Conv<strides=[2], pads=[2,1]>(@, w)",
    "Conv<dilations=[2], group=2, pads=[2,2]>(@, v, b)",
    'Conv<auto_pad="SAME_UPPER">(@, w)',
    "ConvTranspose<strides=[2]>(@, w)",
    "ConvTranspose<strides=[2], output_padding=[1], group=2>(@, v, b)",
    "MaxPool<kernel_shape=[3], pads=[1,1]>(@)",
    "AveragePool<kernel_shape=[2], strides=[2], ceil_mode=1>(@)",
    "Add(@, k)",
    "Mul(s, @)",
    "BatchNormalization(@, p, p, p, q)",
    "Clip(@, s, r)",
    "Max(@, @)",
]
CONSTANTS = """float[4,4,3] w, float[4,2,3] v, float[4] b, float[4,1] k, float s = {0.5}, float[4] p, float[4] q = {1, 2, 3, 4},
    float r = {0.75}"""


def _codes(trial: Trial) -> set[str]:
    return {finding.code for finding in trial.found.before.findings if finding.severity == "error"}


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    work=st.permutations(WORK),
    batch=st.integers(1, 2),
    opset=st.sampled_from([11, 12]),
    axis=st.sampled_from([2, 3]),
    target=st.sampled_from([ORIN, XAVIER]),
)
def test_any_chain(rewrite: Apply, work: list[str], batch: int, opset: int, axis: int, target: str) -> None:
    """Four dimensions before and behind: the reshapes go."""
    lines, name = [], "t"
    for number, call in enumerate(work):
        lines.append(f"a{number} = {call.replace('@', name)} t{number} = Sigmoid(a{number})")
        name = f"t{number}"
    dims, made = ("1,40", "1,L") if axis == 2 else ("40,1", "L,1")
    body = f"""g (float[{batch},4,{dims}] x) => (float[{batch},4,{made}] y) <{CONSTANTS}>
        {{ f = Relu(x) t = Squeeze<axes=[{axis}]>(f) {" ".join(lines)} u = Unsqueeze<axes=[{axis}]>({name}) y = Relu(u) }}"""
    trial = rewrite(filled(body, opset), "conv-1d", target)
    kinds = [call[: call.index("<") if "<" in call else call.index("(")] for call in work]
    assert trial.operators == ["Relu", *[kind for pair in zip(kinds, ["Sigmoid"] * len(kinds), strict=True) for kind in pair], "Relu"]
    assert ("DLA541" if target == ORIN else "DLA101") in _codes(trial)


ROW = "a = Conv(t, w) e = Relu(a) c = MaxPool<kernel_shape=[2]>(e)"


def test_joins_and_several_outputs(rewrite: Apply) -> None:
    body = f"""g (float[1,4,5,8] x, float[1,4,37] z) => (float[1,12,37] y, float[1,4,1,1] g) <{CONSTANTS}, float[1,4,37] d,
        int64[3] m = {{1,4,40}}, int64[4] n = {{1,4,1,1}}>
        {{ f = Relu(x) t = Reshape(f, m) {ROW} y = Concat<axis=1>(c, z, d) h = GlobalAveragePool(c) g = Reshape(h, n) }}"""
    trial = rewrite(filled(body), "conv-1d", "xavier-trt8.5")
    counts = {name: trial.operators.count(name) for name in ("Reshape", "Unsqueeze", "Squeeze")}
    assert counts == {"Reshape": 2, "Unsqueeze": 0, "Squeeze": 1}


@pytest.mark.parametrize(
    "nodes",
    [
        "f = Relu(x) t = Squeeze<axes=[2]>(f) c = Conv(t, o) y = Unsqueeze<axes=[2]>(c)",
        "f = Relu(x) t = Squeeze<axes=[2]>(f) c = Sigmoid(t) y = Unsqueeze<axes=[2]>(c)",
        "f = Relu(x) t = Squeeze<axes=[2]>(f) a = MatMul(t, h) y = Unsqueeze<axes=[2]>(a)",
    ],
)
def test_misses(rewrite: Apply, nodes: str) -> None:
    body = f"g (float[1,4,1,40] x, float[4,4,3] o) => (float[1,4,1,L] y) <{CONSTANTS}, float[40,3] h> {{ {nodes} }}"
    trial = rewrite(filled(body, 12), "conv-1d")
    assert "does not apply: no one-dimensional window with constant weights is beside it" in trial.reasons

"""Arithmetic with constants in the weights of convolutions and Gemm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.plan import Outcome

from .conftest import Apply
from .filled import filled

XAVIER = "xavier-trt5.0"
NAME = "fold-constant-operand"


def _codes(outcome: Outcome) -> set[str]:
    return {finding.code for finding in outcome.findings if finding.severity == "error"}


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    data=st.data(),
    op=st.sampled_from(["Add", "Sub", "Mul", "Div"]),
    linear=st.sampled_from(["Conv", "ConvTranspose"]),
    group=st.sampled_from([1, 2]),
    bias=st.booleans(),
    dtype=st.sampled_from(["float", "float16"]),
    behind=st.booleans(),
)
def test_any_convolution(
    rewrite: Apply, data: st.DataObject, op: str, linear: str, group: int, bias: bool, dtype: str, behind: bool
) -> None:
    size, kernel, stride = data.draw(st.integers(4, 7)), data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
    inside, maps = 4, 2 * data.draw(st.integers(1, 3))
    behind = behind and (linear == "Conv" or op in ("Mul", "Div"))
    weights = (maps, inside // group) if linear == "Conv" else (inside, maps // group)
    out = (size - kernel) // stride + 1 if linear == "Conv" else (size - 1) * stride + kernel
    constant = data.draw(st.sampled_from(["1", "{n},1,1", "1,{n},1,1"])).format(n=inside if behind else maps)
    first = constant != "1" or op in ("Add", "Mul", "Sub")
    operands = data.draw(st.permutations(["{}", "k"]) if first and op != "Div" else st.just(["{}", "k"]))
    attributes = f"<group={group}, strides=[{stride},{stride}]>"
    product = f"{linear}{attributes}({{}}, w{', b' if bias else ''})"
    arithmetic = f"{op}({', '.join(operands)})"
    nodes = (arithmetic, product) if behind else (product, arithmetic)
    body = f"""g ({dtype}[1,{inside},{size},{size}] x) => ({dtype}[1,{maps},{out},{out}] y)
        <{dtype}[{weights[0]},{weights[1]},{kernel},{kernel}] w, {dtype}[{maps}] b, {dtype}[{constant}] k>
        {{ t = {nodes[0].format("x")} y = {nodes[1].format("t")} }}"""
    trial = rewrite(filled(body), NAME, XAVIER, limit=1e-6 if dtype == "float" else 4e-3)
    assert trial.operators == [linear]
    assert "DLA412" in _codes(trial.found.before)
    assert not _codes(trial.found.after) & {"DLA411", "DLA412"}


@pytest.mark.parametrize("attributes", ["", "alpha=0.5, beta=2.0", "transB=1", "alpha=2.0, transB=1"])
@pytest.mark.parametrize("nodes", ["t = Gemm<A>(x, w, c) y = Div(t, k)", "t = Sub(k, x) y = Gemm<A>(t, w, c)"])
@pytest.mark.parametrize("c", ["5", "2,5", "2,1", "1"])
def test_gemm(rewrite: Apply, attributes: str, nodes: str, c: str) -> None:
    matrix = "5,5"
    body = f"g (float[2,5] x) => (float[2,5] y) <float[{matrix}] w, float[{c}] c, float[5] k> {{ {nodes.replace('A', attributes)} }}"
    trial = rewrite(filled(body.replace("<>", "")), NAME, XAVIER, limit=1e-6)
    assert trial.operators == ["Gemm"]


def test_a_chain_folds_as_a_whole(rewrite: Apply) -> None:
    body = """g (float[1,3,8,8] x) => (float[1,4,8,8] y) <float[4,3,3,3] w, float[4,1,1] a, float[4,1,1] b>
        { c = Conv<pads=[1,1,1,1]>(x, w) d = Mul(c, a) e = Add(b, d) f = Neg(e) g = Div(f, a) y = Relu(g) }"""
    trial = rewrite(filled(body), NAME, XAVIER, limit=1e-6)
    assert trial.operators == ["Conv", "Relu"]
    assert trial.found.after.verdict == "full"


def test_every_reader_takes_the_constant(rewrite: Apply) -> None:
    body = """g (float[1,3,8,8] x) => (float[1,4,8,8] y, float[1,4,6,6] z) <float[4,3,1,1] v, float[4,3,3,3] w, float[3,1,1] a>
        { t = Relu(x) s = Add(t, a) y = Conv(s, v) z = Conv<auto_pad="VALID">(s, w) }"""
    trial = rewrite(filled(body), NAME, XAVIER, limit=1e-6)
    assert trial.operators == ["Relu", "Conv", "Conv"]


def test_behind_a_layer_on_the_gpu(rewrite: Apply) -> None:
    """From 8.0 to 8.6 a product with a constant follows the GPU layer before it, unless the convolution behind takes it."""
    body = """g (float[1,3,8,8] x) => (float[1,4,6,6] y) <float[4,3,3,3] w, float[3,1,1] a>
        { t = Sin(x) s = Mul(t, a) y = Conv(s, w) }"""
    trial = rewrite(filled(body), NAME, "orin-trt8.5", limit=1e-6)
    assert trial.operators == ["Sin", "Conv"]
    assert _codes(trial.found.before) - _codes(trial.found.after) == {"DLA416"}


def test_negation_on_orin(rewrite: Apply) -> None:
    body = "g (float[1,3,8,8] x) => (float[1,4,8,8] y) <float[4,3,1,1] w> { t = Conv(x, w) s = Neg(t) y = Relu(s) }"
    trial = rewrite(filled(body), NAME, "orin-trt10.3", limit=0)
    assert (_codes(trial.found.before), trial.operators) == ({"DLA431"}, ["Conv", "Relu"])


NODE = "the node before is no convolution or Gemm that it alone reads"
BEHIND = "not every node behind is a convolution or Gemm"


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ("c = Relu(x) d = Mul(c, a) y = Relu(d)", f"{NODE}, and {BEHIND}"),
        ("c = Conv(x, w) d = Mul(c, a) y = Add(c, d)", f"{NODE}, and {BEHIND}"),
        ("c = Conv(x, v) d = Mul(c, a) y = Relu(d)", f"the weights before are computed, and {BEHIND}"),
        ("d = Mul(x, a) y = Conv(d, v)", f"{NODE}, and the weights behind are computed"),
        (
            "d = Add(x, a) y = Conv<pads=[1,1,1,1]>(d, u)",
            f"{NODE}, and a convolution behind sees less than its whole kernel at the border",
        ),
        (
            'd = Sub(x, a) y = Conv<auto_pad="SAME_UPPER">(d, u)',
            f"{NODE}, and a convolution behind sees less than its whole kernel at the border",
        ),
        ("c = Conv(x, w) d = Mul(c, m) y = Relu(d)", "the constant is not one number, nor one for each channel"),
        ("c = Conv(x, w) d = Div(a, c) y = Relu(d)", "it divides by zero or by what is computed, or its constant is not finite"),
        ("c = Conv(x, w) d = Div(c, zero) y = Relu(d)", "it divides by zero or by what is computed, or its constant is not finite"),
        ("c = Conv(x, w) d = Sub(c, x) y = Relu(d)", "no operand is a constant with known elements"),
        ("p = GlobalMaxPool(x) c = Conv(p, w) d = Mul(c, m) y = Mul(x, d)", "the constant changes the shape"),
    ],
)
def test_misses(rewrite: Apply, nodes: str, reason: str) -> None:
    body = f"""g (float[1,4,8,8] x, float[4,4,1,1] v) => (float[1,4,8,8] y)
        <float[4,4,1,1] w, float[4,4,3,3] u, float[4,1,1] a, float[4,8,8] m, float[4,1,1] zero = {{1, 0, 1, 1}}> {{ {nodes} }}"""
    trial = rewrite(filled(body), NAME, XAVIER)
    assert trial.reasons == [f"does not apply: {reason}"]


def test_an_overflow_is_a_miss(rewrite: Apply) -> None:
    """The bits of 57344 and 2."""
    body = """g (float16[1,1,4,4] x) => (float16[1,1,4,4] y) <float16[1,1,1,1] w = {31488}, float16[1] a = {16384}>
        { c = Conv(x, w) d = Mul(c, a) y = Relu(d) }"""
    trial = rewrite(filled(body), NAME, XAVIER)
    assert trial.reasons == ["does not apply: the folded weights are out of the range of float16, and " + BEHIND]

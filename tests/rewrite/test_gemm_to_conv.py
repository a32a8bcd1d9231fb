"""Products with constant matrices in four dimensions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.rewrite.graph import attribute

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv, ints
from .filled import filled

XAVIER = "xavier-trt7.1"


def _flatten(draw: st.DrawFn, dims: tuple[int, ...], opset: int) -> tuple[str, list[str]]:
    """A node that makes a matrix ``f`` of ``t``, and its constants."""
    batch, channels, height, width = dims
    forms = ["f = Flatten(t)", "f = Reshape(t, k)", "n = Transpose<perm=[0,2,3,1]>(t) f = Reshape(n, k)"]
    if height == width == 1:
        forms.append("f = Squeeze(t, axes)" if opset >= 13 else "f = Squeeze<axes=[2,3]>(t)")
    body = draw(st.sampled_from(forms))
    constants = [ints("k", (batch, channels * height * width))] if "k)" in body else []
    return body, [*constants, *([ints("axes", (2, 3))] if "axes)" in body else [])]


@st.composite
def networks(draw: st.DrawFn) -> tuple[str, list[str], tuple[int, ...], int]:
    """A body that makes ``y`` of a map ``t``, its constants, the shape of ``t`` and the operator set."""
    opset = draw(st.sampled_from([11, 13, 17, 21]))
    dims = (draw(st.integers(1, 2)), draw(st.integers(2, 5)), draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 2])))
    body, constants = _flatten(draw, dims, opset)
    size, name = dims[1] * dims[2] * dims[3], "f"
    steps = draw(
        st.lists(st.sampled_from(["gemm", "gemm", "matmul", "Relu", "Sigmoid", "add", "softmax", "Dropout"]), min_size=1, max_size=6)
    )
    first = draw(st.sampled_from([["gemm"], ["Relu", "matmul"], ["Dropout", "Sigmoid", "gemm"]]))
    for number, step in enumerate([*first, *steps]):
        maps = draw(st.integers(1, 6)) if step in ("gemm", "matmul") else size
        made = f"s{number}"
        if step == "gemm":
            turned, biased = draw(st.booleans()), draw(st.sampled_from(["", f"[{maps}]", f"[1,{maps}]", "[1]"]))
            options = f"transB={int(turned)}, alpha={draw(st.sampled_from([1.0, 0.5]))}, beta={draw(st.sampled_from([1.0, 2.0]))}"
            weights = (maps, size) if turned else (size, maps)
            constants += [f"float[{weights[0]},{weights[1]}] wa{number}", *([f"float{biased} b{number}"] if biased else [])]
            body += f" {made} = Gemm<{options}>({name}, wa{number}{f', b{number}' if biased else ''})"
        elif step == "matmul":
            constants.append(f"float[{size},{maps}] wa{number}")
            body += f" {made} = MatMul({name}, wa{number})"
        elif step == "add":
            constants.append(f"float{draw(st.sampled_from([f'[{size}]', f'[1,{size}]', '[1]', f'[{dims[0]},1]']))} b{number}")
            body += f" {made} = Add(b{number}, {name})"
        else:
            body += f" {made} = {step}({name})" if step != "softmax" else f" {made} = Softmax<axis=1>({name})"
        size, name = maps, made
    return f"{body} y = Identity({name})", constants, dims, opset


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(network=networks(), target=st.sampled_from([ORIN, XAVIER]))
def test_chains(rewrite: Apply, network: tuple[str, list[str], tuple[int, ...], int], target: str) -> None:
    body, constants, dims, opset = network
    trial = rewrite(behind_conv(dims, (dims[0], "K"), body, constants, opset=opset), "gemm-to-conv", target, limit=2e-5)
    assert not {"Gemm", "MatMul"} & set(trial.operators) or not trial.found.changes
    if "DLA541" in errors(trial, before=True) and dims[2:] != (1, 1) and target == ORIN:
        assert trial.found.changes
        assert sum(trial.operators.count(name) for name in ("Flatten", "Reshape", "Squeeze", "Transpose")) == 1
        assert trial.found.after.summary.candidates == 1


VGG = """f = Flatten(t) a = Gemm<transB=1>(f, wa, b) r = Relu(a) d = Dropout(r) c = Gemm<transB=1>(d, v) s = Relu(c)
e = Gemm<transB=1>(s, u) y = Softmax<axis=1>(e)"""


@pytest.mark.parametrize("target", [ORIN, XAVIER])
def test_classifier(rewrite: Apply, target: str) -> None:
    constants = ["float[32,432] wa", "float[32] b", "float[16,32] v", "float[10,16] u"]
    trial = rewrite(behind_conv((1, 12, 6, 6), (1, 10), VGG, constants), "gemm-to-conv", target)
    assert trial.operators == ["Conv", "Conv", "Relu", "Dropout", "Conv", "Relu", "Conv", "Softmax", "Flatten"]
    assert trial.found.after.summary.candidates == 1
    assert [attribute(node, "kernel_shape") for node in trial.model.graph.node if node.op_type == "Conv"][1] == (6, 6)


@pytest.mark.parametrize("back", ["s = Reshape(g, k)", "s = Unsqueeze(g, k)"])
def test_squeeze_and_excitation(rewrite: Apply, back: str) -> None:
    body = f"""p = GlobalAveragePool(t) f = Flatten(p) a = Gemm<transB=1>(f, wa) r = Relu(a) c = MatMul(r, v) d = Add(c, b)
    g = Sigmoid(d) {back} y = Mul(t, s)"""
    wanted = ints("k", (1, 8, 1, 1) if "Reshape" in back else (2, 3))
    trial = rewrite(
        behind_conv((1, 8, 6, 6), (1, 8, 6, 6), body, ["float[2,8] wa", "float[2,8] v", "float[8] b", wanted]), "gemm-to-conv", XAVIER
    )
    assert trial.operators == ["Conv", "GlobalAveragePool", "Conv", "Relu", "Conv", "Sigmoid", "Mul"]
    assert trial.found.after.summary.gpu_nodes == 1


def test_channels_last(rewrite: Apply) -> None:
    body = """n = Transpose<perm=[0,2,3,1]>(t) a = MatMul(n, wa) c = Add(a, b) r = Gelu(c) d = MatMul(r, v) e = Mul(d, s)
    m = Transpose<perm=[0,3,1,2]>(e) y = Add(t, m)"""
    constants = ["float[4,16] wa", "float[16] b", "float[16,4] v", "float[4] s"]
    trial = rewrite(behind_conv((1, 4, 5, 6), (1, 4, 5, 6), body, constants, opset=20), "gemm-to-conv")
    assert trial.operators == ["Conv", "Conv", "Gelu", "Conv", "Mul", "Add"]
    assert {"DLA542"} <= errors(trial, before=True)
    assert "DLA542" not in errors(trial, before=False)


@pytest.mark.parametrize("opset", [13, 17])
def test_tokens(rewrite: Apply, opset: int) -> None:
    body = """q = Reshape(t, k) n = Transpose<perm=[0,2,1]>(q) p = Add(n, e) a = MatMul(p, wa) r = Softmax<axis=-1>(a)
    m = Transpose<perm=[0,2,1]>(r) y = Reshape(m, l)"""
    constants = ["float[1,30,4] e", "float[4,8] wa", ints("k", (2, 4, 30)), ints("l", (2, 8, 5, 6))]
    trial = rewrite(behind_conv((2, 4, 5, 6), (2, 8, 5, 6), body, constants, opset=opset), "gemm-to-conv")
    assert trial.operators == ["Conv", "Add", "Conv", "Softmax"]
    assert trial.found.after.verdict == "full"


def test_tokens_that_leave(rewrite: Apply) -> None:
    body = "q = Reshape(t, k) n = Transpose<perm=[0,2,1]>(q) a = MatMul(n, wa) r = Relu(a) y = MatMul(r, v)"
    constants = ["float[4,8] wa", "float[8,3] v", ints("k", (2, 4, 30))]
    trial = rewrite(behind_conv((2, 4, 5, 6), (2, 30, 3), body, constants), "gemm-to-conv")
    assert trial.operators == ["Conv", "Conv", "Relu", "Conv", "Reshape", "Transpose"]
    assert trial.found.after.summary.candidates == 1


def test_a_row_of_channels(rewrite: Apply) -> None:
    body = "p = GlobalMaxPool(t) n = Transpose<perm=[0,2,3,1]>(p) r = Relu(n) q = Mul(r, r) f = Reshape(q, k) a = MatMul(f, wa) y = Relu(a)"
    constants = ["float[40,4] wa", ints("k", (2, 40))]
    trial = rewrite(behind_conv((2, 40, 5, 6), (2, 4), body, constants), "gemm-to-conv")
    assert trial.operators == ["Conv", "GlobalMaxPool", "Transpose", "Relu", "Mul", "Reshape", "Conv", "Relu", "Flatten"]
    assert trial.found.after.summary.candidates == 1


def test_a_row_that_loses_its_height_first(rewrite: Apply) -> None:
    body = "s = Squeeze(t, k) f = Flatten(s) a = MatMul(f, wa) y = Relu(a)"
    trial = rewrite(behind_conv((1, 4, 1, 6), (1, 3), body, ["float[24,3] wa", ints("k", [2])]), "gemm-to-conv")
    assert trial.operators == ["Conv", "Conv", "Relu", "Flatten"]


def test_what_others_read_stays(rewrite: Apply) -> None:
    model = filled(
        "g (float[1,4,3,3] x) => (float[1,36] f, float[1,5] a, float[1,2] y, float[1,5,3,3] s) <float[4,1,1,1] k, float[36,5] wa, "
        "float[5,2] v, int64[4] l = {1, 5, 1, 1}, float[5,4,1,1] o> { t = Conv<group=4>(x, k) f = Flatten(t) a = MatMul(f, wa) r = Relu(a) "
        "y = MatMul(r, v) e = Reshape(a, l) d = Conv(t, o) s = Mul(d, e) }"
    )
    trial = rewrite(model, "gemm-to-conv")
    assert sorted(trial.operators) == ["Conv", "Conv", "Conv", "Conv", "Flatten", "Flatten", "Flatten", "Mul", "Relu"]


def test_a_matrix_given_another_shape(rewrite: Apply) -> None:
    body = "f = Flatten(t) q = Reshape(wa, k) a = MatMul(f, q) y = Add(a, b)"
    trial = rewrite(
        behind_conv((1, 16, 4, 4), (1, 10), body, ["float[16,4,4,10] wa", "float[1,10] b", ints("k", (256, 10))]), "gemm-to-conv"
    )
    assert trial.operators == ["Conv", "Conv", "Flatten"]
    assert len(trial.model.graph.initializer) == 3


def test_half_precision(rewrite: Apply) -> None:
    model = behind_conv(
        (1, 4, 3, 3), (1, 6), "f = Flatten(t) a = Gemm(f, wa, b) y = Relu(a)", ["float16[36,6] wa", "float16[6] b"], dtype="float16"
    )
    trial = rewrite(model, "gemm-to-conv", limit=2e-3)
    assert trial.operators == ["Conv", "Conv", "Relu", "Flatten"]


def test_a_constant_that_is_not_known(rewrite: Apply) -> None:
    body = "f = Flatten(t) q = Mul(wa, wa) a = MatMul(f, q) y = Relu(a)"
    trial = rewrite(behind_conv((1, 16, 16, 16), (1, 10), body, ["float[4096,10] wa"]), "gemm-to-conv")
    assert set(trial.reasons) == {"does not apply: a constant of MatMul is not known or has another form"}


ALONE = "it is no product with a constant matrix of static shape, nor beside one"


@pytest.mark.parametrize(
    ("dims", "body", "constants", "reason"),
    [
        ("1,4,2,2", "f = Flatten(t) q = Flatten(z) r = Transpose(q) y = MatMul(f, r)", [], ALONE),
        ("1,4,2,2", "f = Flatten<axis=2>(t) y = Gemm<transA=1>(f, wa)", ["float[4,3] wa"], ALONE),
        ("1,4,2,2", "f = Flatten(t) y = Gemm(f, wa, f)", ["float[16,16] wa"], ALONE),
        ("N,4,2,2", "f = Flatten(t) y = MatMul(f, wa)", ["float[16,4] wa"], ALONE),
        ("1,4,2,2", "f = Reshape(t, k) y = MatMul(f, wa)", [ints("k", (2, 1, 2, 4)), "float[2,1,4,3] wa"], ALONE),
        (
            "2,4,2,2",
            "f = Reshape(t, k) y = MatMul(f, wa)",
            [ints("k", (2, 4, 4)), "float[4,3] wa"],
            "no tensor before or behind the product has its channels in front",
        ),
    ],
)
def test_misses(rewrite: Apply, dims: str, body: str, constants: list[str], reason: str) -> None:
    values = ", ".join(["float[4,1,1,1] k0", *constants])
    model = filled(f"g (float[{dims}] x, float[1,4,2,2] z) => (float y) <{values}> {{ t = Conv<group=4>(x, k0) {body} }}")
    for index, rank in enumerate([2] if "Reshape" not in body else [4 if dims == "1,4,2,2" else 3]):
        model.graph.output[index].type.tensor_type.shape.ClearField("dim")
        for name in "abcd"[:rank]:
            model.graph.output[index].type.tensor_type.shape.dim.add(dim_param=name)
    trial = rewrite(model, "gemm-to-conv")
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes

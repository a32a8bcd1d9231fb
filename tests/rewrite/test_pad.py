"""Pads in the convolutions and poolings behind them, and as convolutions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import ORIN, Apply, Trial
from .filled import filled

TARGETS = st.sampled_from([ORIN, "xavier-trt7.1", "xavier-trt8.5"])


def _codes(trial: Trial) -> set[str]:
    return {finding.code for finding in trial.found.before.findings if finding.severity == "error"}


def _code(target: str) -> str:
    return "DLA101" if target == "xavier-trt7.1" else "DLA522"


def _pad(opset: int, pads: list[int], value: str = "") -> tuple[str, str]:
    """Declarations and the call of a Pad of height and width, in the spelling of the operator set."""
    whole = f"0,0,{pads[0]},{pads[1]},0,0,{pads[2]},{pads[3]}"
    if opset < 11:
        return "", f"Pad<pads=[{whole}]{f', value={value}' if value else ''}>(t)"
    number = f", float q = {{{value}}}" if value else ""
    if opset >= 18:
        shape = f"int64[4] p = {{{pads[1]},{pads[0]},{pads[3]},{pads[2]}}}, int64[2] a = {{-1, 2}}"
        return f", {shape}{number}", f"Pad(t, p, {'q' if value else ''}, a)"
    return f", int64[8] p = {{{whole}}}{number}", f"Pad(t, p{', q' if value else ''})"


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4).filter(any),
    own=st.sampled_from(["pads=[1,0,0,1]", 'auto_pad="SAME_UPPER"', 'auto_pad="SAME_LOWER"', 'auto_pad="VALID"', "pads=[0,0,0,0]"]),
    kernel=st.tuples(st.integers(5, 6), st.integers(5, 6)),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 2),
    group=st.sampled_from([1, 4]),
    opset=st.sampled_from([9, 11, 17, 18]),
    target=TARGETS,
)
def test_into_any_convolution(
    rewrite: Apply,
    pads: list[int],
    own: str,
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    group: int,
    opset: int,
    target: str,
) -> None:
    if "auto" in own:
        dilation = 1
    constants, pad = _pad(opset, pads, "0.0" if opset == 11 else "")
    made = [_size(12 + pads[axis] + pads[axis + 2], kernel[axis], stride, dilation, own) for axis in (0, 1)]
    body = f"""g (float[2,4,12,12] x) => (float[2,4,{made[0]},{made[1]}] y) <float[4,{4 // group},{kernel[0]},{kernel[1]}] w{constants}>
        {{ t = Sin(x) s = {pad} y = Conv<group={group}, strides=[{stride},{stride}], dilations=[{dilation},{dilation}], {own}>(s, w) }}"""
    trial = rewrite(filled(body, opset), "pad-into-conv", target)
    assert trial.operators == ["Sin", "Conv"]
    assert _code(target) in _codes(trial)


def _size(length: int, kernel: int, stride: int, dilation: int, own: str) -> int:
    reach = dilation * (kernel - 1) + 1
    if "SAME" in own:
        return -(-length // stride)
    more = 1 if own.startswith("pads=[1") else 0
    return (length + more - reach) // stride + 1


def test_every_convolution_behind_takes_it(rewrite: Apply) -> None:
    body = """g (float[1,4,8,8] x) => (float[1,4,8,8] y, float[1,4,4,4] z) <float[4,4,3,3] w, int64[8] p = {0,0,1,1,0,0,1,1}>
        { t = Relu(x) s = Pad(t, p) y = Conv(s, w) z = Conv<strides=[2,2]>(s, w) }"""
    trial = rewrite(filled(body), "pad-into-conv")
    assert trial.operators == ["Relu", "Conv", "Conv"]
    assert trial.found.after.verdict == "full"


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4).filter(any),
    kernel=st.integers(3, 5),
    stride=st.integers(1, 3),
    before=st.sampled_from(["Relu(x)", "Sigmoid(x)", "Clip(x, low, high)", "Relu(x) -inf", "Sin(x) -inf"]),
    op=st.sampled_from(["MaxPool", "AveragePool"]),
    opset=st.sampled_from([11, 17, 18]),
    target=TARGETS,
)
def test_into_any_pooling(rewrite: Apply, pads: list[int], kernel: int, stride: int, before: str, op: str, opset: int, target: str) -> None:
    made = [(9 + pads[axis] + pads[axis + 2] - kernel) // stride + 1 for axis in (0, 1)]
    value = "-3.4028234663852886e38" if before.endswith("-inf") and op == "MaxPool" else ""
    constants, pad = _pad(opset, pads, value)
    body = f"""g (float[2,4,9,9] x) => (float[2,4,{made[0]},{made[1]}] y) <float low = {{0}}, float high = {{6}}{constants}>
        {{ t = {before.removesuffix(" -inf")} s = {pad} y = {op}<kernel_shape=[{kernel},{kernel}], strides=[{stride},{stride}]>(s) }}"""
    trial = rewrite(filled(body, opset), "pad-into-pool", target)
    assert trial.operators == [before[: before.index("(")], op]
    assert _code(target) in _codes(trial)


def test_padding_adds_to_that_of_the_pooling(rewrite: Apply) -> None:
    body = """g (float[1,4,8,8] x) => (float[1,4,6,6] y, float[1,4,6,6] z) <int64[8] p = {0,0,1,1,0,0,1,1}>
        { t = Relu(x) s = Pad(t, p) y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]>(s)
          z = AveragePool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], count_include_pad=1>(s) }"""
    trial = rewrite(filled(body.replace("6,6", "5,5")), "pad-into-pool")
    assert trial.operators == ["Relu", "MaxPool", "AveragePool"]
    assert trial.found.after.verdict == "full"


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    pads=st.lists(st.integers(-2, 3), min_size=4, max_size=4).filter(any),
    channels=st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
    value=st.sampled_from([0.0, 1.5, -7.0]),
    dtype=st.sampled_from(["float", "float16"]),
)
def test_to_conv(rewrite: Apply, pads: list[int], channels: tuple[int, int], value: float, dtype: str) -> None:
    made = f"1,{3 + sum(channels)},{7 + pads[0] + pads[2]},{7 + pads[1] + pads[3]}"
    bits = {0.0: 0, 1.5: 0x3E00, -7.0: 0xC700}[value] if dtype == "float16" else value
    body = f"""g ({dtype}[1,3,7,7] x) => ({dtype}[{made}] y) <{dtype}[3,3,1,1] w, {dtype} v = {{{bits}}},
        int64[8] p = {{0,{channels[0]},{pads[0]},{pads[1]},0,{channels[1]},{pads[2]},{pads[3]}}}>
        {{ t = Conv(x, w) s = Pad(t, p, v) y = Relu(s) }}"""
    trial = rewrite(filled(body), "pad-to-conv")
    assert trial.operators == ["Conv", "Conv", *["Add"] * bool(value), "Relu"]
    assert (_codes(trial), trial.found.after.verdict) == ({"DLA522"}, "full")


@pytest.mark.parametrize(
    ("name", "nodes", "reason"),
    [
        ("pad-into-conv", "s = Pad(t, p, one) y = Conv(s, w)", "it does more than add zeros to height and width"),
        ("pad-into-conv", "s = Pad(t, crop) y = Conv(s, w)", "it does more than add zeros to height and width"),
        ("pad-into-conv", "s = Pad(t, wide) y = Conv(s, v)", "it does more than add zeros to height and width"),
        ("pad-into-conv", 's = Pad<mode="reflect">(t, p) y = Conv(s, w)', "its mode is reflect"),
        ("pad-into-conv", "s = Pad(t, p, q) y = Conv(s, w)", "its padding or value is computed"),
        ("pad-into-conv", "s = Pad(t, p) y = Relu(s)", "not every node behind is a convolution of it"),
        ("pad-into-conv", "y = Pad(t, p)", "not every node behind is a convolution of it"),
        ("pad-into-conv", "s = Pad(t, p) y = Conv(i, s)", "not every node behind is a convolution of it"),
        ("pad-into-pool", "s = Pad(t, p) y = Conv(s, w)", "not every node behind is a pooling"),
        ("pad-into-pool", "s = Pad(t, wide) y = MaxPool<kernel_shape=[3,3]>(s)", "it does more than add elements to height and width"),
        ("pad-into-pool", "s = Pad(t, p) y = MaxPool<kernel_shape=[3,3]>(s)", "its input may be below 0"),
        ("pad-into-pool", "s = Pad(t, p, one) y = AveragePool<kernel_shape=[3,3]>(s)", "an average counts zeros, not 1"),
        (
            "pad-into-pool",
            "s = Pad(t, p) y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(s)",
            "an average behind leaves out its own padding",
        ),
        (
            "pad-into-pool",
            "u = Relu(t) s = Pad(u, p) y = MaxPool<kernel_shape=[1,1]>(s)",
            "a window behind would see nothing but padding",
        ),
        (
            "pad-into-pool",
            "u = Relu(t) s = Pad(u, p) y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(s)",
            "a pooling behind rounds its size up",
        ),
        ("pad-into-pool", "u = Relu(t) s = Pad(u, p) y, j = MaxPool<kernel_shape=[3,3]>(s)", "a pooling behind gives indices"),
        ("pad-to-conv", "y = Pad(t, batch)", "it pads the batch"),
        ("pad-to-conv", "y = Pad(t, all)", "it has no elements"),
        ("pad-to-conv", 'y = Pad<mode="edge">(t, p)', "its mode is edge"),
    ],
)
def test_misses(rewrite: Apply, name: str, nodes: str, reason: str) -> None:
    body = f"""g (float[1,2,8,8] x, float[1] q, float[1,2,12,12] i) => (float[N,C,H,W] y)
        <float[4,2,3,3] w, float[4,3,3,3] v, float one = {{1}},
        int64[8] p = {{0,0,1,1,0,0,1,1}}, int64[8] crop = {{0,0,-1,1,0,0,1,1}}, int64[8] wide = {{0,1,1,1,0,0,1,1}},
        int64[8] batch = {{1,0,1,1,0,0,1,1}}, int64[8] all = {{0,0,-8,0,0,0,0,0}}> {{ t = Sin(x) {nodes} }}"""
    trial = rewrite(filled(body), name)
    assert trial.reasons == [f"does not apply: {reason}"]

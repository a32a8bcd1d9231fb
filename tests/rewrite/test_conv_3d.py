"""Small volumes as maps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import ORIN, Apply
from .entry import ints, shape
from .filled import filled


def _model(dims: tuple[int, ...], made: tuple[object, ...], body: str, constants: list[str]) -> str:
    """A network from a map to a map, which is a volume ``t`` of ``dims`` in between and ``v`` at its end."""
    batch, channels, depth, height, width = dims
    values = ", ".join([ints("k", dims), ints("l", (0, -1, 0, 0)), *constants])
    entry = f"t = Reshape(x, k) {body}"
    return f"g ({shape((batch, channels * depth, height, width))} x) => ({shape(made)} y) <{values}> {{ {entry} }}"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), st.sampled_from([2, 4]), st.integers(1, 4), st.integers(3, 6), st.integers(3, 6)),
    kernel=st.tuples(*[st.integers(1, 3)] * 3),
    strides=st.tuples(*[st.integers(1, 2)] * 3),
    pads=st.tuples(*[st.integers(0, 2)] * 6),
    spread=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
)
def test_any_convolution(
    rewrite: Apply,
    dims: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...],
    spread: int,
    groups: int,
    bias: bool,
) -> None:
    reach = [(kernel[0] - 1) * spread + 1, *kernel[1:]]
    sides = [min(pad, size - 1) for pad, size in zip(pads, kernel * 2, strict=True)]
    sides[3] = max(sides[3], reach[0] - dims[2] - sides[0])
    sizes = [
        (size + sides[axis] + sides[axis + 3] - far) // step + 1
        for axis, (size, far, step) in enumerate(zip(dims[2:], reach, strides, strict=True))
    ]
    options = f"pads={sides}, strides={list(strides)}, dilations={[spread, 1, 1]}, group={groups}"
    weights = [f"float[4,{dims[1] // groups},{','.join(map(str, kernel))}] w", *(["float[4] b"] if bias else [])]
    body = f"c = Conv<{options}>(t, w{', b' if bias else ''}) r = Relu(c) y = Reshape(r, m)"
    made = (dims[0], 4 * sizes[0], *sizes[1:])
    trial = rewrite(filled(_model(dims, made, body, [*weights, ints("m", made)])), "conv-3d")
    assert trial.operators == ["Conv", "Relu"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} >= {"DLA210"}
    assert trial.found.after.verdict == "full"


def test_a_network(rewrite: Apply) -> None:
    body = """c = Conv<pads=[1,1,1,1,1,1]>(t, w) n = BatchNormalization(c, s, s, s, e) r = Relu(n) a = Add(r, f)
    p = MaxPool<kernel_shape=[1,2,2], strides=[1,2,2]>(a) d = Conv<pads=[0,1,1,0,1,1], strides=[3,1,1], auto_pad="NOTSET">(p, v)
    q = AveragePool<kernel_shape=[1,2,2], pads=[0,1,1,0,0,0], strides=[1,2,2]>(d) y = Squeeze(q, z)"""
    constants = ["float[4,2,3,3,3] w", "float[4] s", "float[4] e = {1, 2, 3, 4}", "float[4,1,1,1] f", "float[3,4,3,3,3] v", ints("z", [2])]
    trial = rewrite(filled(_model((1, 2, 3, 8, 8), (1, 3, "H", "W"), body, constants)), "conv-3d")
    assert trial.operators == ["Conv", "BatchNormalization", "Relu", "Add", "MaxPool", "Conv", "AveragePool"]
    assert trial.found.after.verdict == "full"


def test_a_volume_that_others_read(rewrite: Apply) -> None:
    body = "c = Conv(t, w) v = Relu(c) d = Conv(v, u) e = Sigmoid(d) y = Reshape(e, m)"
    constants = ["float[4,2,1,3,3] w", "float[3,4,2,1,1] u", ints("m", (1, 6, 4, 4))]
    model = filled(_model((1, 2, 3, 6, 6), (1, 6, 4, 4), body, constants).replace("6,4,4] y)", "6,4,4] y, float[1,4,3,4,4] v)"))
    trial = rewrite(model, "conv-3d")
    assert trial.operators == ["Conv", "Relu", "Reshape", "Conv", "Sigmoid"]


def test_a_mean_over_the_volume(rewrite: Apply) -> None:
    body = "c = Conv(t, w) r = Relu(c) g = GlobalAveragePool(r) y = Squeeze(g, z)"
    trial = rewrite(filled(_model((2, 2, 3, 6, 6), (2, 4, 1, 1), body, ["float[4,2,1,3,3] w", ints("z", [2])])), "conv-3d")
    assert trial.operators == ["Conv", "Relu", "GlobalAveragePool", "Conv"]


LARGE = "(float[1,64,24,8,8] x) => (float[1,64,24,8,8] y) <float[64,64,3,3,3] w> { y = Conv<pads=[1,1,1,1,1,1]>(x, w) }"
FREE = "(float[N,2,4,8,8] x) => (float[N,2,4,8,8] y) <float[2,2,1,1,1] w> { y = Conv(x, w) }"


@pytest.mark.parametrize("text", [LARGE, FREE])
def test_misses(rewrite: Apply, text: str) -> None:
    trial = rewrite(filled(f"g {text}"), "conv-3d", ORIN)
    assert trial.reasons == ["does not apply: it is no convolution over a small volume of static size, nor beside one"]

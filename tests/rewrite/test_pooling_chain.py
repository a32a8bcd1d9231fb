"""Large max poolings as chains."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlalint.rewrite.graph import attribute

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv
from .filled import filled


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kernel=st.tuples(st.integers(9, 33), st.integers(1, 20)),
    pads=st.tuples(*[st.floats(0, 1)] * 4),
    strides=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    ceil=st.integers(0, 1),
    auto=st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER"]),
)
def test_any_window(
    rewrite: Apply,
    size: tuple[int, int],
    kernel: tuple[int, int],
    pads: tuple[float, ...],
    strides: tuple[int, int],
    ceil: int,
    auto: str,
) -> None:
    sides = [int(part * (count - 1)) for part, count in zip(pads, kernel * 2, strict=True)]
    grown = [max(count, whole - sides[axis] - sides[axis + 2]) for axis, (count, whole) in enumerate(zip(size, kernel, strict=True))]
    steps = list(strides) if auto == "NOTSET" else [min(pair) for pair in zip(strides, kernel, strict=True)]
    options = f"pads={sides}, ceil_mode={ceil}" if auto == "NOTSET" else f'auto_pad="{auto}"'
    body = f"y = MaxPool<kernel_shape={list(kernel)}, strides={steps}, {options}>(t)"
    trial = rewrite(behind_conv((1, 2, *grown), (1, 2, "H", "W"), body), "pooling-chain")
    assert "DLA302" in errors(trial, before=True)
    if trial.found.changes:
        assert errors(trial, before=False) == set()
    else:
        assert trial.reasons[0] in (
            "does not apply: its stride has no factors within the limits",
            "does not apply: its map is too small for a chain of windows",
            "does not apply: a window of it lies in the padding",
        )


def test_spatial_pyramid(rewrite: Apply) -> None:
    pools = " ".join(f"p{size} = MaxPool<kernel_shape={[size] * 2}, pads={[size // 2] * 4}>(t)" for size in (13, 9, 5))
    trial = rewrite(behind_conv((1, 4, 20, 20), (1, 16, 20, 20), f"{pools} y = Concat<axis=1>(t, p5, p9, p13)"), "pooling-chain")
    assert trial.operators == ["Conv", "MaxPool", "MaxPool", "MaxPool", "Concat"]
    assert [attribute(node, "kernel_shape") for node in trial.model.graph.node[1:4]] == [(5, 5)] * 3
    assert [node.input[0] for node in trial.model.graph.node[1:4]] == ["t", "p5", "p9"]
    assert (trial.found.before.summary.gpu_nodes, trial.found.after.summary.gpu_nodes) == (2, 0)


@pytest.mark.parametrize(("window", "kernels"), [(9, [5, 5]), (13, [7, 7]), (15, [8, 8]), (16, [6, 6, 6]), (11, [6, 6])])
def test_windows(rewrite: Apply, window: int, kernels: list[int]) -> None:
    body = f"y = MaxPool<kernel_shape={[window] * 2}, pads={[window // 2] * 4}, strides=[2,2]>(t)"
    trial = rewrite(behind_conv((1, 2, 30, 30), (1, 2, "H", "W"), body), "pooling-chain", "xavier-trt7.1")
    pools = [node for node in trial.model.graph.node if node.op_type == "MaxPool"]
    assert [attribute(node, "kernel_shape")[0] for node in pools] == kernels
    assert [attribute(node, "strides")[0] for node in pools] == [1] * (len(kernels) - 1) + [2]
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(float[1,2,20,20] x) => (float[1,2,H,W] y, int64[1,2,H,W] i) { y, i = MaxPool<kernel_shape=[9,9]>(x) }", "its indices are read"),
        ("(float[1,2,20,20] x) => (float[1,2,H,W] y) { y = MaxPool<kernel_shape=[9,9], dilations=[2,2]>(x) }", "its window is dilated"),
        ("(float[N,2,20,20] x) => (float[N,2,H,W] y) { y = MaxPool<kernel_shape=[9,9]>(x) }", "its input has not four static dimensions"),
        (
            "(float[1,2,20,20] x) => (float[1,2,H,W] y) { y = MaxPool<kernel_shape=[9,9], strides=[17,1]>(x) }",
            "its stride has no factors within the limits",
        ),
        (
            "(float[1,2,1,20] x) => (float[1,2,H,W] y) { y = MaxPool<kernel_shape=[10,9], pads=[5,4,4,4]>(x) }",
            "its map is too small for a chain of windows",
        ),
    ],
)
def test_misses(rewrite: Apply, text: str, reason: str) -> None:
    trial = rewrite(filled(f"g {text}"), "pooling-chain", ORIN)
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

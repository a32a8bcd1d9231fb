"""Large kernels as sums."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv
from .filled import filled


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(
    kernel=st.tuples(st.integers(33, 66), st.sampled_from([1, 3, 35])),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    pads=st.tuples(*[st.floats(0, 1)] * 4),
    more=st.tuples(st.integers(0, 20), st.integers(0, 5)),
    groups=st.sampled_from([1, 2]),
)
def test_any_kernel(
    rewrite: Apply, kernel: tuple[int, int], strides: tuple[int, int], pads: tuple[float, ...], more: tuple[int, int], groups: int
) -> None:
    sides = [int(part * (size - 1)) for part, size in zip(pads, kernel * 2, strict=True)]
    size = [max(count - sides[axis] - sides[axis + 2], 1) + more[axis] for axis, count in enumerate(kernel)]
    body = f"y = Conv<pads={sides}, strides={list(strides)}, group={groups}>(t, v, b)"
    weights = [f"float[4,{2 // groups},{kernel[0]},{kernel[1]}] v", "float[4] b"]
    trial = rewrite(behind_conv((1, 2, *size), (1, 4, "H", "W"), body, weights), "conv-kernel-parts")
    assert "DLA201" in errors(trial, before=True)
    if trial.found.changes:
        assert "DLA201" not in errors(trial, before=False)
    else:
        assert trial.reasons[0].startswith(("does not apply: a part of its kernel sees only padding", "undone: another finding"))


@pytest.mark.parametrize(
    ("kernel", "pads", "target", "operators"),
    [
        ((51, 5), (25, 2), ORIN, ["Conv", "Conv", "Conv", "Add"]),
        ((63, 63), (31, 31), ORIN, ["Conv"] * 5 + ["Add"] * 3),
        ((40, 1), (0, 0), ORIN, ["Conv", "Slice", "Conv", "Slice", "Conv", "Add"]),
        ((31, 31), (15, 15), "xavier-trt7.0", ["Conv"] * 5 + ["Add"] * 3),
    ],
)
def test_common_kernels(rewrite: Apply, kernel: tuple[int, int], pads: tuple[int, int], target: str, operators: list[str]) -> None:
    body = f"y = Conv<pads={[*pads, *pads]}, group=4>(t, v)"
    trial = rewrite(
        behind_conv((1, 4, 64, 64), (1, 4, "H", "W"), body, [f"float[4,1,{kernel[0]},{kernel[1]}] v"]), "conv-kernel-parts", target
    )
    assert trial.operators == operators
    assert "DLA201" in errors(trial, before=True)
    assert trial.found.after.summary.gpu_nodes == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("g (float[1,2,40,4] x, float[2,2,33,1] v) => (float[1,2,N,4] y) { y = Conv(x, v) }", "does not apply: its weights are computed"),
        (
            "g (float[N,2,40,4] x) => (float[N,2,8,4] y) <float[2,2,33,1] v> { y = Conv(x, v) }",
            "does not apply: its input has not four static dimensions",
        ),
        (
            "g (float[1,2,1,1] x) => (float[1,2,1,1] y) <float[2,2,71,1] v> { y = Conv<pads=[35,0,35,0]>(x, v) }",
            "does not apply: a part of its kernel sees only padding",
        ),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    trial = rewrite(filled(body), "conv-kernel-parts")
    assert trial.reasons == [reason]

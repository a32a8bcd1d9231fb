"""Convolutions that need too much of the convolution buffer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .codes import errors
from .conftest import Apply
from .entry import behind_conv
from .filled import filled

OLD = "orin-trt8.5"


@settings(max_examples=10, derandomize=True, deadline=None, database=None)
@given(
    channels=st.sampled_from([250, 256, 384]),
    groups=st.sampled_from([1, 1, 2, -1]),
    spread=st.integers(9, 14),
    padded=st.booleans(),
    bias=st.booleans(),
)
def test_any_convolution(rewrite: Apply, channels: int, groups: int, spread: int, padded: bool, bias: bool) -> None:
    groups = channels if groups < 0 else groups
    maps = channels if groups == channels else 4
    pads = [spread] * 4 if padded else [2, 0, 2, 0]
    body = f"y = Conv<dilations={[spread] * 2}, pads={pads}, group={groups}>(t, v{', b' if bias else ''})"
    weights = [f"float[{maps},{channels // groups},3,3] v", *([f"float[{maps}] b"] if bias else [])]
    trial = rewrite(behind_conv((1, channels, 2 * spread, 72), (1, maps, "H", "W"), body, weights), "conv-buffer-parts", OLD)
    assert errors(trial, before=True) == {"DLA211", "DLA203"} if padded else {"DLA211"}
    if trial.reasons:
        assert groups == 2
        assert trial.reasons == ["does not apply: parts of its channels do not fit either"]
        return
    assert trial.found.after.verdict == "full"
    assert trial.operators[-1] == ("Add" if groups == 1 else "Concat")


def test_its_bias_is_added_once(rewrite: Apply) -> None:
    model = behind_conv((1, 256, 24, 64), (1, 3, "H", 64), "y = Conv<dilations=[10,1]>(t, v, b)", ["float[3,256,3,1] v", "float[3] b"])
    trial = rewrite(model, "conv-buffer-parts", OLD)
    assert trial.operators == ["Conv", "Slice", "Conv", "Slice", "Conv", "Add"]
    assert [len(node.input) for node in trial.model.graph.node if node.op_type == "Conv"] == [2, 3, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "(float[1,1,4200,96] x) => (float[1,1,H,96] y) <float[1,1,3,3] v> { y = Conv<dilations=[1,1], pads=[3,1,3,1]>(x, v) }",
            "it fits into the buffer",
        ),
        (
            "(float[1,2,40,8000] x) => (float[1,2,H,W] y) <float[2,2,31,1] v> { y = Conv(x, v) }",
            "parts of its channels do not fit either",
        ),
        (
            "(float[1,256,24,64] x, float[3,256,3,1] v) => (float[1,3,H,64] y) { y = Conv<dilations=[10,1]>(x, v) }",
            "its weights are computed",
        ),
        (
            "(float[N,256,24,64] x) => (float[N,3,H,64] y) <float[3,256,3,1] v> { y = Conv<dilations=[10,1], pads=[3,0,3,0]>(x, v) }",
            "its input has not four static dimensions",
        ),
    ],
)
def test_misses(rewrite: Apply, text: str, reason: str) -> None:
    trial = rewrite(filled(f"g {text}"), "conv-buffer-parts", OLD)
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

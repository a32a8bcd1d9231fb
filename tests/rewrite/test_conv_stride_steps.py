"""Large strides in two steps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .codes import errors
from .conftest import ORIN, Apply
from .entry import behind_conv
from .filled import filled


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    kernel=st.tuples(st.integers(1, 20), st.integers(1, 12)),
    strides=st.tuples(st.integers(9, 30), st.integers(1, 16)),
    pads=st.tuples(*[st.integers(0, 9)] * 4),
    more=st.tuples(st.integers(0, 60), st.integers(0, 40)),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
)
def test_any_stride(
    rewrite: Apply,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, ...],
    more: tuple[int, int],
    groups: int,
    bias: bool,
) -> None:
    sides = [min(pad, size - 1) for pad, size in zip(pads, kernel * 2, strict=True)]
    size = [max(count - sides[axis] - sides[axis + 2], 1) + more[axis] for axis, count in enumerate(kernel)]
    body = f"y = Conv<pads={sides}, strides={list(strides)}, group={groups}>(t, v{', b' if bias else ''})"
    weights = [f"float[4,{2 // groups},{kernel[0]},{kernel[1]}] v", *(["float[4] b"] if bias else [])]
    trial = rewrite(behind_conv((1, 2, *size), (1, 4, "H", "W"), body, weights), "conv-stride-steps")
    assert errors(trial, before=True) == {"DLA204"}
    if trial.found.changes:
        assert errors(trial, before=False) == set()
        assert trial.operators[:2] == ["Conv", "Conv"]
    else:
        assert trial.reasons == ["does not apply: its stride has no factors within the limits"]
        assert max(strides) in (17, 19, 23, 29) or {*strides} & {17, 19, 23, 29}


@pytest.mark.parametrize(
    ("kernel", "operators"), [(14, ["Conv", "Conv", "Conv"]), (16, ["Conv", "Conv", "Conv"]), (11, ["Conv", "Conv", "MaxPool"])]
)
def test_patches(rewrite: Apply, kernel: int, operators: list[str]) -> None:
    body, weights = f"y = Conv<strides=[{kernel},{kernel}]>(t, v, b)", [f"float[8,3,{kernel},{kernel}] v", "float[8] b"]
    trial = rewrite(behind_conv((1, 3, 112, 112), (1, 8, "H", "W"), body, weights), "conv-stride-steps", ORIN)
    assert trial.operators == operators
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("g (float[1,2,40,4] x, float[2,2,9,1] v) => (float[1,2,N,4] y) { y = Conv<strides=[9,1]>(x, v) }", "its weights are computed"),
        (
            "g (float[N,2,40,4] x) => (float[N,2,4,4] y) <float[2,2,9,1] v> { y = Conv<strides=[9,1]>(x, v) }",
            "its input has not four static dimensions",
        ),
        (
            "g (float[1,2,40,4] x) => (float[1,2,N,4] y) <float[2,2,9,1] v> { y = Conv<strides=[17,1]>(x, v) }",
            "its stride has no factors within the limits",
        ),
        (
            "g (float[1,2,1,4] x) => (float[1,2,N,4] y) <float[2,2,7,1] v> { y = Conv<strides=[18,1], pads=[10,0,2,0]>(x, v) }",
            "its blocks do not line up with the map",
        ),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    trial = rewrite(filled(body), "conv-stride-steps")
    assert trial.reasons == [f"does not apply: {reason}"]

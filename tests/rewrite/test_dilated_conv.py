"""Padding beside dilated convolutions."""

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
    size=st.tuples(st.integers(1, 12), st.integers(3, 12)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    spread=st.tuples(st.integers(1, 14), st.integers(1, 6)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 15)] * 4),
    groups=st.sampled_from([1, 2]),
)
def test_any_padding(
    rewrite: Apply,
    size: tuple[int, int],
    kernel: tuple[int, int],
    spread: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, ...],
    groups: int,
) -> None:
    reach = [step * (count - 1) + 1 for step, count in zip(spread, kernel, strict=True)]
    grown = [max(far - whole - first, last) for far, whole, first, last in zip(reach, size, pads[:2], pads[2:], strict=True)]
    options = f"pads={[*pads[:2], *grown]}, dilations={list(spread)}, strides={list(strides)}, group={groups}"
    weights = [f"float[6,{4 // groups},{kernel[0]},{kernel[1]}] v", "float[6] b"]
    trial = rewrite(behind_conv((2, 4, *size), (2, 6, "H", "W"), f"y = Conv<{options}>(t, v, b)", weights), "dilated-conv")
    if "DLA203" in errors(trial, before=True):
        assert len(trial.found.changes) == 1
    assert not errors(trial, before=False)


def test_spatial_pyramid(rewrite: Apply) -> None:
    weights = [f"float[4,8,3,3] v{number}" for number in range(3)]
    convs = " ".join(
        f"p{number} = Conv<pads={[rate] * 4}, dilations={[rate] * 2}>(t, v{number})" for number, rate in enumerate((12, 24, 36))
    )
    trial = rewrite(behind_conv((1, 8, 32, 32), (1, 12, 32, 32), f"{convs} y = Concat<axis=1>(p0, p1, p2)", weights), "dilated-conv")
    assert trial.operators == ["Conv"] * 10 + ["Concat"]
    assert errors(trial, before=True) == {"DLA202", "DLA203", "DLA205"}
    assert trial.found.after.summary.gpu_nodes == 0
    assert [len(change.made) for change in trial.found.changes] == [3, 5, 1]


def test_dilation_beyond_the_limit(rewrite: Apply) -> None:
    trial = rewrite(behind_conv((1, 2, 84, 4), (1, 2, "H", "W"), "y = Conv<dilations=[40,1]>(t, v)", ["float[2,2,3,1] v"]), "dilated-conv")
    assert errors(trial, before=True) == {"DLA205"}
    assert errors(trial, before=False) == set()
    assert trial.operators == ["Conv", "Conv"]


COMPUTED = "g (float[1,2,8,8] x, float[2,2,1,1] v) => (float[1,2,10,10] y) { y = Conv<pads=[1,1,1,1]>(x, v) }"
FREE = "g (float[N,2,8,8] x) => (float[N,2,10,10] y) <float[2,2,1,1] v> { y = Conv<pads=[1,1,1,1]>(x, v) }"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (COMPUTED, "does not apply: its weights are computed"),
        (FREE, "does not apply: its input has not four static dimensions"),
    ],
)
def test_misses(rewrite: Apply, body: str, reason: str) -> None:
    trial = rewrite(filled(body), "dilated-conv", ORIN)
    assert trial.reasons == [reason]
    assert not trial.found.changes

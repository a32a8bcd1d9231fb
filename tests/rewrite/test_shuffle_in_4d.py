"""Shuffles through four dimensions instead of more."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply
from .entry import behind_conv, ints
from .test_shuffle_to_conv import shuffled


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    sizes=st.lists(st.integers(1, 3), min_size=4, max_size=6),
    cuts=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    batch=st.integers(1, 2),
    data=st.data(),
)
def test_any_move(rewrite: Apply, sizes: list[int], cuts: tuple[int, int], batch: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(sizes))))

    def shape(factors: list[int]) -> list[int]:
        first, second = cuts[0], min(cuts[0] + cuts[1], len(factors) - 1)
        return [batch, prod(factors[:first]), prod(factors[first:second]), prod(factors[second:])]

    before, after = shape(sizes), shape([sizes[axis] for axis in order])
    body = f"a = Reshape(t, m) b = Transpose<perm={[0, *(axis + 1 for axis in order)]}>(a) y = Reshape(b, e)"
    trial = rewrite(behind_conv(before, after, body, [ints("m", [batch, *sizes]), ints("e", after)]), "shuffle-in-4d")
    if trial.found.changes:
        assert trial.operators == ["Conv", "Reshape", "Transpose", "Reshape"]
        assert trial.found.after.verdict == "full"
    else:
        reasons = {reason.removeprefix("does not apply: ") for reason in trial.reasons}
        flagged = any(finding.severity == "error" for finding in trial.found.before.findings)
        assert reasons == ({"it moves the batch, or more than three axes against each other"} if flagged else set())


def test_a_shuffle_costs_nothing(rewrite: Apply) -> None:
    model = shuffled([2, 6, 4, 5], [2, 2, 3, 4, 5], [0, 2, 1, 3, 4])
    trial = rewrite(model, "shuffle-in-4d", extra_macs=0)
    assert trial.operators == ["Conv", "Reshape", "Transpose", "Reshape"]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA541"}
    assert trial.found.after.verdict == "full"


def test_a_convolution_comes_first(rewrite: Apply) -> None:
    assert rewrite(shuffled([1, 6, 4, 4], [1, 2, 3, 4, 4], [0, 2, 1, 3, 4]), "").operators == ["Conv", "Conv"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            behind_conv([1, 6, 4, 4], [1, 2, 3, 4, 4], "y = Reshape(t, m)", [ints("m", [1, 2, 3, 4, 4])]),
            "it is no Reshape, Transpose, Reshape that nothing else reads",
        ),
        (shuffled([2, 4, 4, 4], [2, 2, 2, 4, 4], [1, 0, 2, 3, 4]), "it moves the batch, or more than three axes against each other"),
        (shuffled([1, 6, 4, 4], [1, 4, 6, 4, 1], [0, 2, 1, 3, 4]), "its axes do not line up with the dimensions"),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "shuffle-in-4d")
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes

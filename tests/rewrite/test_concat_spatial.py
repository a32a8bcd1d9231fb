"""Concats on height or width: between transposes, and as sums."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import shape
from .filled import filled

XAVIER = "xavier-trt8.2"


def joined(dims: list[int], sizes: list[int], axis: int, dtype: str = "float") -> ModelProto:
    """A model that joins convolutions of inputs of several ``sizes``."""
    parts = [[size if at == axis % 4 else dim for at, dim in enumerate(dims)] for size in sizes]
    made = [sum(sizes) if at == axis % 4 else dim for at, dim in enumerate(dims)]
    inputs = ", ".join(f"{shape(part, dtype)} x{number}" for number, part in enumerate(parts))
    names = ", ".join(f"t{number}" for number in range(len(sizes)))
    body = " ".join(f"t{number} = Conv<group={dims[1]}>(x{number}, w)" for number in range(len(sizes)))
    weights = shape([dims[1], 1, 1, 1], dtype)
    return filled(f"g ({inputs}) => ({shape(made, dtype)} y) <{weights} w> {{ {body} y = Concat<axis={axis}>({names}) }}")


cases = {
    "dims": st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 5), st.integers(1, 5)),
    "sizes": st.lists(st.integers(1, 5), min_size=2, max_size=4),
    "axis": st.sampled_from([2, 3, -1, -2]),
    "dtype": st.sampled_from(["float", "float16"]),
}


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(**cases)
def test_transposes(rewrite: Apply, dims: tuple[int, ...], sizes: list[int], axis: int, dtype: str) -> None:
    trial = rewrite(joined(list(dims), sizes, axis, dtype), "concat-spatial")
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA501"}
    assert sorted(trial.operators) == sorted([*["Conv"] * len(sizes), *["Transpose"] * (len(sizes) + 1), "Concat"])
    assert trial.found.after.verdict == "full"


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(**cases)
def test_sums(rewrite: Apply, dims: tuple[int, ...], sizes: list[int], axis: int, dtype: str) -> None:
    trial = rewrite(joined(list(dims), sizes, axis, dtype), "concat-to-sum", XAVIER)
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA501"}
    assert sorted(trial.operators) == sorted([*["Conv"] * 2 * len(sizes), *["Add"] * (len(sizes) - 1)])
    assert trial.found.after.verdict == "full"


def test_transposes_come_first_where_the_target_takes_them(rewrite: Apply) -> None:
    model = joined([1, 2, 4, 4], [3, 4], 2)
    assert [change.rewrite for change in rewrite(model, "").found.changes] == ["concat-spatial"]
    assert [change.rewrite for change in rewrite(model, "", XAVIER).found.changes] == ["concat-to-sum"]


def test_padding_in_several_steps(rewrite: Apply) -> None:
    trial = rewrite(joined([1, 2, 40, 4], [40, 70], 2), "concat-to-sum", XAVIER)
    assert trial.operators.count("Conv") == 2 + 3 + 2
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("name", "model", "reason"),
    [
        ("concat-spatial", joined([2, 2, 4, 4], [2, 1], 0), "it joins neither height nor width"),
        ("concat-to-sum", joined([2, 2, 4, 4], [2, 1], 0), "it joins neither height nor width"),
        (
            "concat-spatial",
            text("g (float[1,2,4] x) => (float[1,2,8] y) { t = Relu(x) y = Concat<axis=2>(t, x) }"),
            "its output has not four static dimensions",
        ),
        (
            "concat-to-sum",
            text("g (int32[1,2,4,4] x) => (int32[1,2,8,4] y) { y = Concat<axis=2>(x, x) }"),
            "its input is int32, and convolutions compute floats",
        ),
        (
            "concat-to-sum",
            text("g (float[1,2,1,4] x) => (float[1,2,2,4] y) <float[1,2,1,4] c = {1,2,3,4,5,6,7,8}> { y = Concat<axis=2>(x, c) }"),
            "its input is a constant",
        ),
        ("concat-to-sum", joined([1, 1, 4, 1], [500, 500], 2), "it would take many convolutions to pad its inputs"),
    ],
)
def test_misses(rewrite: Apply, name: str, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, name)
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

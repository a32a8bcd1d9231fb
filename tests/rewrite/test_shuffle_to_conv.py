"""Channel shuffles as 1x1 convolutions."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints

XAVIER = "xavier-trt7.1"


def shuffled(dims: list[int], middle: list[int], order: list[int], dtype: str = "float", opset: int = 17) -> ModelProto:
    """A model that reshapes to ``middle``, permutes by ``order`` and reshapes to ``dims``."""
    given = [ints("m", middle), ints("e", dims)]
    return behind_conv(dims, dims, f"a = Reshape(t, m) b = Transpose<perm={order}>(a) y = Reshape(b, e)", given, dtype=dtype, opset=opset)


@settings(max_examples=25, derandomize=True, deadline=None, database=None)
@given(
    factors=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    batch=st.integers(1, 2),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    merged=st.booleans(),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(["orin-trt10.3", XAVIER]),
    data=st.data(),
)
def test_any_shuffle(
    rewrite: Apply, factors: list[int], batch: int, size: tuple[int, int], merged: bool, dtype: str, target: str, data: st.DataObject
) -> None:
    order = [0, *(axis + 1 for axis in data.draw(st.permutations(range(len(factors)))))]
    tail = [prod(size)] if merged else list(size)
    order += range(len(order), len(order) + len(tail))
    trial = rewrite(shuffled([batch, prod(factors), *size], [batch, *factors, *tail], order, dtype), "shuffle-to-conv", target)
    flagged = {finding.code for finding in trial.found.before.findings if finding.severity == "error"}
    assert trial.operators == (["Conv", "Conv"] if flagged else ["Conv", "Reshape", "Transpose", "Reshape"])
    assert flagged <= {"DLA541", "DLA101"}
    assert trial.found.after.verdict == "full"


def test_the_shapes_may_be_made_otherwise(rewrite: Apply) -> None:
    body = "a = Unsqueeze(t, axes) b = Transpose<perm=[0,2,1,3,4]>(a) y = Flatten(b)"
    trial = rewrite(behind_conv([1, 6, 1, 1], [1, 6], body, [ints("axes", [2])]), "shuffle-to-conv")
    assert trial.reasons == ["does not apply: it does not lead from four static dimensions to four"] * 3


SHUFFLE = "a = Reshape(t, m) b = Transpose<perm=[0,2,1,3,4]>(a) y = Reshape(b, e)"
GIVEN = [ints("m", [1, 2, 3, 4, 4]), ints("e", [1, 6, 4, 4])]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (shuffled([1, 6, 4, 4], [1, 2, 3, 4, 2, 2], [0, 1, 2, 3, 5, 4]), "it moves more than whole channels"),
        (shuffled([2, 6, 4, 4], [1, 2, 6, 4, 2, 2], [0, 2, 1, 3, 4, 5]), "it moves more than whole channels"),
        (shuffled([1, 6, 4, 4], [1, 4, 6, 4, 1], [0, 2, 1, 3, 4]), "its axes do not line up with the dimensions"),
        (
            behind_conv([1, 6, 4, 4], [1, 2, 3, 4, 4], "y = Reshape(t, m)", GIVEN[:1]),
            "it is no Reshape, Transpose, Reshape that nothing else reads",
        ),
        (
            text(f"g (float[1,6,4,4] t) => (float[1,6,4,4] y, float[1,2,3,4,4] a) <{', '.join(GIVEN)}> {{ {SHUFFLE} }}"),
            "it is no Reshape, Transpose, Reshape that nothing else reads",
        ),
        (
            text(f"g (int32[1,6,4,4] t) => (int32[1,6,4,4] y) <{', '.join(GIVEN)}> {{ {SHUFFLE} }}"),
            "its input is int32, and convolutions compute floats",
        ),
        (
            text(f"g (float[n,6,4,4] t) => (float[n,6,4,4] y) <{ints('m', [-1, 2, 3, 4, 4])}, {ints('e', [-1, 6, 4, 4])}> {{ {SHUFFLE} }}"),
            "it does not lead from four static dimensions to four",
        ),
        (shuffled([1, 8192, 1, 1], [1, 2, 4096, 1, 1], [0, 2, 1, 3, 4]), "it would take 67108864 weights"),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "shuffle-to-conv")
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes

"""Pads with copies of the border as convolutions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints

XAVIER = "xavier-trt7.1"


def padded(dims: list[int], pads: list[int], mode: str, dtype: str = "float", opset: int = 19) -> ModelProto:
    made = [begin + size + end for begin, size, end in zip(pads[:4], dims, pads[4:], strict=True)]
    if opset < 11:
        return behind_conv(dims, made, f'y = Pad<mode="{mode}", pads={pads}>(t)', dtype=dtype, opset=opset)
    return behind_conv(dims, made, f'y = Pad<mode="{mode}">(t, p)', [ints("p", pads)], dtype=dtype, opset=opset)


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(2, 9), st.integers(2, 9)),
    mode=st.sampled_from(["reflect", "edge"]),
    dtype=st.sampled_from(["float", "float16"]),
    opset=st.sampled_from([10, 13, 18, 19]),
    target=st.sampled_from(["orin-trt10.3", XAVIER]),
    data=st.data(),
)
def test_any_border(rewrite: Apply, dims: tuple[int, ...], mode: str, dtype: str, opset: int, target: str, data: st.DataObject) -> None:
    most = [0, 0, *(min(size - 1, 4) for size in dims[2:])]
    pads = [data.draw(st.integers(0, limit)) for limit in (*most, *most)]
    trial = rewrite(padded(list(dims), pads, mode, dtype, opset), "pad-modes", target)
    flagged = {finding.code for finding in trial.found.before.findings if finding.severity == "error"}
    assert flagged <= {"DLA522", "DLA101"}
    sides = sum(bool(pads[axis] or pads[axis + 4]) for axis in (2, 3))
    if not sides:
        assert trial.reasons in ([], ["does not apply: it takes everything as it is"])
        return
    assert set(trial.operators) <= {"Conv", "Mul", "ConvTranspose"}
    assert len(trial.operators) <= 1 + 3 * sides
    assert trial.found.after.verdict == "full"


@settings(max_examples=15, derandomize=True, deadline=None, database=None)
@given(
    dims=st.tuples(st.just(1), st.integers(1, 3), st.integers(2, 5), st.integers(2, 5)),
    pads=st.tuples(*[st.integers(0, 3)] * 6),
)
def test_wrap(rewrite: Apply, dims: tuple[int, ...], pads: tuple[int, ...]) -> None:
    trial = rewrite(padded(list(dims), [0, *pads[:3], 0, *pads[3:]], "wrap"), "pad-modes")
    if not any(pads):
        assert not trial.found.changes
        return
    assert "Pad" not in trial.operators
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("dims", "pads", "mode", "operators"),
    [
        pytest.param([1, 2, 12, 12], [0, 0, 7, 0, 0, 0, 7, 0], "reflect", ["Conv", "Mul", "Conv"], id="near"),
        pytest.param([1, 2, 12, 12], [0, 0, 8, 0, 0, 0, 0, 0], "reflect", ["Conv", "Mul", "Conv"], id="one-side"),
        pytest.param([1, 2, 20, 12], [0, 0, 9, 0, 0, 0, 9, 0], "reflect", ["Transpose", "Conv", "Transpose"], id="far"),
        pytest.param([1, 5, 2, 2], [0, 1, 0, 0, 0, 2, 0, 0], "reflect", ["Conv"], id="channels"),
        pytest.param([1, 2, 1, 6], [0, 0, 2, 0, 0, 0, 1, 0], "edge", ["ConvTranspose"], id="of-one-row"),
    ],
)
def test_forms(rewrite: Apply, dims: list[int], pads: list[int], mode: str, operators: list[str]) -> None:
    trial = rewrite(padded(dims, pads, mode), "pad-modes")
    assert trial.operators == ["Conv", *operators]
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA522"}
    assert trial.found.after.verdict == "full"


def test_axes_of_operator_set_18(rewrite: Apply) -> None:
    given = [ints("p", [1, 2]), ints("a", [-1])]
    trial = rewrite(behind_conv([1, 2, 4, 4], [1, 2, 4, 7], 'y = Pad<mode="reflect">(t, p, , a)', given, opset=18), "pad-modes")
    assert trial.operators == ["Conv", "Conv", "Mul", "Conv"]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (padded([1, 2, 4, 4], [0, 0, 1, 1, 0, 0, 1, 1], "constant"), "it pads with a constant"),
        (padded([1, 2, 4, 4], [0, 0, 1, -1, 0, 0, 1, 0], "reflect"), "it pads and crops at once"),
        (padded([2, 2, 4, 4], [1, 0, 0, 0, 0, 0, 0, 0], "edge"), "it picks from the batch"),
        (
            text('g (float[1,4,4] x) => (float[1,4,6] y) <int64[6] p = {0, 0, 1, 0, 0, 1}> { y = Pad<mode="edge">(x, p) }'),
            "its input has not four static dimensions",
        ),
        (
            text('g (float[1,2,4,4] x, int64[8] n) => (float[a,b,c,d] y) <int64 o = {0}> { p = Mul(n, o) y = Pad<mode="edge">(x, p) }'),
            "its pads are computed",
        ),
        (
            text('g (int32[1,2,4,4] x) => (int32[1,2,4,6] y) <int64[8] p = {0,0,0,1,0,0,0,1}> { y = Pad<mode="edge">(x, p) }'),
            "its input is int32, and convolutions compute floats",
        ),
    ],
)
def test_misses(rewrite: Apply, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, "pad-modes")
    assert trial.reasons == [f"does not apply: {reason}"]
    assert not trial.found.changes

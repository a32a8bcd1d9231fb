"""DepthToSpace and its spellings as transposed convolutions, SpaceToDepth and its spellings as convolutions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints

TARGETS = ["orin-trt10.3", "xavier-trt7.1"]
DEEP = {"DCR": [0, 3, 4, 1, 5, 2], "CRD": [0, 1, 4, 2, 5, 3]}


def spelled(dims: list[int], middle: list[int], order: list[int], made: list[int], dtype: str) -> ModelProto:
    body = f"a = Reshape(t, m) b = Transpose<perm={order}>(a) y = Reshape(b, e)"
    return behind_conv(dims, made, body, [ints("m", middle), ints("e", made)], dtype=dtype)


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 4),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    block=st.integers(2, 3),
    mode=st.sampled_from(["", "DCR", "CRD"]),
    form=st.sampled_from(["operator", "spelled"]),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(TARGETS),
)
def test_any_block_becomes_space(
    rewrite: Apply, batch: int, channels: int, size: tuple[int, int], block: int, mode: str, form: str, dtype: str, target: str
) -> None:
    height, width = size
    dims = [batch, channels * block**2, height, width]
    made = [batch, channels, height * block, width * block]
    if form == "operator":
        stated = f', mode="{mode}"' if mode else ""
        model = behind_conv(dims, made, f"y = DepthToSpace<blocksize={block}{stated}>(t)", dtype=dtype)
    else:
        middle = [batch, channels, block, block, height, width] if mode == "CRD" else [batch, block, block, channels, height, width]
        model = spelled(dims, middle, DEEP[mode or "DCR"], made, dtype)
    trial = rewrite(model, "depth-to-space", target)
    flagged = {finding.code for finding in trial.found.before.findings if finding.severity == "error"}
    assert flagged <= {"DLA541", "DLA101"}
    assert trial.operators == ["Conv", "ConvTranspose"] or not flagged
    assert bool(trial.found.changes) == bool(flagged)
    assert trial.found.after.verdict == "full"


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 4),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    block=st.tuples(st.integers(1, 3), st.integers(2, 3)),
    form=st.sampled_from(["operator", "CRD", "DCR"]),
    dtype=st.sampled_from(["float", "float16"]),
    target=st.sampled_from(TARGETS),
)
def test_any_block_becomes_depth(
    rewrite: Apply, batch: int, channels: int, size: tuple[int, int], block: tuple[int, int], form: str, dtype: str, target: str
) -> None:
    rows, columns = (block[1], block[1]) if form == "operator" else block
    dims = [batch, channels, size[0] * rows, size[1] * columns]
    made = [batch, channels * rows * columns, *size]
    if form == "operator":
        model = behind_conv(dims, made, f"y = SpaceToDepth<blocksize={rows}>(t)", dtype=dtype)
    else:
        order = [0, 1, 3, 5, 2, 4] if form == "CRD" else [0, 3, 5, 1, 2, 4]
        model = spelled(dims, [batch, channels, size[0], rows, size[1], columns], order, made, dtype)
    trial = rewrite(model, "space-to-depth", target)
    flagged = {finding.code for finding in trial.found.before.findings if finding.severity == "error"}
    assert flagged <= {"DLA541", "DLA101", "DLA002"}
    assert trial.operators == ["Conv", "Conv"] or not flagged
    assert bool(trial.found.changes) == bool(flagged)
    assert trial.found.after.verdict == "full"


@pytest.mark.parametrize(
    ("name", "model", "reason"),
    [
        (
            "depth-to-space",
            spelled([1, 6, 4, 4], [1, 2, 3, 4, 4], [0, 2, 1, 3, 4], [1, 6, 4, 4], "float"),
            "it moves no channels into blocks of the map",
        ),
        (
            "depth-to-space",
            spelled([1, 1, 4, 4], [1, 2, 2, 2, 2], [0, 2, 4, 1, 3], [1, 4, 2, 2], "float"),
            "it moves no channels into blocks of the map",
        ),
        (
            "space-to-depth",
            spelled([1, 4, 2, 2], [1, 2, 2, 2, 2], [0, 3, 1, 4, 2], [1, 1, 4, 4], "float"),
            "it moves no blocks of the map into channels",
        ),
        (
            "depth-to-space",
            behind_conv([1, 6, 4, 4], [1, 2, 3, 4, 4], "y = Reshape(t, m)", [ints("m", [1, 2, 3, 4, 4])]),
            "it is no Reshape, Transpose, Reshape that nothing else reads",
        ),
        (
            "depth-to-space",
            text(
                "g (int32[1,4,2,2] x) => (int32[1,1,4,4] y) <int64[6] m = {1,1,2,2,2,2}, int64[4] e = {1,1,4,4}>"
                " { a = Reshape(x, m) b = Transpose<perm=[0,1,4,2,5,3]>(a) y = Reshape(b, e) }"
            ),
            "its input is int32, and convolutions compute floats",
        ),
        (
            "space-to-depth",
            text("g (float[n,4,2,2] x) => (float[n,16,1,1] y) { y = SpaceToDepth<blocksize=2>(x) }"),
            "its input has not four static dimensions",
        ),
        (
            "depth-to-space",
            behind_conv([1, 8192, 2, 2], [1, 2048, 4, 4], "y = DepthToSpace<blocksize=2>(t)"),
            "it would take 67108864 weights",
        ),
    ],
)
def test_misses(rewrite: Apply, name: str, model: ModelProto, reason: str) -> None:
    trial = rewrite(model, name)
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes

"""Slices that a Concat joins as one convolution."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto

from .conftest import Apply, text
from .entry import behind_conv, ints

XAVIER = "xavier-trt7.1"
YOLOV5 = [(0, 0), (1, 0), (0, 1), (1, 1)]


def focus(
    dims: list[int], parts: list[tuple[int, int]], steps: int = 2, dtype: str = "float", opset: int = 17, axis: int = 1
) -> ModelProto:
    """Slices that start at the rows and columns ``parts``, height first, then width, joined on channels."""
    made = [dims[0], dims[1] * len(parts), dims[2] // steps, dims[3] // steps]
    given = [ints("e", [9999]), ints("s", [steps]), ints("h", [2]), ints("v", [3])]
    if opset < 10:
        given = []
    body = ""
    for number, starts in enumerate(parts):
        source = "t"
        for letter, along, start, name in (("h", 2, starts[0], f"p{number}"), ("v", 3, starts[1], f"q{number}")):
            if opset < 10:
                body += f"{name} = Slice<axes=[{along}], starts=[{start}], ends=[{dims[along] - len(parts) + 1 + start}]>({source}) "
            else:
                given.append(ints(f"b{name}", [start]))
                body += f"{name} = Slice({source}, b{name}, e, {letter}, s) "
            source = name
    joined = ", ".join(f"q{number}" for number in range(len(parts)))
    if opset < 10:
        made[2:] = [size - len(parts) + 1 for size in dims[2:]]
    return behind_conv(dims, made, f"{body} y = Concat<axis={axis}>({joined})", given, dtype=dtype, opset=opset)


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 4),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    steps=st.integers(2, 3),
    dtype=st.sampled_from(["float", "float16"]),
    axis=st.sampled_from([1, -3]),
    target=st.sampled_from(["orin-trt10.3", XAVIER]),
    data=st.data(),
)
def test_any_order(
    rewrite: Apply, batch: int, channels: int, size: tuple[int, int], steps: int, dtype: str, axis: int, target: str, data: st.DataObject
) -> None:
    places = st.tuples(st.integers(0, steps - 1), st.integers(0, steps - 1))
    parts = data.draw(st.lists(places, min_size=2, max_size=5))
    dims = [batch, channels, size[0] * steps, size[1] * steps]
    trial = rewrite(focus(dims, parts, steps, dtype, axis=axis), "focus-to-conv", target)
    assert trial.operators == ["Conv", "Conv"]
    assert trial.found.after.verdict == "full"
    assert "DLA521" in {finding.code for finding in trial.found.before.findings} or target == XAVIER


def test_yolov5(rewrite: Apply) -> None:
    trial = rewrite(focus([1, 3, 16, 16], YOLOV5), "focus-to-conv")
    assert {finding.code for finding in trial.found.before.findings if finding.severity == "error"} == {"DLA521"}
    assert trial.operators == ["Conv", "Conv"]
    attributes = {item.name: list(item.ints) for item in trial.model.graph.node[1].attribute}
    assert (attributes["kernel_shape"], attributes["strides"]) == ([2, 2], [2, 2])
    assert [len(change.nodes) for change in trial.found.changes] == [9]


def test_slices_of_the_older_form(rewrite: Apply) -> None:
    assert rewrite(focus([1, 2, 6, 6], YOLOV5, opset=9), "focus-to-conv", XAVIER).operators == ["Conv", "Conv"]


def test_channels_cut_and_joined_again(rewrite: Apply) -> None:
    body = "a, b, c = Split<axis=1>(t, sizes) y = Concat<axis=1>(c, a, b, a)"
    trial = rewrite(behind_conv([1, 6, 4, 4], [1, 8, 4, 4], body, [ints("sizes", [2, 1, 3])]), "focus-to-conv", XAVIER)
    assert trial.operators == ["Conv", "Conv"]
    assert trial.found.after.verdict == "full"


ENDS = [ints("e", [9]), ints("o", [1]), ints("z", [0]), ints("s", [2]), ints("h", [2])]


@pytest.mark.parametrize(
    ("body", "made", "reason"),
    [
        ("y = Slice(t, z, e, h, s)", [1, 4, 4, 8], "no Concat on channels joins its slices"),
        (
            "a = Slice(t, z, e, h, s) b = Slice(t, o, e, h, s) y = Concat<axis=2>(a, b)",
            [1, 4, 8, 8],
            "no Concat on channels joins its slices",
        ),
        (
            "a = Slice(t, z, e, h, s) u = Relu(t) b = Slice(u, o, e, h, s) y = Concat<axis=1>(a, b)",
            [1, 8, 4, 8],
            "the Concat joins more than slices of one tensor",
        ),
        (
            "a = Slice(t, z, e, h, s) u = Relu(a) b = Slice(t, o, e, h, s) c = Concat<axis=1>(a, b) y = Concat<axis=1>(c, u)",
            [1, 12, 4, 8],
            "another node reads one of the slices",
        ),
        (
            "a = Slice(t, z, e, h, s) b = Slice(t, z, f, h, o) y = Concat<axis=1>(a, b)",
            [1, 8, 4, 8],
            "no window takes all of its slices at once",
        ),
        (
            "a = Slice(t, z, e, h, s) b = Slice(t, p, q, h, m) y = Concat<axis=1>(a, b)",
            [1, 8, 4, 8],
            "a slice runs backwards",
        ),
    ],
)
def test_misses(rewrite: Apply, body: str, made: list[int], reason: str) -> None:
    given = [*ENDS, ints("f", [4]), ints("p", [7]), ints("q", [-9]), ints("m", [-2])]
    trial = rewrite(behind_conv([1, 4, 8, 8], made, body, [item for item in given if used(item, body)]), "focus-to-conv")
    assert set(trial.reasons) == {f"does not apply: {reason}"}
    assert not trial.found.changes


def used(item: str, body: str) -> bool:
    name = item.split()[1]
    return f", {name}," in body or f", {name})" in body


def test_integers_stay(rewrite: Apply) -> None:
    given = ", ".join(ENDS)
    model = text(
        f"g (int32[1,4,8,8] t) => (int32[1,8,4,8] y) <{given}>"
        " { a = Slice(t, z, e, h, s) b = Slice(t, o, e, h, s) y = Concat<axis=1>(a, b) }"
    )
    assert set(rewrite(model, "focus-to-conv").reasons) == {"does not apply: its input is int32, and convolutions compute floats"}

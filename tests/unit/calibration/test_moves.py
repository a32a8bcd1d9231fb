"""Tensors that share a scale because a layer moves elements between them."""

from __future__ import annotations

import onnx
import pytest

from dlalint.calibration.moves import shared
from dlalint.model.load import parse


def _shared(graph: str, ranges: dict[str, float], opset: int = 17) -> dict[str, float]:
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}, "custom": 1]> g {graph}')
    return shared(parse(model.SerializeToString(), "g").graph, ranges)


def test_a_concatenation_has_one_scale() -> None:
    graph = "(float[N] a, float[N] b) => (float[M] y) { c = Relu(b) y = Concat <axis = 0> (a, c) }"
    assert _shared(graph, {"a": 1.0, "b": 9.0, "c": 3.0, "y": 2.5}) == {"a": 3.0, "b": 9.0, "c": 3.0, "y": 3.0}


def test_scales_are_shared_across_several_layers() -> None:
    graph = """(float[1, 4, 8, 8] x) => (float[1, 6, 8, 8] y) {
        p, q = Split <axis = 1> (x)
        r = Conv(q, q)
        y = Concat <axis = 1> (p, r)
        z = MaxPool <kernel_shape = [2, 2]> (y)
        last = Transpose(z)
    }"""
    found = _shared(graph, {"x": 1.0, "p": 1.0, "q": 0.5, "r": 4.0, "y": 4.0, "z": 3.0, "last": 3.0})
    assert found == dict.fromkeys(("x", "p", "q", "r", "y", "z", "last"), 4.0)
    assert list(found) == ["x", "p", "q", "r", "y", "z", "last"]


@pytest.mark.parametrize(
    ("node", "moves"),
    [
        ("y = Reshape(x, s)", True),
        ("y = Flatten(x)", True),
        ("y = MaxPool <kernel_shape = [2, 2]> (x)", True),
        ("y = Slice(x, s, s)", True),
        ("y = Resize <mode = 'nearest'> (x, , w)".replace("'", '"'), True),
        ("y = Resize <mode = 'linear'> (x, , w)".replace("'", '"'), False),
        ("y = Pad(x, s)", True),
        ("y = Pad(x, s, zero)", True),
        ("y = Pad(x, s, one)", False),
        ("y = Pad(x, s, unknown)", False),
        ("y = Pad <mode = 'edge'> (x, s, one)".replace("'", '"'), True),
        ("y = Relu(x)", False),
        ("y = AveragePool <kernel_shape = [2, 2]> (x)", True),
        ("y = custom.Reshape(x)", False),
        ("y = Add(x, w)", False),
    ],
)
def test_what_moves_elements(node: str, moves: bool) -> None:
    head = "(float[1, 2, 4, 4] x, int64[4] s, float[4] w, float unknown) => (float[N] y) <float zero = {0}, float one = {1}>"
    assert _shared(f"{head} {{ {node} }}", {"x": 1.0, "y": 2.0}) == {"x": 2.0 if moves else 1.0, "y": 2.0}


def test_the_mask_of_a_dropout_and_the_value_of_an_old_pad() -> None:
    assert _shared("(float[N] x) => (float[N] y) { y, m = Dropout(x) }", {"x": 1.0, "y": 2.0, "m": 9.0}) == {"x": 2.0, "y": 2.0, "m": 9.0}
    for value, expected in (("0.0", 2.0), ("5.0", 1.0)):
        graph = f"(float[N] x) => (float[M] y) {{ y = Pad <pads = [1, 1], value = {value}> (x) }}"
        assert _shared(graph, {"x": 1.0, "y": 2.0}, 10)["x"] == expected


def test_a_tensor_of_zeros_takes_the_scale_of_its_neighbours() -> None:
    graph = "(float[N] a, float[N] b) => (float[M] y) { y = Concat <axis = 0> (a, b) }"
    assert _shared(graph, {"a": 0.0, "b": 2.0, "y": 2.0})["a"] == 2.0

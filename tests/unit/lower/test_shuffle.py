"""Reshapes, transposes and relabelling as each parser makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Lower = Callable[..., Any]


@pytest.mark.parametrize(
    ("size", "call", "ranks", "kept"),
    [
        ("2,4,8,8", "Reshape(x, s)", (4, 3), True),
        ("2,4,8,8", "Unsqueeze(x, a)", (4, 5), False),
        ("1,2,4,8", "Squeeze(x, a)", (4, 3), False),
        ("2,4,8,8", "Flatten(x)", (4, 2), True),
        ("2,4,8,8", "Flatten<axis=2>(x)", (4, 2), False),
    ],
)
@pytest.mark.parametrize("release", ["5.1", "8.5", "10.3"])
def test_reshapes(lowered: Lower, size: str, call: str, ranks: object, kept: bool, release: str) -> None:
    made = lowered(f"(float[{size}] x) => (y) <int64[3] s = {{2,4,64}}, int64[1] a = {{0}}> {{ y = {call} }}", release)
    assert made.wiring == ["SHUFFLE x > y"]
    assert made.params("SHUFFLE") == {"moves": ("reshape",), "ranks": ranks, "batch_kept": kept}


@pytest.mark.parametrize(("release", "flat"), [("5.1", "IDENTITY x > y"), ("8.2", "IDENTITY x > y"), ("8.4", "IDENTITY x > y")])
def test_flatten_of_a_matrix(lowered: Lower, release: str, flat: str) -> None:
    assert lowered("(float[2,8] x) => (y) { y = Flatten(x) }", release).wiring == [flat]


def test_flatten_of_a_matrix_to_one_row(lowered: Lower) -> None:
    assert lowered("(float[2,8] x) => (y) { y = Flatten<axis=0>(x) }", "8.4").wiring == ["SHUFFLE x > y"]
    assert lowered("(float[8] x) => (y) { y = Flatten(x) }", "8.4").wiring == ["SHUFFLE x > y"]


@pytest.mark.parametrize("release", ["5.1", "7.0", "8.0", "8.5", "10.1"])
@pytest.mark.parametrize(
    ("attribute", "order", "kept"), [("<perm=[0,2,3,1]>", "0 2 3 1", True), ("", "3 2 1 0", False), ("<perm=[1,0,2,3]>", "1 0 2 3", False)]
)
def test_transpose(lowered: Lower, release: str, attribute: str, order: str, kept: bool) -> None:
    made = lowered(f"(float[2,4,8,8] x) => (y) {{ y = Transpose{attribute}(x) }}", release)
    assert made.wiring == ["SHUFFLE x > y"]
    assert made.params("SHUFFLE") == {"moves": (f"transpose {order}",), "ranks": (4, 4), "batch_kept": kept}


@pytest.mark.parametrize("release", ["5.1", "7.0", "8.0", "8.5", "10.0"])
def test_transpose_of_axes_of_length_one_is_a_reshape_up_to_10_0(lowered: Lower, release: str) -> None:
    graph = "(float[2,4,1,1] x) => (y) { y = Transpose<perm=[0,2,3,1]>(x) }"
    assert lowered(graph, release).params("SHUFFLE") == {"moves": ("reshape",), "ranks": (4, 4), "batch_kept": True}
    assert lowered(graph, "10.1").params("SHUFFLE")["moves"] == ("transpose 0 2 3 1",)


def test_transpose_that_moves_the_batch_by_a_reshape(lowered: Lower) -> None:
    made = lowered("(float[1,4,8] x) => (y) { y = Transpose<perm=[1,0,2]>(x) }", "8.5")
    assert made.params("SHUFFLE") == {"moves": ("reshape",), "ranks": (3, 3), "batch_kept": False}


def test_transpose_of_a_free_axis_moves_data(lowered: Lower) -> None:
    made = lowered("(float[N,4,1,1] x) => (y) { y = Transpose<perm=[0,2,3,1]>(x) }", "8.5")
    assert made.params("SHUFFLE")["moves"] == ("transpose 0 2 3 1",)


@pytest.mark.parametrize(
    ("release", "layer", "moves"),
    [
        ("7.2", "SHUFFLE x > y", "reshape"),
        ("8.0", "IDENTITY x > y", ""),
        ("8.4", "IDENTITY x > y", ""),
        ("8.5", "SHUFFLE x > y", "reshape"),
        ("10.1", "SHUFFLE x > y", "transpose 0 1 2"),
    ],
)
def test_transpose_that_moves_nothing(lowered: Lower, release: str, layer: str, moves: str) -> None:
    made = lowered("(float[2,4,8] x) => (y) { y = Transpose<perm=[0,1,2]>(x) }", release)
    assert made.wiring == [layer]
    assert not moves or made.params("SHUFFLE")["moves"] == (moves,)


@pytest.mark.parametrize(
    ("call", "release", "order", "middle", "last"),
    [
        ("DepthToSpace<blocksize=2>(x)", "8.5", "0 3 4 1 5 2", (2, 4, 4, 2, 6, 2), (2, 4, 8, 12)),
        ('DepthToSpace<blocksize=2, mode="CRD">(x)', "7.0", "0 1 4 2 5 3", (2, 4, 4, 2, 6, 2), (2, 4, 8, 12)),
        ('DepthToSpace<blocksize=2, mode="CRD">(x)', "6.0", "0 3 4 1 5 2", (2, 4, 4, 2, 6, 2), (2, 4, 8, 12)),
        ("SpaceToDepth<blocksize=2>(x)", "5.1", "0 3 5 1 2 4", (2, 2, 2, 16, 2, 3), (2, 64, 2, 3)),
        ("SpaceToDepth<blocksize=2>(x)", "10.3", "0 3 5 1 2 4", (2, 2, 2, 16, 2, 3), (2, 64, 2, 3)),
    ],
)
def test_blocks(lowered: Lower, call: str, release: str, order: str, middle: object, last: object) -> None:
    made = lowered(f"(float[2,16,4,6] x) => (y) {{ y = {call} }}", release)
    assert made.wiring == ["SHUFFLE x > y#t0", "SHUFFLE y#t0 > y"]
    assert (made.shape("y#t0"), made.shape("y")) == (middle, last)
    assert made.params("SHUFFLE") == {"moves": ("reshape", f"transpose {order}"), "ranks": (4, 6), "batch_kept": True}
    assert made.params("SHUFFLE", 1) == {"moves": ("reshape",), "ranks": (6, 4), "batch_kept": True}


@pytest.mark.parametrize("op", ["Identity", "Dropout"])
def test_identity(lowered: Lower, op: str) -> None:
    assert lowered(f"(float[2,4] x) => (y) {{ y = {op}(x) }}", "8.5").wiring == ["IDENTITY x > y"]


@pytest.mark.parametrize(
    ("release", "opset", "mask"), [("7.2", 13, "IDENTITY"), ("8.0", 12, "ELEMENTWISE.EQUAL"), ("8.0", 11, "ELEMENTWISE.LESS")]
)
def test_mask_of_dropout(lowered: Lower, release: str, opset: int, mask: str) -> None:
    made = lowered("(float[2,4] x) => (y, z) { y, z = Dropout(x) }", release, opset)
    assert made.wiring == ["IDENTITY x > y", f"{mask} {'x' if mask == 'IDENTITY' else 'x x'} > z"]


@pytest.mark.parametrize(
    ("release", "to", "layer"),
    [("7.0", 10, "IDENTITY"), ("8.5", 10, "IDENTITY"), ("8.6", 10, "CAST"), ("8.6", 1, "IDENTITY"), ("10.3", 6, "CAST")],
)
def test_cast(lowered: Lower, release: str, to: int, layer: str) -> None:
    made = lowered(f"(float[2,4] x) => (y) {{ y = Cast<to={to}>(x) }}", release)
    assert made.wiring == [f"{layer} x > y"]
    assert made.params(layer) == {"to": {1: "float32", 6: "int32", 10: "float16"}[to]}


def test_cast_to_the_type_of_another_tensor(lowered: Lower) -> None:
    made = lowered("(float[2,4] x, float16[1] t) => (y) { y = CastLike(x, t) }", "10.0", 15)
    assert made.wiring == ["CAST x > y"]
    assert made.params("CAST") == {"to": "float16"}

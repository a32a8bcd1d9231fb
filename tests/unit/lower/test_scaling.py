"""How TensorRT 6 applies a constant to a tensor."""

from __future__ import annotations

import pytest

from dlalint.lower.scaling import mode_of_constant


@pytest.mark.parametrize(
    ("constant", "data", "mode"),
    [
        ((1,), (2, 4, 8, 8), "UNIFORM"),
        ((1, 1, 1, 1), (2, 4, 8, 8), "UNIFORM"),
        ((4, 1, 1), (2, 4, 8, 8), "CHANNEL"),
        ((4, 8, 8), (2, 4, 8, 8), "ELEMENTWISE"),
        ((1, 10), (1, 10), "ELEMENTWISE"),
        ((10,), (1, 10), "CHANNEL"),
        ((8,), (2, 4, 8, 8), None),
        ((1, 4, 1, 1), (2, 4, 8, 8), None),
        ((), (2, 4, 8, 8), None),
        (None, (2, 4, 8, 8), None),
        ((4, 1, 1), None, None),
        ((4,), (4,), None),
    ],
)
def test_mode(constant: tuple[int, ...] | None, data: tuple[int, ...] | None, mode: str | None) -> None:
    assert mode_of_constant(constant, data) == mode

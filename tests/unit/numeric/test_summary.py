"""What a tensor holds, in a few numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dlalint.numeric.summary import Summary, summary


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[1, -2], [4, 5]], np.float32), ((2, 2), "float32", -2.0, 5.0, 2.0, 0, 0)),
        (np.array([1, math.nan, math.inf, -math.inf, 3]), ((5,), "float64", 1.0, 3.0, 2.0, 1, 2)),
        (np.array([math.nan]), ((1,), "float64", None, None, None, 1, 0)),
        (np.empty((0, 3), np.float16), ((0, 3), "float16", None, None, None, 0, 0)),
        (np.array(7, np.int64), ((), "int64", 7.0, 7.0, 7.0, 0, 0)),
        (np.array([True, False, True, True]), ((4,), "bool", 0.0, 1.0, 0.75, 0, 0)),
        (np.full(70000, 60000, np.float16), ((70000,), "float16", 60000.0, 60000.0, 60000.0, 0, 0)),
        (np.full(4, 1.5e308), ((4,), "float64", 1.5e308, 1.5e308, 1.5e308, 0, 0)),
    ],
)
def test_summary(array: NDArray[Any], expected: tuple[Any, ...]) -> None:
    assert summary("t", array) == Summary("t", *expected)

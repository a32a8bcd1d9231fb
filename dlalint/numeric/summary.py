"""What a tensor holds, in a few numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.named_tuple import NamedTuple


class Summary(NamedTuple):
    """Least, largest and mean finite element (``None`` without any), and how many are NaN and infinite."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float | None
    high: float | None
    mean: float | None
    nan: int
    inf: int


def summary(name: str, array: NDArray[Any]) -> Summary:
    """The summary of a tensor of numbers or booleans."""
    flat = array.reshape(-1)
    nan = inf = 0
    if array.dtype.kind == "f":
        nan, inf = int(np.count_nonzero(np.isnan(flat))), int(np.count_nonzero(np.isinf(flat)))
        flat = flat[np.isfinite(flat)]
    if not flat.size:
        return Summary(name, array.shape, str(array.dtype), None, None, None, nan, inf)
    low, high = float(flat.min()), float(flat.max())
    with np.errstate(over="ignore"):
        mean = float(np.mean(flat, dtype=np.float64))
    if not math.isfinite(mean):  # the sum of large elements
        span = max(abs(low), abs(high))
        mean = float(np.mean(flat / span)) * span
    return Summary(name, array.shape, str(array.dtype), low, high, mean, nan, inf)

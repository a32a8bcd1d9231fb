"""Where the range of an INT8 tensor ends: the largest value, a percentile, or what loses least information.

Sources: S. Migacz, "8-bit Inference with TensorRT", GTC 2017, for the entropy method; NVIDIA/TensorRT ``pytorch-quantization``,
``calib/histogram.py``, for what the talk leaves open: zeros, which every scale can hold, count as much as their neighbours; empty bins stay
empty; of equal candidates the widest counts.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dlalint.numeric.ranges import Histogram, Range

METHODS = ("max", "percentile", "entropy")
LEVELS = 128  # of an absolute value in INT8
_ROWS = 128  # candidates looked at together: what is computed of them stays in the cache
_LOST = 0.01  # share of the elements that entropy may cut off: with more in one bin, it compares a spike with a spike and finds them alike
_TIE = 1e-12  # divergences as near as this are one: so far they carry the rounding of their sums


def threshold(method: str, found: Range, histogram: Histogram, percentile: float) -> float:
    """The absolute value at which the range of a tensor ends, never beyond its largest one; 0.0 for a tensor of zeros or without numbers.

    ``method`` is one of :data:`METHODS`, ``percentile`` from 0 to 100 is for the one of that name. ``max`` looks at no histogram.
    """
    if method == "max" or not found.largest:
        return found.largest
    if method == "percentile":
        return min(found.largest, _percentile(histogram.counts, percentile) * histogram.width)
    counts = histogram.counts.reshape(-1, 2).sum(1)
    return min(found.largest, entropy(counts) * 2 * histogram.width)


def clipped(value: float, found: Range, histogram: Histogram) -> float:
    """The share of the finite elements beyond ``value``, a :func:`threshold`: exact there, and within a bin elsewhere."""
    total = int(histogram.counts.sum())
    if value >= found.largest or not total:
        return 0.0
    return int(histogram.counts[math.ceil(value / histogram.width) :].sum()) / total


def _percentile(counts: NDArray[np.int64], percentile: float) -> int:
    """The number of bins that hold ``percentile`` of the elements, from the first on."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, percentile / 100 * (1 - 1e-15) * int(total[-1]))) + 1


def entropy(counts: NDArray[np.int64]) -> int:
    """After how many bins of ``counts`` the range ends so that what is within, on 128 levels, diverges least (Kullback-Leibler) from all.

    What lies beyond is counted in the last bin of the range, which must not be empty then, and is 1 % of all at most. The candidates are
    all numbers of bins from 128 to the last one that is not empty; their sums over bins and levels come from running totals.
    """
    bins = counts.copy()
    bins[0] = bins[1]
    used = int(np.max(np.flatnonzero(bins), initial=-1)) + 1
    if used <= LEVELS:
        return len(counts)
    edges = _edges(len(bins))[: used - LEVELS + 1]
    totals, filled, logs = (np.concatenate([[0], np.cumsum(part)]) for part in (bins, bins > 0, _times_log(bins)))
    parts = (edges[start : start + _ROWS] for start in range(0, len(edges), _ROWS))
    divergences = np.concatenate([_divergences(part, bins, totals, filled, logs) for part in parts])
    least = float(divergences.min())
    return int(np.flatnonzero(divergences <= least + _TIE)[-1]) + LEVELS


def _divergences(
    edges: NDArray[np.int64], bins: NDArray[np.int64], totals: NDArray[np.int64], filled: NDArray[np.int64], logs: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Those of candidates with levels between ``edges``. ``totals`` of elements, of ``filled`` bins and of n log n run up to each bin."""
    inside = np.diff(totals[edges], axis=1)
    level = np.log(
        np.maximum(inside, 1) / np.maximum(np.diff(filled[edges], axis=1), 1)
    )  # of the height of a level's bins; 0 elements weigh 0
    last = edges[:, -1] - 1
    beyond = totals[-1] - totals[last + 1]
    own = logs[last] + _times_log(bins[last] + beyond)
    across = (inside * level).sum(axis=1) + beyond * level[:, -1]
    with np.errstate(divide="ignore"):
        found = (own - across) / totals[-1] - math.log(totals[-1]) + np.log(totals[last + 1])
    homeless = (bins[last] == 0) & (beyond > 0)  # what would be lost there has no place in the range
    return np.where(homeless | (beyond > _LOST * totals[-1]), np.inf, found)


def _times_log(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.multiply(counts, np.log(np.maximum(counts, 1)), dtype=np.float64)


@lru_cache(maxsize=1)
def _edges(bins: int) -> NDArray[np.int64]:
    """For each number of bins from 128 to ``bins`` where its levels begin, and where the last one ends."""
    sizes = np.arange(LEVELS, bins + 1).reshape(-1, 1)
    found: NDArray[np.int64] = (np.arange(LEVELS + 1) * sizes + LEVELS - 1) // LEVELS
    return found

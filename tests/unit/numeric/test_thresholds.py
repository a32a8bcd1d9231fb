"""Where ranges end, against references that do every step one by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from dlalint.numeric.ranges import BINS, Histogram, Range
from dlalint.numeric.thresholds import METHODS, clipped, entropy, threshold

Floats = NDArray[np.float64]
DISTRIBUTIONS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "normal": lambda draw: draw.standard_normal(20000),
    "relu": lambda draw: np.maximum(draw.standard_normal(20000), 0),
    "laplace": lambda draw: draw.laplace(size=20000),
    "uniform": lambda draw: draw.uniform(-1, 1, 20000),
    "heavy tail": lambda draw: draw.standard_cauchy(5000),
    "lognormal": lambda draw: draw.lognormal(0, 2, 5000),
    "few": lambda draw: draw.standard_normal(40),
    "one outlier": lambda draw: np.append(draw.standard_normal(5000) * 0.01, 7.0),
    "two values": lambda draw: np.repeat([0.0, 3.0, -1.0], 50),
    "one value": lambda draw: np.full(9, -2.5),
    "far from zero": lambda draw: 0.5 + 0.05 * draw.standard_normal(20000),
    "sigmoid": lambda draw: 1 / (1 + np.exp(-4 * draw.standard_normal(20000))),
}


def _counted(values: Floats, bins: int = BINS) -> tuple[Range, Histogram]:
    absolute = np.abs(values)
    largest = float(absolute.max())
    width = 2.0 ** math.frexp(largest)[1] / bins
    counts = np.bincount((absolute / width).astype(int), minlength=bins)
    smallest = float(min(absolute[absolute > 0], default=0.0))
    return Range(float(values.min()), float(values.max()), largest, smallest, 0, values.size), Histogram(counts, width)


def _entropy(counts: NDArray[np.int64]) -> int:
    """Candidate by candidate, level by level, as the talk describes it, but that at most 1 % is cut off."""
    bins = [int(count) for count in counts]
    bins[0] = bins[1]
    used = max(number for number, count in enumerate(bins) if count) + 1
    found = []
    for size in range(128, used + 1):
        reference = [float(count) for count in bins[:size]]
        reference[-1] += sum(bins[size:])
        levels = [int(number * 128 / size) for number in range(size)]  # exact: far from the next float
        quantized = [0.0] * size
        for level in range(128):
            own = [number for number in range(size) if levels[number] == level and bins[number]]
            for number in own:
                quantized[number] = sum(bins[other] for other in own) / len(own)
        found.append(_divergence(reference, quantized) if 100 * sum(bins[size:]) <= sum(bins) else math.inf)
    least = min(found)
    return max(number for number, value in enumerate(found) if value <= least + 1e-12) + 128


def _divergence(one: list[float], two: list[float]) -> float:
    if any(p and not q for p, q in zip(one, two, strict=True)):
        return math.inf
    first, second = sum(one), sum(two)
    return sum(p / first * math.log(p / first / (q / second)) for p, q in zip(one, two, strict=True) if p)


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_entropy_is_that_of_the_steps(kind: str) -> None:
    values = DISTRIBUTIONS[kind](np.random.default_rng(3))
    _, histogram = _counted(values, 256)
    assert entropy(histogram.counts) == _entropy(histogram.counts)


def test_entropy_of_as_many_bins_as_are_used() -> None:
    _, histogram = _counted(np.random.default_rng(3).laplace(size=30000), 1024)
    found = entropy(histogram.counts)
    assert found == _entropy(histogram.counts)
    assert 512 < found < 1024  # something is cut off


def test_entropy_cuts_a_tail_off_and_keeps_an_even_range() -> None:
    tail, histogram = _counted(DISTRIBUTIONS["heavy tail"](np.random.default_rng(3)))
    assert threshold("entropy", tail, histogram, 0.0) < tail.largest / 4
    for kind, expected in (("uniform", 1.0), ("one value", 2.5), ("one outlier", 7.0)):  # a range ends at no empty bin
        found, histogram = _counted(DISTRIBUTIONS[kind](np.random.default_rng(3)))
        assert threshold("entropy", found, histogram, 0.0) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_entropy_cuts_little_off(kind: str) -> None:
    values = DISTRIBUTIONS[kind](np.random.default_rng(3))
    found, histogram = _counted(values)
    assert clipped(threshold("entropy", found, histogram, 0.0), found, histogram) <= 0.011  # two bins are one candidate


@pytest.mark.parametrize("percentile", [50.0, 90.0, 99.0, 99.9, 99.99, 100.0])
@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_a_percentile_is_exact_within_a_bin(kind: str, percentile: float) -> None:
    values = DISTRIBUTIONS[kind](np.random.default_rng(3))
    found, histogram = _counted(values)
    end = threshold("percentile", found, histogram, percentile)
    exact = float(np.sort(np.abs(values))[math.ceil(Fraction(str(percentile)) * values.size / 100) - 1])
    assert exact <= end <= exact + histogram.width
    assert end <= found.largest
    assert percentile < 100 or end == found.largest


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_the_share_that_is_clipped(kind: str) -> None:
    values = DISTRIBUTIONS[kind](np.random.default_rng(3))
    found, histogram = _counted(values)
    for method in METHODS:
        end = threshold(method, found, histogram, 97.0)
        exact = 0.0 if end >= found.largest else np.count_nonzero(np.abs(values) >= end) / values.size
        assert clipped(end, found, histogram) == exact
    assert threshold("max", found, Histogram(np.zeros(0, np.int64), 1.0), 0.0) == found.largest
    assert clipped(found.largest * 2, found, histogram) == 0.0


def test_what_has_no_range() -> None:
    empty = Histogram(np.zeros(BINS, np.int64), 2.0**-112)
    for found in (Range(0.0, 0.0, 0.0, 0.0, 0, 9), Range(0.0, 0.0, 0.0, 0.0, 9, 9)):
        assert [threshold(method, found, empty, 99.0) for method in METHODS] == [0.0, 0.0, 0.0]
        assert clipped(0.0, found, empty) == 0.0


def test_values_below_the_first_bins() -> None:
    tiny = 1e-38
    found = Range(0.0, tiny, tiny, tiny, 0, 5)
    histogram = Histogram(np.bincount([0, 0, 0, 0, 0], minlength=BINS), 2.0**-112)
    assert [threshold(method, found, histogram, 99.0) for method in METHODS] == [tiny] * 3

"""What the comparisons of a model and its forms without Q/DQ nodes found, tensor by tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlalint.calibration.cache import STEPS
from dlalint.calibration.translated import Proof, Steps
from dlalint.named_tuple import NamedTuple
from dlalint.rewrite.graph import Array
from dlalint.rewrite.quantization.pairs import Pair

FOLDED = 1e-3  # relative to the largest value: the rounding of many foldings, in FP16 too
GROSS = 64.0  # steps, a quarter of a range: half of a tensor that far off when rounded to the scales of the cache is no rounding


class Probe(NamedTuple):
    """Where a pair can be seen: in the model, in the result, and in the result with its pairs put back."""

    pair: Pair
    old: str
    new: str
    back: str


class Tally:
    """What the comparisons found, tensor by tensor."""

    def __init__(self, close: float) -> None:
        self._close = close
        self._worst = 0.0
        self._faults: list[tuple[str, str]] = []
        self._tensors: set[str] = set()
        self._gaps: dict[str, list[Array]] = {}
        self._coarse: dict[str, list[Array]] = {}
        self._beyond: dict[str, list[float]] = {}
        self._unequal = 0
        self._done: list[Steps] = []

    def restored(self, name: str, old: Array, back: Array) -> None:
        """Hold a tensor of the model against that of the result with its pairs put back."""
        self._tensors.add(name)
        if old.shape == back.shape and np.array_equal(old, back, equal_nan=True):
            return
        self._unequal += 1
        gap = np.inf
        if old.shape == back.shape and np.array_equal(np.isfinite(old), np.isfinite(back)):
            usual = np.isfinite(old)
            values = old[usual].astype(np.float64)
            gap = float(np.abs(values - back[usual]).max(initial=0) / (np.abs(values).max(initial=0) or 1.0))
        self._worst = max(self._worst, gap)
        if gap > self._close:
            self._faults.append((name, f"{name} differs by {gap:.1e} of its largest value with the pairs put back"))

    def rounded(self, probe: Probe, old: Array, new: Array) -> None:
        """Hold a tensor of the model against that of the result, which INT8 cuts off at the ends of its range, in steps."""
        low, high = probe.pair.grid.range
        step = probe.pair.grid.step
        values = new.astype(np.float64)
        if low == 0 and values.min(initial=0) < 0:  # what the pair cut off there has to be cut off by a node now
            self._faults.append((probe.new, f"{probe.new} goes below zero, where its pair cut it off"))
        end = probe.pair.grid.covering * STEPS
        gap = np.abs(np.clip(values, min(low, -end), end) - old) / step if old.shape == new.shape else np.array([np.inf])
        self._gaps.setdefault(probe.new, []).append(gap.astype(np.float32).reshape(-1))
        self._beyond.setdefault(probe.new, []).append(
            float(np.mean((values < low - step / 2) | (values > high + step / 2))) if new.size else 0.0
        )

    def coarse(self, probe: Probe, old: Array, new: Array) -> None:
        """Hold a tensor of the model against that of the result with pairs at the scales of the cache, in steps of the model."""
        gap = np.abs(new.astype(np.float64) - old) / probe.pair.grid.step if old.shape == new.shape else np.array([np.inf])
        self._coarse.setdefault(probe.new, []).append(gap.astype(np.float32).reshape(-1))

    def proof(self, sets: tuple[str, ...], cached: int, pairs: int, folded: float | None, *, same: bool) -> Proof:
        """The result; ``same`` says that the file that was written is the model that was compared."""
        steps = sorted(self._done, key=lambda item: (-item.median, -item.most, item.tensor))
        for item in steps:
            if item.int8_median is not None and not item.int8_median <= GROSS:
                said = f"half of {item.tensor} is off by {item.int8_median:.0f} steps of its pair and more"
                self._faults.append((item.tensor, f"with every activation rounded to the scale of the cache, {said}"))
        if not same:
            self._faults.append(("", "the file that was written computes something else"))
        if folded is not None and not folded <= FOLDED:
            self._faults.append(("", f"folding batch normalizations moves outputs by {folded:.1e} of the largest"))
        first, fault = self._faults[0] if self._faults else ("", "")
        counts = (len(self._tensors), pairs, cached)
        return Proof(sets, *counts, not self._unequal, self._worst, first, fault, folded, tuple(steps), not self._faults)

    def close(self, probes: Sequence[Probe]) -> None:
        """Have done with tensors: what was kept of them goes."""
        for name in dict.fromkeys(probe.new for probe in probes):
            if name in self._gaps:
                coarse = _spread(self._coarse.pop(name))[:2] if name in self._coarse else (None, None)
                self._done.append(Steps(name, *_spread(self._gaps.pop(name)), float(np.mean(self._beyond.pop(name))), *coarse))


def _spread(gaps: Sequence[Array]) -> tuple[float, float, float]:
    """The median, the 99.9th percentile and the largest."""
    whole = np.concatenate(gaps)
    if not whole.size:
        return 0.0, 0.0, 0.0
    middle, most = (float(item) for item in np.quantile(whole, (0.5, 0.999)))
    return middle, most, float(whole.max())

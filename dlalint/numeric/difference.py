"""How far two tensors are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.named_tuple import NamedTuple

_CHUNK = 1 << 13  # elements widened at once: they stay in the cache
_SQUARABLE = 1e100  # doubles whose squares neither overflow nor vanish


class Tolerance(NamedTuple):
    """How far a floating-point element may be off: ``atol`` times the largest finite magnitude of the reference (1 when that is 0), plus
    ``rtol`` times the magnitude of the element of the reference. Integers and booleans have to be equal."""

    rtol: float = 1e-4
    atol: float = 1e-5


class Difference(NamedTuple):
    """One tensor of two runs. Shape and dtype are the reference's, ``other_shape`` and ``other_dtype`` the other's.

    ``max_abs`` is the largest difference between finite elements, ``max_rel`` the same in units of ``scale``, the largest finite
    magnitude of the reference. ``cosine`` is that of the angle between the finite elements, ``None`` when only one tensor is zero.
    ``mismatches`` counts elements outside of the tolerance, ``nan`` those where only one is NaN, ``inf`` those where one is infinite and
    the other another number, ``finite`` the finite elements of the reference, ``zero_signs`` zeros that differ in sign, which is no
    difference here. ``required_rtol`` is the smallest rtol that would do with the atol given, ``required_atol`` the smallest atol with the
    rtol given; infinite when none would. Tensors of different shape or dtype have no numbers (``None``) and differ.
    """

    tensor: str
    shape: tuple[int, ...]
    dtype: str
    other_shape: tuple[int, ...]
    other_dtype: str
    max_abs: float | None = None
    max_rel: float | None = None
    scale: float = 0.0
    cosine: float | None = None
    mismatches: int = 0
    nan: int = 0
    inf: int = 0
    finite: int = 0
    zero_signs: int = 0
    bit_equal: bool = False
    required_rtol: float = math.inf
    required_atol: float = math.inf
    within: bool = False

    @property
    def elements(self) -> int:
        """The number of elements of the reference."""
        return math.prod(self.shape)

    @property
    def alike(self) -> bool:
        """Whether both have the same shape and dtype."""
        return self.max_abs is not None


def difference(name: str, reference: NDArray[Any], other: NDArray[Any], tolerance: Tolerance | None = None) -> Difference:
    """How far ``other`` is from ``reference``, both of floats (up to 64 bits), integers or booleans.

    NaN equals NaN, an infinity the same infinity, -0.0 equals +0.0.
    """
    types = Difference(name, reference.shape, str(reference.dtype), other.shape, str(other.dtype))
    if reference.shape != other.shape or reference.dtype != other.dtype:
        return types._replace(scale=_magnitude(reference), finite=_finite(reference), mismatches=max(reference.size, other.size))
    tally = _Tally(tolerance or Tolerance(), _magnitude(reference), _magnitude(other))
    add = tally.add_floats if reference.dtype.kind == "f" else tally.add_whole
    left, right = reference.reshape(-1), other.reshape(-1)
    with np.errstate(all="ignore"):
        for start in range(0, left.size, _CHUNK):
            add(left[start : start + _CHUNK], right[start : start + _CHUNK])
    return tally.close(types, reference)


@dataclass(slots=True)
class _Tally:
    """Sums over the elements."""

    tolerance: Tolerance
    scale: float
    other_scale: float
    gap: float = 0.0
    unequal: int = 0
    mismatches: int = 0
    nan: int = 0
    inf: int = 0
    finite: int = 0
    zero_signs: int = 0
    rtol: float = 0.0
    atol: float = 0.0
    dot: float = 0.0
    norm: float = 0.0
    other_norm: float = 0.0

    def add_floats(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        x, y = left.astype(np.float64), right.astype(np.float64)
        usual = np.isfinite(x) & np.isfinite(y)
        if not usual.all():
            self._add_odd(x[~usual], y[~usual])
            x, y = x[usual], y[usual]
        self.finite += x.size
        gap, size = np.abs(x - y), np.abs(x)
        unit = self.scale or 1.0
        floor = self.tolerance.atol * unit
        slope = self.tolerance.rtol * size
        self.unequal += _count(gap)
        self.mismatches += _count(gap > floor + slope)
        self.zero_signs += _count((np.signbit(x) != np.signbit(y)) & (gap == 0))
        most = _most(gap)
        self.gap = max(self.gap, most)
        if most > floor:
            over = gap > floor
            self.rtol = max(self.rtol, _most((gap[over] - floor) / size[over]))
        if most:
            self.atol = max(self.atol, _most((gap - slope) / unit))
        self._angle(x, y)

    def _add_odd(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        """Pairs of which at least one is not finite."""
        nans = np.isnan(x) != np.isnan(y)
        unlike = (x != y) & ~(np.isnan(x) & np.isnan(y))
        self.nan += _count(nans)
        self.inf += _count(unlike & ~nans)
        self.unequal += _count(unlike)
        self.mismatches += _count(unlike)
        self.finite += _count(np.isfinite(x))

    def add_whole(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        unequal = left != right
        count = _count(unequal)
        self.unequal += count
        self.mismatches += count
        self.finite += left.size
        if count:
            self.gap = max(self.gap, _whole_gap(left[unequal], right[unequal]))
            self.rtol = self.atol = math.inf
        self._angle(left.astype(np.float64), right.astype(np.float64))

    def _angle(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        if max(self.scale, self.other_scale) > _SQUARABLE or 0 < min(self.scale, self.other_scale) < 1 / _SQUARABLE:
            x, y = x / (self.scale or 1.0), y / (self.other_scale or 1.0)
        self.dot += float(np.einsum("i,i->", x, y))  # not @: BLAS wakes its threads for it, which costs ten times the rest
        self.norm += float(np.einsum("i,i->", x, x))
        self.other_norm += float(np.einsum("i,i->", y, y))

    def close(self, types: Difference, reference: NDArray[Any]) -> Difference:
        broken = bool(self.nan or self.inf)
        return types._replace(
            max_abs=self.gap,
            max_rel=self.gap / (self.scale or 1.0),
            scale=self.scale,
            cosine=self._cosine(),
            mismatches=self.mismatches,
            nan=self.nan,
            inf=self.inf,
            finite=self.finite,
            zero_signs=self.zero_signs,
            bit_equal=not self.unequal,
            required_rtol=math.inf if broken else self.rtol,
            required_atol=math.inf if broken else self.atol,
            within=not self.mismatches,
        )

    def _cosine(self) -> float | None:
        if not self.norm or not self.other_norm:
            return 1.0 if self.norm == self.other_norm else None
        return max(-1.0, min(1.0, self.dot / math.sqrt(self.norm * self.other_norm)))


def _whole_gap(left: NDArray[Any], right: NDArray[Any]) -> float:
    """The largest difference between integers, exactly: 64 bits do not fit into a double."""
    wide = np.uint64 if left.dtype.kind == "u" else np.int64
    x, y = left.astype(wide).view(np.uint64), right.astype(wide).view(np.uint64)
    return float(np.where(left > right, x - y, y - x).max())


def _magnitude(array: NDArray[Any]) -> float:
    """The largest finite magnitude."""
    most = 0.0
    flat = array.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = np.abs(flat[start : start + _CHUNK].astype(np.float64))
        most = max(most, _most(part[np.isfinite(part)]))
    return most


def _finite(array: NDArray[Any]) -> int:
    return _count(np.isfinite(array)) if array.dtype.kind == "f" else array.size


def _count(mask: NDArray[Any]) -> int:
    return int(np.count_nonzero(mask))


def _most(values: NDArray[Any]) -> float:
    return float(values.max()) if values.size else 0.0

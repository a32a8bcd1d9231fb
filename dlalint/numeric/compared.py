"""Two files of tensors held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.errors import UsageError
from dlalint.model.stored import quoted
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.difference import Difference, Tolerance, difference
from dlalint.numeric.dumps import read


class Comparison(NamedTuple):
    """The differences of the tensors in both files, in order; the names that are in one only. ``first`` is the first that differs."""

    tensors: tuple[Difference, ...]
    only_reference: tuple[str, ...]
    only_other: tuple[str, ...]

    @property
    def first(self) -> str | None:
        """The first tensor that is not within the tolerance."""
        return next((item.tensor for item in self.tensors if not item.within), None)


def compare(reference: str, other: str, tolerance: Tolerance, order: Sequence[str] = ()) -> Comparison:
    """Compare two dumps, each an ``.npz`` or what ``trtexec --exportOutput`` wrote.

    Tensors stand in ``order``, those it lacks behind it as in the first file; trtexec has no order, so that of an ``.npz`` comes before it.
    Floats of different size are compared as the larger ones, and everything as doubles with the text of trtexec, which has no types;
    leading dimensions of 1, which an engine of implicit batch lacks, make no difference. Raises :class:`DlalintError` when a file
    cannot be read, and when no tensor is in both.
    """
    (ours, typed), (theirs, other_typed) = read(reference), read(other)
    names = list(dict.fromkeys((*order, *(theirs if other_typed and not typed else ours), *ours, *theirs)))
    both = [name for name in names if name in ours and name in theirs]
    if not both:
        shown = " and ".join(f"{quoted(next(iter(side)))}" for side in (ours, theirs))
        cure = f"They begin with {shown}. Dump the same outputs on both sides."
        raise UsageError("the files have no tensor in common", where=f"{reference} and {other}", cure=cure, code="E524")
    found = tuple(difference(name, *_alike(ours[name], theirs[name], typed and other_typed), tolerance) for name in both)
    return Comparison(found, _rest(names, ours, theirs), _rest(names, theirs, ours))


def _rest(names: Sequence[str], has: Mapping[str, Any], lacks: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in names if name in has and name not in lacks)


def _alike(one: NDArray[Any], two: NDArray[Any], typed: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    if not typed:
        one, two = one.astype(np.float64), two.astype(np.float64)
    elif one.dtype != two.dtype and one.dtype.kind == two.dtype.kind == "f":
        wide = np.promote_types(one.dtype, two.dtype)
        one, two = one.astype(wide), two.astype(wide)
    if one.shape != two.shape and _core(one.shape) == _core(two.shape):
        two = two.reshape(one.shape)
    return one, two


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    start = next((index for index, size in enumerate(shape) if size != 1), len(shape))
    return shape[start:]

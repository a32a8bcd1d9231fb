"""What models are fed with: seeded sets that bring out different faults, and what a user gives."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlalint.errors import LimitError, UsageError
from dlalint.graph import Shape, TensorType, shape_in_words
from dlalint.model.stored import quoted
from dlalint.ort_child import ELEMENTS

SETS = ("normal", "zeros", "large", "negative", "channels")
LARGE = 100.0  # far from what a network is trained on, and yet a float16 can hold its squares' sums of a few
MAX_BYTES = 2 << 30


def feeds(types: Mapping[str, TensorType], seed: int = 0) -> Iterator[tuple[str, dict[str, NDArray[Any]]]]:
    """Five sets of inputs: "normal", "zeros", "large", "negative", and "channels", where each channel (axis 1) has its own level.

    Floats are normally distributed, for "large" a hundred times so. Integers of 8 bits take their whole range (none below 0 but for
    "negative"), wider ones are 0 or 1, so that they can be indices; booleans are drawn. A free dimension is 1. A tensor depends on the
    seed, the set and its own name alone. Raises :class:`UsageError` for an input that cannot be made up, :class:`LimitError` for one too
    large.
    """
    shapes = {name: _shape(name, kind) for name, kind in types.items()}
    for number, label in enumerate(SETS):
        made = {}
        for name, kind in types.items():
            sequence = np.random.SeedSequence([seed, number, zlib.crc32(name.encode("utf-8", "surrogatepass"))])
            draw = np.random.RandomState(np.random.MT19937(sequence))  # its streams are the same in every release of numpy
            made[name] = _tensor(label, kind.dtype, shapes[name], draw)
        yield label, made


def _shape(name: str, kind: TensorType) -> tuple[int, ...]:
    where = f"input {quoted(name)}"
    if kind.dtype not in ELEMENTS:
        what = f"it is {kind.dtype}, no tensor of numbers up to 64 bits"
        raise UsageError(what, where=where, cure="Only models that take such tensors can be run here.", code="E520")
    if kind.shape is None:
        raise UsageError("its number of dimensions is free", where=where, cure="Fix its shape with --shape.", code="E520")
    shape = tuple(dim if isinstance(dim, int) else 1 for dim in kind.shape)
    size = prod(shape) * np.dtype(kind.dtype).itemsize
    if size > MAX_BYTES or any(dim < 0 for dim in shape) or len(shape) > 32:
        what = f"it is {shape_in_words(shape)}, too large to be made up"
        raise LimitError(what, where=where, cure="Fix a smaller shape with --shape.", code="E205")
    return shape


def _tensor(label: str, dtype: str, shape: tuple[int, ...], draw: np.random.RandomState) -> NDArray[Any]:
    kind = np.dtype(dtype)
    if label == "zeros":
        return np.zeros(shape, kind)
    if kind.kind == "f":
        return np.asarray(_floats(label, shape, draw), kind)
    if kind.kind == "b":
        return np.asarray(draw.random_sample(shape) < 0.5)
    if kind.itemsize > 1:
        return np.asarray(draw.random_sample(shape) < 0.5, kind)
    top = np.iinfo(kind).max + 1
    drawn = np.floor(draw.random_sample(shape) * top)
    return np.asarray(-drawn if label == "negative" and kind.kind == "i" else drawn, kind)


def _floats(label: str, shape: tuple[int, ...], draw: np.random.RandomState) -> NDArray[Any]:
    values = np.asarray(draw.standard_normal(shape))
    if label == "large":
        return values * LARGE
    if label == "negative":
        return -np.abs(values)
    if label == "channels":
        axis = 1 if len(shape) > 1 else 0
        if len(shape) == 0:
            return values
        levels = np.linspace(-2.0, 2.0, shape[axis])
        return values * 0.1 + levels.reshape([-1 if number == axis else 1 for number in range(len(shape))])
    return values


def fitted(types: Mapping[str, TensorType], given: Mapping[str, NDArray[Any]], where: str = "the inputs") -> dict[str, NDArray[Any]]:
    """The arrays of ``given`` that the inputs ``types`` take, in their element types: floats become floats, integers integers that fit.

    Raises :class:`UsageError` naming what is missing or does not fit.
    """
    missing = [name for name in types if name not in given]
    if missing:
        has = ", ".join(map(quoted, list(given)[:6])) or "nothing"
        raise UsageError(f"no array for the input {quoted(missing[0])}", where=where, cure=f"It has {has}.", code="E521")
    return {name: _fitted(name, kind, given[name], where) for name, kind in types.items()}


def _fitted(name: str, kind: TensorType, array: NDArray[Any], where: str) -> NDArray[Any]:
    if kind.shape is not None and not matches(array.shape, kind.shape):
        what = f"the array for {quoted(name)} is {shape_in_words(array.shape)}, the input {shape_in_words(kind.shape)}"
        raise UsageError(what, where=where, cure="Give it the shape of the input.", code="E521")
    if kind.dtype not in ELEMENTS or str(array.dtype) == kind.dtype:
        return array
    wanted = np.dtype(kind.dtype)
    groups = {"f": "f", "i": "iu", "u": "iu", "b": "b"}
    fits = wanted.kind in groups[array.dtype.kind]
    if fits and wanted.kind in "iu" and array.size:
        limits = np.iinfo(wanted)
        fits = limits.min <= int(array.min()) and int(array.max()) <= limits.max
    if not fits:
        what = f"the array for {quoted(name)} is {array.dtype}, the input {kind.dtype}"
        raise UsageError(what, where=where, cure=f"Convert it: array.astype({kind.dtype!r}).", code="E521")
    with np.errstate(over="ignore"):
        return array.astype(wanted)


def matches(shape: tuple[int, ...], wanted: Shape) -> bool:
    """Whether an array of ``shape`` is one of the shape ``wanted``, of which dimensions may be free."""
    return len(shape) == len(wanted) and all(not isinstance(dim, int) or dim == size for size, dim in zip(shape, wanted, strict=True))


def nudged(values: NDArray[Any]) -> NDArray[Any]:
    """Floats moved by about their rounding, up and down in turn; zeros only where there is nothing else. Other types stay."""
    if values.dtype.kind != "f":
        return values
    sizes = np.abs(values) if values.any() else np.ones_like(values)
    signs = np.where(np.arange(values.size).reshape(values.shape) % 2, 1, -1)
    return np.asarray(values + np.finfo(values.dtype).eps * sizes * signs, values.dtype)

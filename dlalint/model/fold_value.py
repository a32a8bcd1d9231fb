"""Known values of small tensors: element types, budget, broadcasting and striding that constant folding is built on."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dlalint.graph import FLOATING, Scalar, Tensor, volume
from dlalint.graphview import Value

MAX_ELEMENTS = 4096  # per tensor
MAX_RANK = 64  # unit dimensions cost no element but time


class FoldError(Exception):
    """An operator cannot be folded. Never leaves ``fold``, which answers ``None`` instead."""


OMITTED = Value("omitted", (0,), ())
"""Stands for an optional input that the model leaves out by an empty name; ``None`` stands for one whose value is not known."""


def _wrapper(low: int, high: int) -> Callable[[Any], int]:
    mask = high - low

    def wrap(value: int) -> int:
        return value if low <= value <= high else ((value - low) & mask) + low

    return wrap


def _rounder(code: str) -> Callable[[Any], float]:
    form = struct.Struct(code)

    def fit(value: float) -> float:
        try:
            rounded: float = form.unpack(form.pack(value))[0]
        except OverflowError:
            return math.copysign(math.inf, value)
        return rounded

    return fit


_round_float32 = _rounder("<f")


def _round_bfloat16(value: float) -> float:
    value = _round_float32(value)
    if not math.isfinite(value):
        return value
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000  # half to even
    rounded: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return rounded


_SIGNED = {f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)}
_UNSIGNED = {f"uint{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)}

LIMITS: Mapping[str, tuple[Scalar, Scalar]] = MappingProxyType(
    {**_SIGNED, **_UNSIGNED, **dict.fromkeys(FLOATING, (-math.inf, math.inf)), "bool": (False, True)}
)
"""The least and the greatest value of every element type that has values here."""

FIT: Mapping[str, Callable[[Any], Scalar]] = MappingProxyType(
    {
        **{name: _wrapper(low, high) for name, (low, high) in {**_SIGNED, **_UNSIGNED}.items()},
        "float16": _rounder("<e"),
        "bfloat16": _round_bfloat16,
        "float32": _round_float32,
        "float64": float,
        "bool": bool,
    }
)
"""Brings a result into its element type: integers wrap in two's complement, floats round half to even."""

INTEGERS = frozenset({*_SIGNED, *_UNSIGNED})
NUMERIC = INTEGERS | FLOATING


def value_of(tensor: Tensor) -> Value | None:
    """The value of a constant; ``None`` when its bytes were not kept, are too many, or are not integers, floats or booleans."""
    dtype, dims = tensor.dtype, tensor.dims
    if dtype not in FIT or tensor.payload is None:
        return None
    try:
        size(dims)
    except FoldError:
        return None
    items = tensor.values()
    if items is None:
        return None
    if tensor.form == "varint":  # the wire can carry more than the element type holds
        if dtype in ("float32", "float64"):
            return None
        items = tuple(map(FIT[dtype], items))
    return Value(dtype, dims, items)


def scalar(dtype: str, item: Scalar) -> Value:
    """A value of rank 0."""
    return Value(dtype, (), (item,))


def vector(items: tuple[int, ...]) -> Value:
    """An int64 value of rank 1; raises ``FoldError`` when it is too long or not of 64 bits."""
    low, high = LIMITS["int64"]
    if items and (min(items) < low or max(items) > high):
        raise FoldError
    return Value("int64", (size((len(items),)),), items)


def size(shape: tuple[int, ...]) -> int:
    """The number of elements of ``shape``; raises ``FoldError`` beyond the budget or for negative dimensions.

    The budget counts a dimension of 0 as 1: then every dimension and every product of some of them is bounded too.
    """
    if len(shape) > MAX_RANK:
        raise FoldError
    total = budget = 1
    for dim in shape:
        if dim < 0:
            raise FoldError
        total *= dim
        budget *= dim or 1
    if budget > MAX_ELEMENTS:
        raise FoldError
    return total


def strides(shape: tuple[int, ...]) -> list[int]:
    """The distance of neighbors along every axis, in elements, row-major."""
    out = [1] * len(shape)
    for axis in range(len(shape) - 1, 0, -1):
        out[axis - 1] = out[axis] * shape[axis]
    return out


def offsets(steps: Sequence[int], places: Sequence[Iterable[int]]) -> list[int]:
    """The flat offsets of a grid in row-major order: ``places`` are the indices taken along every axis, ``steps`` its strides."""
    out = [0]
    for step, along in zip(steps, places, strict=True):
        out = [base + step * place for base in out for place in along]
    return out


def joint_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape two shapes broadcast to, within the budget; raises ``FoldError`` when they do not match."""
    if a == b or not b:
        return a
    if not a:
        return b
    rank = max(len(a), len(b))
    out = []
    for x, y in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True):
        if x != y and x != 1 and y != 1:
            raise FoldError
        out.append(y if x == 1 else x)
    shape = tuple(out)
    size(shape)
    return shape


def spread(value: Value, shape: tuple[int, ...]) -> tuple[Scalar, ...]:
    """The elements of ``value`` broadcast to ``shape``, which must be one it broadcasts to."""
    items, count = value.items, volume(shape)
    if len(items) == count:
        return items
    if len(items) == 1:
        return items * count
    steps = [0 if dim == 1 else step for step, dim in zip(strides(value.shape), value.shape, strict=True)]
    lead = len(shape) - len(steps)
    return tuple(items[at] for at in offsets([0] * lead + steps, [range(dim) for dim in shape]))


def broadcast(values: Sequence[Value]) -> tuple[tuple[int, ...], list[tuple[Scalar, ...]]]:
    """The joint shape of some values, and the elements of each in that shape."""
    shape = values[0].shape
    for value in values:
        shape = joint_shape(shape, value.shape)
    return shape, [spread(value, shape) for value in values]

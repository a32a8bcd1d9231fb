"""Folding of operators that combine elements along axes: reductions, running sums, counting and scattering."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from itertools import accumulate
from types import MappingProxyType
from typing import Any

from dlalint.graph import FLOATING, Scalar, volume
from dlalint.graphview import Value
from dlalint.model.fold_arithmetic import maximum, minimum
from dlalint.model.fold_call import Call, Folder, axes_in, axis_in, integers_in
from dlalint.model.fold_value import FIT, LIMITS, NUMERIC, FoldError, offsets, size, strides

Combine = Callable[[list[Any], str], Any]


def _sum(items: list[Any], dtype: str) -> Any:
    return reduce(operator.add, items, 0)  # sum() compensates rounding, from Python 3.12 on only


def _product(items: list[Any], dtype: str) -> Any:
    return math.prod(items) if dtype in FLOATING else reduce(lambda a, b: a * b % (1 << 64), items, 1)  # keeps the numbers short


def _mean(items: list[Any], dtype: str) -> Any:
    total = _sum(items, dtype)
    if dtype in FLOATING:
        return total / len(items)
    total = FIT[dtype](total)
    return abs(total) // len(items) * (-1 if total < 0 else 1)


def _largest(items: list[Any], dtype: str) -> Any:
    return reduce(maximum, items, LIMITS[dtype][0])


def _least(items: list[Any], dtype: str) -> Any:
    return reduce(minimum, items, LIMITS[dtype][1])


def _reduction(combine: Combine, since: int, allowed: frozenset[str]) -> Folder:
    """``since`` is the opset that made ``axes`` an input."""

    def fold(call: Call) -> Value:
        value = call.known(0)
        rank = len(value.shape)
        axes = axes_in(call.moved("axes", 1, since) or (), rank)
        keep = call.integer("keepdims", 1)
        if value.dtype not in allowed:
            raise FoldError
        if not axes:
            if call.opset >= since and call.integer("noop_with_empty_axes", 0):
                return value
            axes = list(range(rank))
        return _reduce(value, axes, keep != 0, combine)

    return fold


def _reduce(value: Value, axes: list[int], keep: bool, combine: Combine) -> Value:
    dtype, dims, items = value.dtype, value.shape, value.items
    steps = strides(dims)
    others = [axis for axis in range(len(dims)) if axis not in axes]
    along = offsets([steps[axis] for axis in axes], [range(dims[axis]) for axis in axes])
    starts = offsets([steps[axis] for axis in others], [range(dims[axis]) for axis in others])
    fit = FIT[dtype]
    out = tuple([fit(combine([items[start + at] for at in along], dtype)) for start in starts])
    shape = tuple(1 if axis in axes else dim for axis, dim in enumerate(dims) if keep or axis not in axes)
    return Value(dtype, shape, out)


def _cum_sum(call: Call) -> Value:
    value, axis = call.known(0), integers_in(call.single(1))[0]
    exclusive, backward = call.integer("exclusive", 0), call.integer("reverse", 0)
    dtype, dims = value.dtype, value.shape
    if dtype not in NUMERIC:
        raise FoldError
    axis = axis_in(axis, len(dims))
    step = strides(dims)[axis]
    fit = FIT[dtype]
    out = list(value.items)
    for start in offsets(strides(dims), [range(1 if i == axis else dim) for i, dim in enumerate(dims)]) if out else ():
        line = [start + step * i for i in range(dims[axis])]
        if backward:
            line.reverse()
        sums = list(accumulate((value.items[at] for at in line), lambda a, b: fit(a + b)))
        if exclusive:
            sums = [fit(0), *sums[:-1]]
        for at, item in zip(line, sums, strict=True):
            out[at] = item
    return Value(dtype, dims, tuple(out))


def _non_zero(call: Call) -> Value:
    value = call.known(0)
    hits = [at for at, item in enumerate(value.items) if item]
    shape = (len(value.shape), len(hits))
    size(shape)
    rows = zip(strides(value.shape), value.shape, strict=True)
    return Value("int64", shape, tuple([at // step % dim for step, dim in rows for at in hits]))


_SCATTER: Mapping[object, tuple[int, Callable[[Any, Any], Any]]] = MappingProxyType(
    {b"add": (16, operator.add), b"mul": (16, operator.mul), b"max": (18, maximum), b"min": (18, minimum)}
)


def _scatter_nd(call: Call) -> Value:
    data, indices, updates = call.known(0), call.known(1), call.known(2)
    depth = indices.shape[-1] if indices.shape else 0
    if not data.shape or not indices.shape or indices.dtype != "int64" or updates.dtype != data.dtype or depth > len(data.shape):
        raise FoldError
    if updates.shape != indices.shape[:-1] + data.shape[depth:]:
        raise FoldError
    combine = _scatter_mode(call, data.dtype)
    steps, block = strides(data.shape), volume(data.shape[depth:])
    out: list[Scalar] = list(data.items)
    for row in range(volume(indices.shape[:-1])):
        where = indices.items[row * depth : (row + 1) * depth]
        start = sum(axis_in(int(at), dim) * step for at, dim, step in zip(where, data.shape, steps, strict=False))
        for i in range(block):
            new = updates.items[row * block + i]
            out[start + i] = new if combine is None else FIT[data.dtype](combine(out[start + i], new))
    return Value(data.dtype, data.shape, tuple(out))


def _scatter_mode(call: Call, dtype: str) -> Callable[[Any, Any], Any] | None:
    mode = call.op.attributes.get("reduction", b"none")
    if mode == b"none":
        return None
    if not isinstance(mode, bytes) or mode not in _SCATTER or dtype not in NUMERIC:
        raise FoldError
    since, combine = _SCATTER[mode]
    if call.opset < since:
        raise FoldError
    return combine


OPERATORS: Mapping[str, Folder] = MappingProxyType(
    {
        "CumSum": _cum_sum,
        "NonZero": _non_zero,
        "ReduceMax": _reduction(_largest, 18, NUMERIC | {"bool"}),
        "ReduceMean": _reduction(_mean, 18, NUMERIC),
        "ReduceMin": _reduction(_least, 18, NUMERIC | {"bool"}),
        "ReduceProd": _reduction(_product, 18, NUMERIC),
        "ReduceSum": _reduction(_sum, 13, NUMERIC),
        "ScatterND": _scatter_nd,
    }
)

"""Folding of operators that move elements without computing: reshaping, slicing, gathering, joining, repeating."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType

from dlalint.graph import Scalar, volume
from dlalint.graphview import Value
from dlalint.model.fold_call import Call, Folder, axes_in, axis_in
from dlalint.model.fold_value import MAX_ELEMENTS, FoldError, joint_shape, offsets, size, spread, strides


def _reshaped(value: Value, shape: tuple[int, ...]) -> Value:
    if size(shape) != len(value.items):
        raise FoldError
    return Value(value.dtype, shape, value.items)


def _reshape(call: Call) -> Value:
    value, wanted = call.known(0), call.dims(1)
    copying = not call.integer("allowzero", 0)
    old = value.shape
    if copying:
        if any(dim == 0 and i >= len(old) for i, dim in enumerate(wanted)):
            raise FoldError
        wanted = tuple(old[i] if dim == 0 else dim for i, dim in enumerate(wanted))
    if -1 in wanted:
        at = wanted.index(-1)
        rest = size(wanted[:at] + wanted[at + 1 :])
        wanted = (*wanted[:at], len(value.items) // rest, *wanted[at + 1 :])  # nothing can be inferred next to a 0
    return _reshaped(value, wanted)


def _flatten(call: Call) -> Value:
    value, axis = call.known(0), call.integer("axis", 1)
    rank = len(value.shape)
    if not -rank <= axis <= rank:
        raise FoldError
    axis += rank if axis < 0 else 0
    return _reshaped(value, (volume(value.shape[:axis]), volume(value.shape[axis:])))


def _squeeze(call: Call) -> Value:
    value, wanted = call.known(0), call.moved("axes", 1, 13)
    if wanted is None:
        return _reshaped(value, tuple(dim for dim in value.shape if dim != 1))
    axes = axes_in(wanted, len(value.shape))
    if not axes or any(value.shape[axis] != 1 for axis in axes):  # without axes runtimes disagree: nothing, or every 1
        raise FoldError
    return _reshaped(value, tuple(dim for axis, dim in enumerate(value.shape) if axis not in axes))


def _unsqueeze(call: Call) -> Value:
    value, wanted = call.known(0), call.moved("axes", 1, 13)
    if wanted is None:
        raise FoldError
    shape = list(value.shape)
    for axis in axes_in(wanted, len(shape) + len(wanted)):
        shape.insert(axis, 1)
    return _reshaped(value, tuple(shape))


def _grid(value: Value, steps: Sequence[int], places: Sequence[Sequence[int]]) -> Value:
    shape = tuple(map(len, places))
    size(shape)
    items = value.items
    return Value(value.dtype, shape, tuple([items[at] for at in offsets(steps, places)]) if items else ())


def _transpose(call: Call) -> Value:
    value, order = call.known(0), call.integers("perm")
    rank = len(value.shape)
    if order is None:
        order = tuple(range(rank))[::-1]
    elif sorted(order) != list(range(rank)):
        raise FoldError
    steps = strides(value.shape)
    return _grid(value, [steps[axis] for axis in order], [range(value.shape[axis]) for axis in order])


def _tile(call: Call) -> Value:
    value, repeats = call.known(0), call.dims(1)
    if len(repeats) != len(value.shape):
        raise FoldError
    shape = tuple(dim * count for dim, count in zip(value.shape, repeats, strict=True))
    size(repeats)
    size(shape)
    return _grid(value, strides(value.shape), [tuple(range(dim)) * count for dim, count in zip(value.shape, repeats, strict=True)])


def _expand(call: Call) -> Value:
    value, wanted = call.known(0), call.dims(1)
    size(wanted)
    shape = joint_shape(value.shape, wanted)
    return Value(value.dtype, shape, spread(value, shape))


def _gather(call: Call) -> Value:
    value, indices = call.known(0), call.known(1)
    dims, items = value.shape, value.items
    axis = axis_in(call.integer("axis", 0), len(dims))
    if indices.dtype not in ("int64", "int32"):
        raise FoldError
    places = [axis_in(int(at), dims[axis]) for at in indices.items]
    shape = dims[:axis] + indices.shape + dims[axis + 1 :]
    size(shape)
    steps = strides(dims)
    grid = offsets(steps, [*map(range, dims[:axis]), places, *map(range, dims[axis + 1 :])])
    return Value(value.dtype, shape, tuple([items[at] for at in grid]))


def _slice(call: Call) -> Value:
    value = call.known(0)
    starts, ends, axes = call.moved("starts", 1, 10), call.moved("ends", 2, 10), call.moved("axes", 3, 10)
    steps = call.moved("steps", 4, 10) if call.opset >= 10 else None
    if starts is None or ends is None:
        raise FoldError
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise FoldError
    rank = len(value.shape)
    axes_in(axes, rank)
    places = [range(dim) for dim in value.shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places[axis] = _stretch(value.shape[axis], start, end, step)
    return _grid(value, strides(value.shape), places)


def _stretch(dim: int, start: int, end: int, step: int) -> range:
    if step == 0:
        raise FoldError
    start += dim if start < 0 else 0
    end += dim if end < 0 else 0
    if step > 0:
        return range(min(max(start, 0), dim), min(max(end, 0), dim), step)
    return range(min(max(start, 0), dim - 1), min(max(end, -1), dim - 1), step)  # unlike Python, start never passes the front


def _pieces(value: Value, axis: int, bounds: Iterable[tuple[int, int]]) -> list[Value]:
    dims, steps = value.shape, strides(value.shape)
    whole = [range(dim) for dim in dims]
    out = []
    for start, stop in bounds:
        if start == stop:
            out.append(Value(value.dtype, (*dims[:axis], 0, *dims[axis + 1 :]), ()))
        else:
            out.append(_grid(value, steps, [*whole[:axis], range(start, stop), *whole[axis + 1 :]]))
    return out


def split(call: Call) -> tuple[Value, ...]:
    """Split: one value an output."""
    value = call.known(0)
    axis = axis_in(call.integer("axis", 0), len(value.shape))
    sizes = call.moved("split", 1, 13)
    dim, count = value.shape[axis], call.outputs
    if not 0 < count <= MAX_ELEMENTS:
        raise FoldError
    if "num_outputs" in call.op.attributes and (sizes is not None or call.opset < 18 or call.integer("num_outputs", 0) != count):
        raise FoldError
    if sizes is None:
        if dim % count and call.opset < 18:
            raise FoldError
        most = -(-dim // count)
        sizes = (most,) * (count - 1) + (dim - most * (count - 1),)
    if len(sizes) != count or sum(sizes) != dim or min(sizes) < 0:
        raise FoldError
    stops = list(accumulate(sizes))
    return tuple(_pieces(value, axis, zip([0, *stops], stops, strict=False)))


def _concat(call: Call) -> Value:
    values = call.everything()
    first = values[0]
    rank = len(first.shape)
    axis = axis_in(call.integer("axis", rank), rank)
    lead, tail = first.shape[:axis], first.shape[axis + 1 :]
    if any(len(v.shape) != rank or v.shape[:axis] != lead or v.shape[axis + 1 :] != tail for v in values):
        raise FoldError
    shape = (*lead, sum(value.shape[axis] for value in values), *tail)
    size(shape)
    parts = [(value.items, volume(value.shape[axis:])) for value in values if value.items]
    items: list[Scalar] = []
    for row in range(volume(lead)):
        for source, width in parts:
            items += source[row * width : (row + 1) * width]
    return Value(first.dtype, shape, tuple(items))


def _identity(call: Call) -> Value:
    return call.known(0)


def dropout(call: Call) -> tuple[Value, ...]:
    """Dropout at inference: the input itself, and a mask that keeps everything when it is asked for."""
    value = call.known(0)
    training = call.optional(2) if call.opset >= 12 else None
    if training is not None and any(training.items):
        raise FoldError
    if call.outputs < 2:
        return (value,)
    if call.opset < 10:  # the mask had the type of the data and no stated content
        raise FoldError
    return value, Value("bool", value.shape, (True,) * len(value.items))


OPERATORS: Mapping[str, Folder] = MappingProxyType(
    {
        "Concat": _concat,
        "Expand": _expand,
        "Flatten": _flatten,
        "Gather": _gather,
        "Identity": _identity,
        "Reshape": _reshape,
        "Slice": _slice,
        "Squeeze": _squeeze,
        "Tile": _tile,
        "Transpose": _transpose,
        "Unsqueeze": _unsqueeze,
    }
)

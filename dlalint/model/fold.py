"""Constant folding of shape arithmetic: the values that TensorRT knows at parse time, computed in plain Python within a budget.

Sources: the ONNX operator definitions from opset 7 on. Where runtimes disagree or the definition leaves a result open, nothing is folded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from dlalint.graph import FLOATING, Dim, Op, Tensor, TensorType, volume
from dlalint.graphview import Value
from dlalint.model import fold_arithmetic, fold_layout, fold_reduce
from dlalint.model.fold_call import Call, Folder
from dlalint.model.fold_value import FIT, MAX_ELEMENTS, MAX_RANK, NUMERIC, OMITTED, FoldError, scalar, size, value_of, vector

__all__ = ["FOLDABLE", "MAX_ELEMENTS", "OMITTED", "Value", "fold", "value_of"]


def fold(
    op: Op, inputs: Sequence[Value | None], types: Sequence[TensorType | None], opset: int, outputs: int = 1
) -> tuple[Value, ...] | None:
    """The values of all outputs of one operator call, or ``None`` when they cannot be known. Never raises.

    ``inputs`` holds the value of every input, ``None`` where it is not known; an optional input left out by an empty name is
    ``OMITTED`` (a ``None`` there is taken for unknown), a trailing one may also be missing. ``types`` holds what is known of the
    types: Shape and Size need no more. ``outputs`` is the number of outputs the node has, which decides how Split splits.
    """
    if op.domain or (opset < 7 and op.op_type != "Constant"):
        return None
    call = Call(op, inputs, types, opset, outputs)
    try:
        single = _SINGLE.get(op.op_type)
        if single is not None:
            return (single(call),)
        several = _SEVERAL.get(op.op_type)
        return None if several is None else several(call)
    except (FoldError, ArithmeticError):  # arithmetic: division by zero, and floats without an integer
        return None


def _dims(call: Call) -> tuple[Dim, ...]:
    """The dimensions of the first input, as far as they are known."""
    value = call.inputs[0] if call.inputs else None
    if value is not None and value is not OMITTED:
        return value.shape
    kind = call.types[0] if call.types else None
    if kind is None or kind.shape is None or len(kind.shape) > MAX_RANK:
        raise FoldError
    return kind.shape


def _static(dims: tuple[Dim, ...]) -> tuple[int, ...]:
    out = tuple(dim for dim in dims if isinstance(dim, int) and dim >= 0)
    if len(out) != len(dims):
        raise FoldError
    return out


def _shape(call: Call) -> Value:
    dims = _dims(call)
    start, end = call.integer("start", 0), call.integer("end", len(dims))
    return vector(_static(dims[start:end]))


def _size(call: Call) -> Value:
    return _int64(volume(_static(_dims(call))))


def _int64(item: int) -> Value:
    return scalar("int64", vector((item,)).items[0])


def _constant(call: Call) -> Value:
    if len(call.op.attributes) != 1:
        raise FoldError
    name, content = next(iter(call.op.attributes.items()))
    value: Value | None = None
    if name == "value" and isinstance(content, Tensor):
        value = value_of(content)
    elif name == "value_int":
        value = _int64(call.integer(name, 0))
    elif name == "value_ints":
        value = vector(call.integers(name) or ())
    elif name == "value_float":
        value = scalar("float32", FIT["float32"](call.real(name)))
    elif name == "value_floats" and type(content) is tuple:
        numbers = tuple([FIT["float32"](item) for item in content if isinstance(item, (int, float))])
        value = Value("float32", (size((len(content),)),), numbers) if len(numbers) == len(content) else None
    if value is None:
        raise FoldError
    return value


def _constant_of_shape(call: Call) -> Value:
    shape = call.dims(0)
    count = size(shape)
    fill: Value | None = scalar("float32", 0.0)
    if "value" in call.op.attributes:
        content = call.op.attributes["value"]
        fill = value_of(content) if isinstance(content, Tensor) else None
    if fill is None or len(fill.items) != 1:
        raise FoldError
    return Value(fill.dtype, shape, fill.items * count)


def _range(call: Call) -> Value:
    first, limit, delta = (call.single(i) for i in range(3))
    dtype = first.dtype
    if dtype not in NUMERIC or limit.dtype != dtype or delta.dtype != dtype:
        raise FoldError
    start, step = first.items[0], delta.items[0]
    if dtype in FLOATING:
        steps = (limit.items[0] - start) / step
        if not math.isfinite(steps):
            raise FoldError
        count = math.ceil(steps)
    else:
        count = -int((start - limit.items[0]) // step)
    if count <= 0:
        return Value(dtype, (0,), ())
    size((count,))
    return Value(dtype, (count,), tuple([FIT[dtype](start + i * step) for i in range(count)]))


_SINGLE: Mapping[str, Folder] = MappingProxyType(
    {
        **fold_arithmetic.OPERATORS,
        **fold_layout.OPERATORS,
        **fold_reduce.OPERATORS,
        "Constant": _constant,
        "ConstantOfShape": _constant_of_shape,
        "Range": _range,
        "Shape": _shape,
        "Size": _size,
    }
)
_SEVERAL: Mapping[str, Callable[[Call], tuple[Value, ...]]] = MappingProxyType({"Dropout": fold_layout.dropout, "Split": fold_layout.split})
FOLDABLE = frozenset(_SINGLE) | frozenset(_SEVERAL)
"""The operators ``fold`` knows."""

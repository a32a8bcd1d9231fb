"""Folding of element-wise operators: arithmetic, comparison, logic and conversion."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dlalint.graph import DTYPES, FLOATING, Scalar
from dlalint.graphview import Value
from dlalint.model.fold_call import Call, Folder
from dlalint.model.fold_value import FIT, INTEGERS, NUMERIC, FoldError, broadcast, scalar

_BOOL = frozenset({"bool"})
_ANY = NUMERIC | _BOOL

# numbers


def _divide_integers(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _divide_floats(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _remain_integers(a: int, b: int) -> int:
    remainder = abs(a) % abs(b)
    return -remainder if a < 0 else remainder


def _remain_floats(a: float, b: float) -> float:
    return math.nan if b == 0 or math.isinf(a) else math.fmod(a, b)


def _modulo_floats(a: float, b: float) -> float:
    return a % b if b else math.nan


def _power_integers(a: int, b: int) -> int:
    if b >= 0:
        return pow(a, b, 1 << 64)
    if a in (1, -1):
        return a if b % 2 else 1
    return 0 // a  # a fraction, truncated; 0 to a negative power has no value


def _power_floats(a: float, b: float) -> float:
    infinity = -math.inf if math.copysign(1.0, a) < 0 and math.isfinite(b) and abs(math.fmod(b, 2.0)) == 1 else math.inf
    try:
        return math.pow(a, b)
    except OverflowError:
        return infinity
    except ValueError:
        return math.nan if a else infinity


def minimum(a: Any, b: Any) -> Any:
    """The lesser of two numbers, NaN if either is."""
    return a if a < b or a != a else b


def maximum(a: Any, b: Any) -> Any:
    """The greater of two numbers, NaN if either is."""
    return a if a > b or a != a else b


def _sign(a: Any) -> Any:
    return a if a != a else (a > 0) - (a < 0)


def _whole(rounding: Callable[[float], int]) -> Callable[[float], float]:
    return lambda a: math.copysign(float(rounding(a)), a) if math.isfinite(a) else a


def _root(a: float) -> float:
    return math.nan if a < 0 else math.sqrt(a)


def truncate(a: float, dtype: str) -> int:
    """A float as an integer of type ``dtype``; raises ``FoldError`` when it has none, which C++ leaves undefined."""
    if not math.isfinite(a):
        raise FoldError
    whole = int(a)
    if FIT[dtype](whole) != whole:
        raise FoldError
    return whole


def _sticky(a: int) -> float:
    """An integer of up to 64 bits as a double that rounds once more to the right shorter float: the lost bits stay in the last one."""
    shift = abs(a).bit_length() - 53
    if shift <= 0:
        return float(a)
    high = abs(a) >> shift
    if abs(a) != high << shift:
        high |= 1
    return math.copysign(float(high << shift), a)


# tensors


def _each(function: Callable[..., Any], values: Sequence[Value], dtype: str) -> Value:
    shape, columns = broadcast(values)
    fit = FIT[dtype]
    return Value(dtype, shape, tuple([fit(item) for item in map(function, *columns)]))


def _unary(function: Callable[[Any], Any], allowed: frozenset[str], result: str = "") -> Folder:
    def fold(call: Call) -> Value:
        value = call.known(0)
        if value.dtype not in allowed:
            raise FoldError
        return _each(function, (value,), result or value.dtype)

    return fold


def _pair(call: Call, allowed: frozenset[str]) -> tuple[Value, Value]:
    a, b = call.known(0), call.known(1)
    if a.dtype != b.dtype or a.dtype not in allowed:
        raise FoldError
    return a, b


def _binary(for_integers: Callable[[Any, Any], Any], for_floats: Callable[[Any, Any], Any]) -> Folder:
    def fold(call: Call) -> Value:
        a, b = _pair(call, NUMERIC)
        return _each(for_floats if a.dtype in FLOATING else for_integers, (a, b), a.dtype)

    return fold


def _relation(function: Callable[[Any, Any], bool], allowed: frozenset[str]) -> Folder:
    return lambda call: _each(function, _pair(call, allowed), "bool")


def _variadic(function: Callable[[Any, Any], Any]) -> Folder:
    def fold(call: Call) -> Value:
        out, *rest = call.everything()
        if out.dtype not in NUMERIC:
            raise FoldError
        for value in rest:
            out = _each(function, (out, value), out.dtype)
        return out

    return fold


def _mod(call: Call) -> Value:
    a, b = _pair(call, NUMERIC)
    truncating = call.integer("fmod", 0)
    if truncating not in (0, 1):
        raise FoldError
    if a.dtype in INTEGERS:
        return _each(_remain_integers if truncating else operator.mod, (a, b), a.dtype)
    if not truncating and call.opset < 28:
        raise FoldError
    return _each(_remain_floats if truncating else _modulo_floats, (a, b), a.dtype)


def _pow(call: Call) -> Value:
    base, exponent = call.known(0), call.known(1)
    dtype = base.dtype
    if dtype not in NUMERIC or exponent.dtype not in NUMERIC:
        raise FoldError
    if dtype in FLOATING:
        return _each(_power_floats, (base, exponent), dtype)
    if exponent.dtype in INTEGERS:
        return _each(_power_integers, (base, exponent), dtype)
    return _each(lambda a, b: truncate(_power_floats(a, b), dtype), (base, exponent), dtype)


def _where(call: Call) -> Value:
    condition, a, b = call.known(0), call.known(1), call.known(2)
    if condition.dtype != "bool" or a.dtype != b.dtype:
        raise FoldError
    shape, (tests, left, right) = broadcast((condition, a, b))
    return Value(a.dtype, shape, tuple([x if test else y for test, x, y in zip(tests, left, right, strict=True)]))


_GREATEST = {"float16": 65504.0, "bfloat16": 2.0**128 - 2.0**120, "float32": 2.0**128 - 2.0**104, "float64": sys.float_info.max}


def _bound(call: Call, name: str, index: int, dtype: str, sign: int) -> Value | None:
    """A bound of Clip; the bounds that are left out are finite, so that they stop infinities."""
    if call.opset < 11:
        limit = call.real(name)
        if len(call.inputs) > index or dtype not in FLOATING:
            raise FoldError
        return scalar(dtype, FIT[dtype](sign * _GREATEST["float32"] if limit is None else limit))
    if name in call.op.attributes:
        raise FoldError
    value = call.optional(index)
    if value is None:
        return scalar(dtype, sign * _GREATEST[dtype]) if dtype in FLOATING else None
    if value.dtype != dtype or len(value.items) != 1:
        raise FoldError
    return scalar(dtype, value.items[0])


def _clip(call: Call) -> Value:
    value = call.known(0)
    low, high = _bound(call, "min", 1, value.dtype, -1), _bound(call, "max", 2, value.dtype, 1)
    if value.dtype not in NUMERIC:
        raise FoldError
    if low is not None:
        value = _each(maximum, (value, low), value.dtype)
    if high is not None:
        value = _each(minimum, (value, high), value.dtype)
    return value


# conversion


def _convert(value: Value, dtype: str) -> Value:
    if dtype == value.dtype:
        return value
    if dtype not in FIT:
        raise FoldError
    items: list[Scalar]
    if dtype in INTEGERS and value.dtype in FLOATING:
        items = [truncate(item, dtype) for item in value.items]
    elif dtype in FLOATING and dtype != "float64" and value.dtype in INTEGERS:
        items = [FIT[dtype](_sticky(int(item))) for item in value.items]
    elif value.dtype == "bool":
        items = [FIT[dtype](int(item)) for item in value.items]
    else:
        items = [FIT[dtype](item) for item in value.items]
    return Value(dtype, value.shape, tuple(items))


def _cast(call: Call) -> Value:
    return _convert(call.known(0), DTYPES.get(call.integer("to", 0), DTYPES[0])[0])


def _cast_like(call: Call) -> Value:
    kind = call.types[1] if len(call.types) > 1 else None
    return _convert(call.known(0), call.known(1).dtype if kind is None else kind.dtype)


OPERATORS: Mapping[str, Folder] = MappingProxyType(
    {
        "Abs": _unary(abs, NUMERIC),
        "Add": _binary(operator.add, operator.add),
        "And": _relation(operator.and_, _BOOL),
        "Cast": _cast,
        "CastLike": _cast_like,
        "Ceil": _unary(_whole(math.ceil), FLOATING),
        "Clip": _clip,
        "Div": _binary(_divide_integers, _divide_floats),
        "Equal": _relation(operator.eq, _ANY),
        "Floor": _unary(_whole(math.floor), FLOATING),
        "Greater": _relation(operator.gt, NUMERIC),
        "GreaterOrEqual": _relation(operator.ge, NUMERIC),
        "IsNaN": _unary(math.isnan, FLOATING, "bool"),
        "Less": _relation(operator.lt, NUMERIC),
        "LessOrEqual": _relation(operator.le, NUMERIC),
        "Max": _variadic(maximum),
        "Min": _variadic(minimum),
        "Mod": _mod,
        "Mul": _binary(operator.mul, operator.mul),
        "Neg": _unary(operator.neg, NUMERIC),
        "Not": _unary(operator.not_, _BOOL),
        "Or": _relation(operator.or_, _BOOL),
        "Pow": _pow,
        "Reciprocal": _unary(lambda a: _divide_floats(1.0, a), FLOATING),
        "Round": _unary(_whole(round), FLOATING),
        "Sign": _unary(_sign, NUMERIC),
        "Sqrt": _unary(_root, FLOATING),
        "Sub": _binary(operator.sub, operator.sub),
        "Sum": _variadic(operator.add),
        "Where": _where,
        "Xor": _relation(operator.xor, _BOOL),
    }
)

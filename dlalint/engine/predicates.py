"""The closed vocabulary of the cards: how an observed value is held against a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dlalint.finding import LimitValue

Predicate = Callable[[Any, Any], bool]


def _within(value: float, limit: tuple[float, float]) -> bool:
    return limit[0] <= value <= limit[1]


def _outside(value: float, limit: tuple[float, float]) -> bool:
    return not _within(value, limit)


PREDICATES: Mapping[str, Predicate] = MappingProxyType(
    {
        "range": _within,
        "outside": _outside,
        "at_most": lambda value, limit: value <= limit,
        "at_least": lambda value, limit: value >= limit,
        "equals": lambda value, limit: value == limit,
        "one_of": lambda value, limit: value in limit,
    }
)
# A number that a release does not repeat may have grown since; a feature that it does not list is not there.
NUMERIC = frozenset({"range", "outside", "at_most", "at_least"})


def failing(predicate: str, observed: Any, limit: LimitValue) -> list[int]:
    """The indices of the elements of ``observed`` (a value, or a tuple of them) that the limit refuses; ``None`` elements pass."""
    test = PREDICATES[predicate]
    values = observed if isinstance(observed, tuple) else (observed,)
    return [index for index, value in enumerate(values) if value is not None and not test(value, limit)]


def in_words(predicate: str, limit: LimitValue) -> str:
    """A limit as a reader wants it: ``1 to 32``, ``at most 8192``, ``RELU, SIGMOID or TANH``."""
    if predicate == "outside" and isinstance(limit, tuple):
        return f"{limit[0]} to {limit[1]}"
    if predicate == "range" and isinstance(limit, tuple):
        return str(limit[0]) if limit[0] == limit[1] else f"{limit[0]} to {limit[1]}"
    if predicate == "at_most":
        return f"at most {limit}"
    if predicate == "at_least":
        return f"at least {limit}"
    if isinstance(limit, tuple) and limit:
        words = [_number(item) for item in limit]
        return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    return value_in_words(limit)


def value_in_words(value: object) -> str:
    """A value of a limit or a quantity: ``3x3``, ``yes``, ``none``."""
    if isinstance(value, tuple):
        return "x".join(_number(item) for item in value if item is not None) or "none"
    return _number(value)


def bytes_in_words(count: int) -> str:
    """Bytes in the unit that reads best: ``294 KiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def _number(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)

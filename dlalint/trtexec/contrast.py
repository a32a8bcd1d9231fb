"""How a limit would have to move: far enough for layers that ran on the DLA, or not as far as layers that did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dlalint.finding import Limit, LimitValue
from dlalint.named_tuple import NamedTuple

_MOST = 3  # alternatives worth showing


class Checked(NamedTuple):
    """What a card compares for one layer: a measured ``value``, or a tuple of them, by ``predicate`` with ``limit``."""

    limit: Limit
    predicate: str
    value: Any


class Alternative(NamedTuple):
    """A limit that would tell refused layers from accepted ones, the value it would have, and what was seen."""

    limit: str
    value: LimitValue
    because: str


def widened(now: LimitValue, tests: Sequence[Checked]) -> LimitValue | None:
    """``now`` moved so that all ``tests`` pass; ``None`` when no value of it can do that and the limit must go."""
    predicates = {test.predicate for test in tests}
    if len(predicates) != 1:
        return now if not predicates else None
    values = [item for test in tests for item in _items(test.value)]
    predicate = predicates.pop()
    if predicate == "one_of" and isinstance(now, tuple):
        listed: tuple[Any, ...] = tuple(dict.fromkeys((*now, *values)))
        return listed
    numbers = _numbers(values)
    if not numbers:
        return None
    if predicate == "range" and isinstance(now, tuple):
        bounds: tuple[Any, ...] = (min(now[0], *numbers), max(now[1], *numbers))
        return bounds
    if predicate in ("at_most", "at_least") and isinstance(now, (int, float)):
        return max(now, *numbers) if predicate == "at_most" else min(now, *numbers)
    return None


def alternatives(refused: Sequence[Sequence[Checked]], accepted: Sequence[Sequence[Checked]]) -> list[Alternative]:
    """Limits at which every one of the ``refused`` nodes lies beyond all ``accepted`` layers of their kind, the clearest first."""
    known: dict[str, list[Any]] = {}
    for tests in accepted:
        for test in tests:
            known.setdefault(test.limit.name, []).extend(_items(test.value))
    by_limit: dict[str, list[list[Any]]] = {}
    first: dict[str, Checked] = {}
    for tests in refused:
        for name in dict.fromkeys(test.limit.name for test in tests):
            by_limit.setdefault(name, []).append([item for test in tests if test.limit.name == name for item in _items(test.value)])
        first.update((test.limit.name, test) for test in tests if test.limit.name not in first)
    found: list[tuple[float, Alternative]] = []
    for name, values in by_limit.items():
        if len(values) == len(refused) and known.get(name):
            found += _apart(first[name], values, known[name])
    return [item for _, item in sorted(found, key=lambda pair: -pair[0])][:_MOST]


def _apart(test: Checked, refused: Sequence[Sequence[Any]], accepted: Sequence[Any]) -> Iterator[tuple[float, Alternative]]:
    name, now = test.limit.name, test.limit.value
    if test.predicate == "one_of" and isinstance(now, tuple):
        words = frozenset(refused[0]).intersection(*refused[1:]) - frozenset(accepted)
        if words:
            left: tuple[Any, ...] = tuple(item for item in now if item not in words)
            yield float("inf"), Alternative(name, left, f"{', '.join(sorted(map(str, words)))} never ran on the DLA here")
        return
    numbers, known = [_numbers(values) for values in refused], _numbers(accepted)
    if not known or not all(numbers):
        return
    least, most = min(known), max(known)
    over, under = min(max(values) for values in numbers), max(min(values) for values in numbers)
    if test.predicate in ("range", "at_most") and over > most:
        upper: LimitValue = (now[0], most) if isinstance(now, tuple) else most  # type: ignore[assignment]
        yield _ratio(over, most), Alternative(name, upper, f"up to {most:g} ran on the DLA, {over:g} and more did not")
    if test.predicate in ("range", "at_least") and under < least:
        lower: LimitValue = (least, now[1]) if isinstance(now, tuple) else least  # type: ignore[assignment]
        yield _ratio(least, under), Alternative(name, lower, f"from {least:g} on it ran on the DLA, {under:g} and less did not")


def _ratio(large: float, small: float) -> float:
    return (large + 1) / (small + 1) if small > -1 else 1.0


def _items(value: Any) -> Iterable[Any]:
    return [item for item in value if item is not None] if isinstance(value, tuple) else [] if value is None else [value]


def _numbers(values: Iterable[Any]) -> list[float]:
    return [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]

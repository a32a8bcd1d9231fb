"""Tensors in portions that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def portions(items: Iterable[T], size: Callable[[T], int], budget: int) -> Iterator[tuple[T, ...]]:
    """``items`` in their order, as many together as have a ``size`` of at most ``budget`` bytes in all; one at least."""
    found: list[T] = []
    total = 0
    for item in items:
        own = size(item)
        if found and total + own > budget:
            yield tuple(found)
            found, total = [], 0
        found.append(item)
        total += own
    if found:
        yield tuple(found)

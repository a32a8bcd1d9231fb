"""Where the names of a node stand in its bytes: found out once for all nodes whose names have the same lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from dlalint.named_tuple import NamedTuple

INPUT, OUTPUT, NAME = 0x0A, 0x12, 0x1A  # the tags of a NodeProto's first fields
NAME_TAGS = frozenset({INPUT, OUTPUT, NAME})
MAX_LAYOUTS = 4096  # remembered in all: names of ever new lengths must not fill the memory


class Layout(NamedTuple):
    """The names of a node in the usual form: inputs, outputs, then its own name if it has one.

    ``marks`` takes the tags and lengths out of the first ``end`` bytes, which are as ``stated`` in all nodes of this layout; ``names``
    takes the names out of the same bytes as text, the node's own as the last. The first ``inputs`` of them are inputs.
    """

    end: int
    marks: Callable[[bytes], Any]
    stated: tuple[int, ...]
    names: Callable[[str], Any]
    inputs: int


def layout(tags: Sequence[int], ends: Sequence[int]) -> Layout | None:
    """The layout of names with these tags that end there; ``None`` unless inputs, at least one output and one name at most follow."""
    inputs = tags.count(INPUT)
    outputs = tags.count(OUTPUT)
    usual = [INPUT] * inputs + [OUTPUT] * outputs
    if not outputs or tags not in (usual, [*usual, NAME]):
        return None
    starts = [0, *ends[:-1]]
    places = [slice(start + 2, end) for start, end in zip(starts, ends, strict=True)]
    if len(places) == len(usual):
        places.append(slice(0, 0))
    marks = itemgetter(*(place for start in starts for place in (start, start + 1)))
    stated = tuple(mark for tag, start, end in zip(tags, starts, ends, strict=True) for mark in (tag, end - start - 2))
    return Layout(ends[-1], marks, stated, itemgetter(*places), inputs)

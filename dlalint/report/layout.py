"""Lines of styled text, wrapped to a width: what a text report is made of, with or without colours."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.engine.predicates import bytes_in_words
from dlalint.named_tuple import NamedTuple
from dlalint.report.escape import for_terminal


class Span(NamedTuple):
    """Text with a style: a name of ``STYLES``, or empty."""

    text: str
    style: str = ""


Row = tuple[Span, ...]
_LEAST = 20  # characters of text on a line, however narrow
LONGEST = 500  # characters of a name, which come from models and have no bound there
STYLES = {"title": "bold", "good": "green", "bad": "red", "warn": "yellow", "dim": "dim", "code": "cyan"}


def spans(*parts: str | Span) -> Row:
    """A line of plain strings and spans, names made safe."""
    named = (Span(part) if isinstance(part, str) else part for part in parts)
    return tuple(Span(shortened(for_terminal(part.text), 4 * LONGEST), part.style) for part in named)


def plain(rows: Sequence[Row]) -> str:
    """The lines without styles."""
    return "".join("".join(span.text for span in row).rstrip() + "\n" for row in rows)


def wrapped(lead: str, text: str, width: int, style: str = "") -> list[Row]:
    """``text`` behind ``lead``, continued under its first word. A word longer than a line stays whole, so that it can be copied."""
    room = max(width - len(lead), _LEAST)
    lines = _filled(text, room, room)
    return [(Span(lead if index == 0 else " " * len(lead), "dim"), Span(line, style)) for index, line in enumerate(lines)]


def continued(lead: Row, text: str, width: int, indent: int) -> list[Row]:
    """``text`` behind a line's beginning, continued ``indent`` columns in."""
    start = spans(*lead)
    first, *others = _filled(text, max(width - sum(len(span.text) for span in start), _LEAST), max(width - indent, _LEAST))
    return [(*start, Span(first)), *((Span(" " * indent), Span(line)) for line in others)]


def _filled(text: str, first: int, room: int) -> list[str]:
    """Lines of ``room`` characters, the first one of ``first``."""
    lines: list[str] = []
    current = ""
    for word in for_terminal(text).split(" "):
        word = shortened(word, LONGEST)
        if current and len(current) + 1 + len(word) > (room if lines else first):
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current]


def table(header: Sequence[str], body: Sequence[Sequence[str]], width: int, numeric: frozenset[int]) -> list[Row]:
    """Columns as wide as they need; the last one takes what is left and is wrapped, the first is cut in the middle when it must be."""
    cells = [[for_terminal(cell) for cell in row] for row in body]
    last = len(header) - 1
    widths = [max([len(header[column]), *(len(row[column]) for row in cells)]) for column in range(last)]
    widths[0] = min(widths[0], max(width // 3, 12))
    lead = sum(widths) + 2 * len(widths) + 2
    rows: list[Row] = [(Span("  " + _columns(header, widths, numeric) + header[last], "dim"),)]
    for row in cells:
        first = "  " + _columns([shortened(row[0], widths[0]), *row[1:]], widths, numeric)
        for index, part in enumerate(wrapped("", row[last], width - lead)):
            rows.append((Span(first if index == 0 else " " * lead), *part))
    return rows


def _columns(row: Sequence[str], widths: Sequence[int], numeric: frozenset[int]) -> str:
    return "".join(f"{row[i]:>{w}}  " if i in numeric else f"{row[i]:<{w}}  " for i, w in enumerate(widths))


def shortened(text: str, width: int) -> str:
    """``text`` cut in the middle to ``width`` characters."""
    if len(text) <= width:
        return text
    head = (width - 3) // 2
    return f"{text[:head]}...{text[len(text) - (width - 3 - head) :]}"


def listed(names: Sequence[str], most: int) -> str:
    """Names separated by commas, the rest counted."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def size(count: int | None) -> str:
    """Bytes in the unit that reads best."""
    return "unknown size" if count is None else bytes_in_words(count)


def counted(count: int, noun: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

"""The numbers of a profile's line: told apart by their digits even where columns run together, and by what they must add up to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from statistics import median

from dlalint.named_tuple import NamedTuple

WINDOW = 120  # characters of a line's end or start that can hold its numbers

# decimals of total, average, (median,) percent, as each form prints them; the name stands before them but in the last form
FORMS = {"7.0": (2, 2, 1), "7.2": (2, 4, 1), "8.4": (2, 4, 4, 1), "8.6": (2, 4, 4, 1)}
NAME_LAST = "8.6"
_LEADING = re.compile(r"(\d{1,12}\.\d\d)(\s*)(\d{1,12}\.\d{4})(\s*)(\d{1,12}\.\d{4})(\s*)(\d{1,3}\.\d|-?nan)\s+(?=\S)")


class Cells(NamedTuple):
    """One way to read a line: its name and numbers. ``exact`` when blanks separate all columns."""

    name: str
    total: float
    average: float
    median: float | None
    percent: float | None
    exact: bool
    form: str


def candidates(text: str, form: str = "") -> list[Cells]:
    """Every way to read ``text`` as a line of ``form``, of any form when it is empty."""
    text = (text.replace("**", "") if "**" in text else text).strip()
    found: list[Cells] = []
    if form in ("", NAME_LAST):
        found += _leading(text)
    for key in [form] if form else [key for key in FORMS if key != NAME_LAST]:
        if key != NAME_LAST:
            found += _trailing(text, key)
    return found


def _leading(text: str) -> list[Cells]:
    match = _LEADING.match(text[:WINDOW])
    if not match:
        return []
    total, gap, average, gap2, middle, gap3, percent = match.groups()
    exact = bool(gap and gap2 and gap3)
    return [Cells(text[match.end() :].strip(), float(total), float(average), float(middle), _percent(percent), exact, NAME_LAST)]


def _percent(text: str) -> float | None:
    return float(text) if text[-1].isdigit() else None


def _trailing(text: str, form: str) -> list[Cells]:
    """Numbers at the end, taken off from the right: the decimals of a column tell where the next one starts."""
    cut = max(0, len(text) - WINDOW)
    rest, values, exact = text[cut:], [], True
    decimals = FORMS[form]
    if rest.endswith("nan"):
        rest = rest.removesuffix("nan").removesuffix("-").rstrip()
        decimals = decimals[:-1]
    for index in range(len(decimals) - 1, 0, -1):
        taken = _taken(rest, decimals[index], decimals[index - 1])
        if taken is None:
            return []
        rest, value, apart = taken
        values.append(value)
        exact = exact and apart
    percent = values.pop(0) if len(decimals) == len(FORMS[form]) else None
    average, middle = values[-1], values[0] if len(values) > 1 else None
    return [
        Cells(name, total, average, middle, percent, exact and apart, form) for name, total, apart in _first(text[:cut], rest, decimals[0])
    ]


def _taken(text: str, decimals: int, before: int) -> tuple[str, float, bool] | None:
    """The last number of ``text``, what is left of it, and whether a blank was between."""
    dot = len(text) - decimals - 1
    if dot < 1 or text[dot] != "." or not text[dot + 1 :].isdecimal():
        return None
    start = dot
    while start > 0 and text[start - 1].isdecimal():
        start -= 1
    apart = start > 0 and text[start - 1].isspace()
    if start > 0 and text[start - 1] == ".":  # stuck to the number before it, which has its own decimals
        start += before
    if start >= dot or not text[start:dot].isascii():
        return None
    return text[:start].rstrip(), float(text[start:]), apart


def _first(head: str, rest: str, decimals: int) -> list[tuple[str, float, bool]]:
    """The total in front of the name: where it is stuck to the name, digits of either may be the other's."""
    dot = len(rest) - decimals - 1
    if dot < 1 or rest[dot] != "." or not rest[dot + 1 :].isdecimal() or not rest[dot + 1 :].isascii():
        return []
    start = dot
    while start > 0 and rest[start - 1].isdecimal() and rest[start - 1].isascii() and dot - start < 12:
        start -= 1
    if not (head or start):
        return []
    apart = start > 0 and rest[start - 1].isspace()
    starts = [start] if apart else range(start, dot)
    return [(name, float(rest[at:]), apart) for at in starts if (name := (head + rest[:at]).strip())]


class Sums(NamedTuple):
    """What the lines of one table have in common: how many runs, and the total of all lines; ``None`` when not known."""

    runs: float | None
    total: float | None


def sums_of(rows: Sequence[Cells], iterations: int | None, total: float | None) -> Sums:
    """From what is printed, else from the lines with the largest times, whose rounding weighs least."""
    most = max((row.average for row in rows), default=0.0)
    largest = [row for row in rows if row.average > 0 and row.average >= most / 10]
    runs = float(iterations) if iterations else median(row.total / row.average for row in largest) if largest else None
    shares = [row.total / row.percent * 100 for row in largest if row.percent]
    return Sums(runs, total if total else median(shares) if shares else None)


def error(row: Cells, sums: Sums) -> float:
    """How far a reading is from what the table's sums demand: 0 is perfect, above 1 more than rounding explains."""
    faults = [0.0]
    if sums.runs:
        allowed = row.average * 0.02 + 0.006
        faults.append(abs(row.total / sums.runs - row.average) / allowed)
    if sums.total and row.percent is not None:
        allowed = row.percent * 0.01 + 0.06
        faults.append(abs(row.total / sums.total * 100 - row.percent) / allowed)
    if row.percent is not None and row.percent > 100.05:
        faults.append(50.0)
    return min(max(faults), 50.0)


def resolved(lines: Sequence[Sequence[Cells]], iterations: int | None, total: float | None) -> list[Cells]:
    """For each line the reading that fits the sums best; the sums come from the lines that can be read in one way only."""
    certain = [found[0] for found in lines if len(found) == 1 and found[0].exact] or [found[0] for found in lines if len(found) == 1]
    sums = sums_of(certain or _agreeing(lines[:3]), iterations, total)
    return [min(found, key=lambda cells: error(cells, sums) + (0 if cells.exact else 0.01)) for found in lines]


def _agreeing(lines: Sequence[Sequence[Cells]]) -> list[Cells]:
    """The readings of a few lines that agree best with each other."""

    def fault(picked: Iterable[Cells]) -> float:
        picked = list(picked)
        sums = sums_of(picked, None, None)
        return sum(error(row, sums) for row in picked)

    return list(min(product(*(found[:6] for found in lines)), key=fault))

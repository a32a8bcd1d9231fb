"""The tables of ``--dumpProfile``: of TensorRT 5 and 6, 7.0 to 8.5 with the name first, since 8.6 with the name last; and pasted rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlalint.trtexec.columns import FORMS, NAME_LAST, Cells, candidates, error, resolved, sums_of
from dlalint.trtexec.names import normalized
from dlalint.trtexec.observed import Profile, ProfileRow
from dlalint.trtexec.section import Section, bounded
from dlalint.trtexec.text import Line

RELEASES = {"5.1": ("5.0", "6.0"), "7.0": ("7.0", "7.1"), "7.2": ("7.2", "8.2"), "8.4": ("8.4", "8.5"), NAME_LAST: ("8.6", "")}
_HEAD = re.compile(r"=== Profile \((\d{1,12}) iterations ?\) ===")
_OLD_HEAD = re.compile(r"========== .{0,200} profile ==========")
_OLD_END = re.compile(r"========== .{0,200} total runtime = ([0-9.e+]{1,20}) ms ==========")
_OLD_ROW = re.compile(r"(?P<gap>\s+)(\d{1,3}\.\d)% +(\d{1,12}) +(\d{1,12}\.\d\d)$")
_LONG = 1 << 16


class Tables(Section):
    """Collects rows; a row without a header counts when the rows of the file agree with each other."""

    def __init__(self) -> None:
        self.profiles: list[Profile] = []
        self._inside = False
        self._form = ""
        self._iterations: int | None = None
        self._rows: list[list[Cells]] = []
        self._old: list[tuple[str, float, int, float]] = []
        self._open = ""
        self._pieces = self._missed = 0
        self.rejected = 0

    def take(self, line: Line) -> bool:
        """Whether the line is a head, a row or the end of a table."""
        text = line.text
        if text.startswith("==="):
            return self._head(text)
        if "Layer" in text and self._columns(text):
            return True
        if not text:
            return False
        return self._old_row(text) if self._form == "5.1" else self._row(text, line)

    def more(self, line: Line) -> bool:
        """A broken row: its name goes on, or its numbers do."""
        text = line.text
        if not self._inside or not text:
            return False
        most = 500 if self._open.startswith("{") else 3
        if not self._open or self._pieces >= most or len(self._open) > _LONG:
            return False
        self._pieces += 1
        self._open += line.rest
        found = candidates(self._open, self._form)
        if found:
            self._keep(found)
        else:
            self._open += line.glue
        return True

    def _head(self, text: str) -> bool:
        found = _HEAD.match(text)
        if found:
            self.finish()
            self._iterations = int(found[1])
            self._inside = True
            return True
        if _OLD_HEAD.fullmatch(text):
            self.finish()
            self._inside, self._form = True, "5.1"
            return True
        if self._form == "5.1" and _OLD_END.fullmatch(text):
            self.finish()
            return True
        return False

    def _columns(self, text: str) -> bool:
        """The line that names the columns tells the form."""
        if text.startswith("TensorRT layer name") or (text.startswith("Layer ") and "Time (ms)" in text):
            if text.startswith("Layer "):
                self._form = "8.4" if "Median" in text else ""
            return True
        if text.startswith("Time(ms)") and text.endswith("Layer"):
            self._form = NAME_LAST
            return True
        return False

    def _row(self, text: str, line: Line) -> bool:
        found = (
            candidates(text, self._form if self._inside else "") if text[-1].isdecimal() or text[0].isdecimal() or text[-1] in "*n" else []
        )
        if self._inside and not found and line.tagged:
            return self._unread(text + line.glue)
        if not found or not (self._inside or line.tagged or self._rows):
            return False
        self._keep(found)
        return True

    def _unread(self, text: str) -> bool:
        """A line in a table that is no row: the start of one that a paste broke, or the table has lost its end."""
        self.rejected += bool(self._open)
        self._missed += 1
        self._open, self._pieces = text, 0
        if self._missed > 3:
            self.finish()
        return True

    def _keep(self, found: list[Cells]) -> None:
        bounded(len(self._rows))
        self._rows.append(found)
        self._open, self._missed = "", 0
        if self._inside and any(cells.name == "Total" for cells in found):
            self.finish()

    def _old_row(self, text: str) -> bool:
        found = _OLD_ROW.search(text, max(0, len(text) - 80))
        if found:
            bounded(len(self._old))
            self._old.append((normalized(text[: found.start()]), float(found[4]), int(found[3]), float(found[2])))
        return found is not None

    def finish(self) -> None:
        """Close the table that is open, if any."""
        profile = old_profile(self._old) if self._old else profile_of(self._rows, self._form, self._iterations, self._inside)
        if profile is not None:
            self.profiles.append(profile)
        else:
            self.rejected += len(self._rows)
        self.rejected += bool(self._open)
        self._inside = False
        self._missed = 0
        self._form = self._open = ""
        self._iterations = None
        self._rows, self._old = [], []


def profile_of(lines: Sequence[list[Cells]], form: str, iterations: int | None, headed: bool) -> Profile | None:
    """The profile that rows make; ``None`` when there are none, or when rows without a head do not agree."""
    if not lines:
        return None
    form = form or _form_of(lines, iterations)
    fitting = [[cells for cells in found if cells.form == form] for found in lines]
    kept = [found for found in fitting if found]
    totals = [found for found in kept if found[0].name == "Total"]
    stated = totals[-1][0] if totals else None
    picked = resolved(kept, iterations, stated.total if stated else None)
    sums = sums_of(picked, iterations, stated.total if stated else None)
    faults = [error(cells, sums) for cells in picked]
    if not headed and (len(kept) < 2 or len(kept) < len(lines) or max(faults) > 1 or all(cells.percent is None for cells in picked)):
        return None
    rows = [cells for cells in picked if not (stated and cells.name == "Total")]
    repaired = tuple(index for index, cells in enumerate(rows) if not cells.exact)
    return Profile(tuple(_row(cells) for cells in rows), iterations, _row(stated) if stated else None, form, RELEASES[form], repaired)


def _form_of(lines: Sequence[list[Cells]], iterations: int | None) -> str:
    """The form that most rows can be read in; of those, the one whose rows agree."""
    best, least = "7.0", float("inf")
    for form in FORMS:
        fitting = [kept for found in lines if (kept := [cells for cells in found if cells.form == form])]
        if not fitting:
            continue
        picked = resolved(fitting, iterations, None)
        sums = sums_of(picked, iterations, None)
        fault = sum(error(cells, sums) for cells in picked) + 100.0 * (len(lines) - len(fitting))
        if fault < least:
            best, least = form, fault
    return best


def _row(cells: Cells) -> ProfileRow:
    return ProfileRow(normalized(cells.name), cells.total, cells.average, cells.median, cells.percent)


def old_profile(rows: Sequence[tuple[str, float, int, float]]) -> Profile:
    """The profile of TensorRT 5 and 6: name, total, calls and percent."""
    runs = max((calls for _, _, calls, _ in rows), default=0) or None
    made = tuple(ProfileRow(name, total, total / (runs or 1), None, percent) for name, total, _, percent in rows)
    return Profile(made, runs, None, "5.1", RELEASES["5.1"])

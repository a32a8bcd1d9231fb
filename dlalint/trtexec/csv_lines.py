"""Tables of comma-separated values: cuDLA's times of the layers in a loadable, and profiles that were republished so."""

from __future__ import annotations

import csv

from dlalint.trtexec.json_files import real
from dlalint.trtexec.names import normalized
from dlalint.trtexec.observed import DlaLayerTime, Profile, ProfileRow
from dlalint.trtexec.section import Section, bounded
from dlalint.trtexec.text import Line

_CUDLA = ("layer_name", "start_ms", "end_ms")
_BUSY = ("net_duration_cpipes_ms", "net_duration_rubik_ms", "net_duration_bdma_ms")


class CsvLines(Section):
    """Rows behind a line of known column names."""

    def __init__(self) -> None:
        self.cudla: list[DlaLayerTime] = []
        self._profiles: dict[str, list[ProfileRow]] = {}
        self._columns: dict[str, int] = {}

    def take(self, line: Line) -> bool:
        """Whether the line is a head or a row."""
        text = line.text
        if "," not in text or line.tagged:
            return False
        if not self._columns or text.startswith("layer_name,"):
            return self._head(text)
        fields = _fields(text, "'" if text.startswith("'") else '"')
        if len(fields) != len(self._columns):
            return self._head(text)
        return self._timed(fields) if "layer_name" in self._columns else self._profiled(fields)

    def _head(self, text: str) -> bool:
        names = [name.strip() for name in text.split(",")]
        known = set(_CUDLA) <= set(names) or ("name" in names and {"averageMs", "timeMs"} & set(names))
        self._columns = {name: index for index, name in enumerate(names)} if known else self._columns
        return bool(known)

    def _cell(self, fields: list[str], name: str) -> float | None:
        index = self._columns.get(name)
        try:
            return real(float(fields[index])) if index is not None else None
        except ValueError:
            return None

    def _timed(self, fields: list[str]) -> bool:
        start, end = self._cell(fields, "start_ms"), self._cell(fields, "end_ms")
        if start is None or end is None:
            return False
        busy = [value for name in _BUSY if (value := self._cell(fields, name)) is not None]
        bounded(len(self.cudla))
        name = fields[self._columns["layer_name"]].strip()
        parts = tuple(normalized(part) for part in name.split("+") if part.strip())
        self.cudla.append(DlaLayerTime(name, start, end, sum(busy) if busy else max(end - start, 0.0), parts))
        return True

    def _profiled(self, fields: list[str]) -> bool:
        average, total = self._cell(fields, "averageMs"), self._cell(fields, "timeMs")
        if average is None and total is None:
            return False
        name = normalized(fields[self._columns["name"]])
        kind = next((fields[self._columns[key]] for key in ("LayerType", "inspector_type", "type") if key in self._columns), "")
        rows = self._profiles.setdefault(fields[self._columns["configuration"]] if "configuration" in self._columns else "", [])
        bounded(len(rows))
        middle, percent = self._cell(fields, "medianMs"), self._cell(fields, "percentage")
        rows.append(ProfileRow(name, total if total is not None else average or 0.0, average or 0.0, middle, percent, kind))
        return True

    def profiles(self) -> list[Profile]:
        """One profile for each configuration in the file."""
        return [Profile(tuple(rows), _runs(rows), None, "csv", ("8.4", "")) for rows in self._profiles.values()]


def _runs(rows: list[ProfileRow]) -> int | None:
    """How many runs the largest row was summed over."""
    largest = max(rows, key=lambda row: row.total_ms)
    return round(largest.total_ms / largest.average_ms) if largest.average_ms else None


def _fields(text: str, quote: str) -> list[str]:
    try:
        return next(csv.reader([text], quotechar=quote, skipinitialspace=True), [])
    except csv.Error:
        return []

"""Baselines: the findings that were there on a day, in a file, so that only new ones count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dlalint.accepted import Contrast, Known
from dlalint.errors import UsageError
from dlalint.plan import Outcome
from dlalint.report.entries import Entry, entries, relative

MAX_BYTES = 64 << 20
_FIELDS = Known._fields


def to_text(outcomes: Sequence[Outcome]) -> str:
    """A baseline of all findings of ``outcomes`` that are not waived, as JSON: sorted, one finding a line."""
    found = sorted({_known(entry) for outcome in outcomes for entry in entries([outcome])})
    lines = ",\n".join(f"  {json.dumps(item._asdict(), ensure_ascii=True)}" for item in found)
    return f'{{"schema": 1, "findings": [\n{lines}\n]}}\n' if found else '{"schema": 1, "findings": []}\n'


def _known(entry: Entry) -> Known:
    return Known(entry.path, entry.target, entry.finding.code, entry.finding.name, entry.node, entry.print)


def read(path: str) -> tuple[Known, ...]:
    """The entries of the baseline ``path``. Raises :class:`UsageError` when it is none."""
    from dlalint.config import content

    try:
        found = json.loads(content(path, MAX_BYTES))
        if not isinstance(found, dict) or found.get("schema") != 1:
            raise ValueError("no schema 1")
        return tuple(map(_entry, found["findings"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        what = "it is no baseline of this version"
        raise UsageError(what, where=path, cure="Write it anew: dlalint check --write-baseline FILE.", code="E547") from None


def _entry(item: dict[str, Any]) -> Known:
    if set(item) != set(_FIELDS) or not all(isinstance(value, str) for value in item.values()):
        raise ValueError("no entry")
    return Known(**item)


def contrast(outcome: Outcome, whole: Outcome, baseline: Sequence[Known]) -> Outcome:
    """``outcome`` without the findings that ``baseline`` knows. What ``whole`` has, which is every finding, waived or not, is not fixed."""
    path, target = relative(outcome.model.path), outcome.target.name
    own = [item for item in baseline if (item.path, item.target) == (path, target)]
    known = frozenset(item.print for item in own)
    there = {entry.print for entry in entries([whole])}
    found = list(entries([outcome]))
    kept = [index for index, entry in enumerate(found) if entry.print not in known]
    unchanged = tuple(entry.finding._replace(cause=None) for entry in found if entry.print in known)
    fixed = tuple(item for item in own if item.print not in there)
    return outcome.keeping(kept)._replace(baseline=Contrast(len(unchanged), fixed, unchanged, known))

"""What a profile tells, as JSON: times in milliseconds, layers by their own names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from dlalint import __version__
from dlalint.trtexec.account import Account
from dlalint.trtexec.difference import Change, Difference
from dlalint.trtexec.observed import Format, Metric, Observed
from dlalint.trtexec.precision import counted
from dlalint.trtexec.reformats import Cost
from dlalint.trtexec.story import Story


def to_json(stories: Sequence[Story], files: Sequence[Observed], found: Difference | None) -> str:
    """One object; several tables of one file are under ``engines``, a comparison is under ``comparison`` with both engines."""
    engines = [_engine(story) for story in stories]
    document: dict[str, Any] = {
        "schema": 1,
        "tool": {"name": "dlalint", "version": __version__},
        "files": [_file(item) for item in files],
        "engines": engines,
        "comparison": None if found is None else _comparison(found),
    }
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return re.sub("[\ud800-\udfff]", lambda part: f"\\u{ord(part[0]):04x}", text) + "\n"  # bytes of a name that were not UTF-8


def _file(item: Observed) -> dict[str, Any]:
    examples = [{"line": number, "text": text} for number, text in item.unknown.examples]
    return {
        "path": item.path,
        "kinds": list(item.kinds),
        "notes": list(item.notes),
        "unknown_lines": {"count": item.unknown.lines, "examples": examples},
    }


def _engine(story: Story) -> dict[str, Any]:
    engine, told = story.engine, story.told
    release = engine.release
    return {
        "paths": list(engine.paths),
        "network": told.network or None if told is not None else None,
        "release": None if release is None else {"first": release.first, "last": release.last or None, "stated": release.stated},
        **(_times(told) if told is not None else {}),
        "reformats": [_reformat(cost) for cost in story.reformats],
        "formats_tried": [
            {
                "loadable": item.name,
                "choices": [
                    {"reads": _formats(choice.reads), "writes": _formats(choice.writes), "ms": choice.ms, "in_use": choice.taken}
                    for choice in item.choices
                ],
            }
            for item in story.tuned
        ],
        "crossings_tried": [
            {"tensor": item.tensor, "from": _format(item.source), "to": _format(item.target), "ms": item.ms, "in_use": item.taken}
            for item in story.conversions
        ],
        **_precision(story),
        "cudla": [layer._asdict() for layer in engine.cudla],
        "measured": _measured(story),
    }


def _reformat(cost: Cost) -> dict[str, Any]:
    return {
        "name": cost.name,
        "ms": cost.ms,
        "edge": cost.edge.value,
        "tensor": cost.tensor or None,
        "from": _format(cost.source),
        "to": _format(cost.target),
        "producer": cost.producer or None,
        "consumer": cost.consumer or None,
        "stated": cost.certain,
        "free": cost.free,
        "cause": cost.cause,
        "reason": cost.reason or None,
        "cure": cost.cure or None,
    }


def _times(told: Account) -> dict[str, Any]:
    whole = told.whole
    return {
        "total": {"ms": whole.ms, "runs": whole.runs, "stated": whole.stated, "covered": whole.covered, "estimated": told.estimated},
        "deferred": told.deferred,
        "shares": [share._asdict() for share in told.shares],
        "loadables": [
            {
                "number": loadable.number,
                "name": loadable.name,
                "ms": loadable.ms,
                "own_ms": loadable.own_ms,
                "waited_ms": loadable.waited_ms,
                "waiting_row": loadable.wait if loadable.wait >= 0 else None,
                "nodes": list(loadable.nodes),
                "nodes_complete": loadable.complete,
                "certain": loadable.sure,
                "precision": loadable.precision or None,
                "reads": _formats(loadable.reads),
                "writes": _formats(loadable.writes),
            }
            for loadable in told.loadables
        ],
        "rows": [
            {
                "name": row.row.name,
                "ms": row.ms,
                "total_ms": row.row.total_ms,
                "average_ms": row.row.average_ms,
                "median_ms": row.row.median_ms,
                "percent": row.row.percent,
                "kind": "wait" if row.number in told.waiting else row.kind.value,
                "repaired": row.number in told.profile.repaired,
            }
            for row in told.rows
        ],
    }


def _precision(story: Story) -> dict[str, Any]:
    return {
        "precisions": counted(story.precisions),
        "layers": [
            {
                "name": layer.name,
                "type": layer.type or None,
                "device": layer.device,
                "precision": layer.precision or None,
                "reads": _formats(layer.reads),
                "writes": _formats(layer.writes),
                "ms": layer.ms,
                "nodes": list(layer.nodes),
                "loadable": layer.inside or None,
            }
            for layer in story.precisions
        ],
    }


def _measured(story: Story) -> dict[str, Any] | None:
    summary, times = story.engine.summary, story.engine.times
    metrics = [*(summary.metrics if summary is not None else ()), *(times.metrics if times is not None else ())]
    if summary is None and times is None:
        return None
    return {
        "queries_per_second": summary.qps if summary is not None else None,
        "runs": times.runs if times is not None else None,
        "metrics": [_metric(metric) for metric in metrics],
    }


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "mean": metric.mean,
        "median": metric.median,
        "min": metric.least,
        "max": metric.most,
        "percentiles": {f"{percent:g}": value for percent, value in metric.percentiles},
    }


def _comparison(found: Difference) -> dict[str, Any]:
    return {
        "total": _change(found.whole),
        "shares": [_change(change) for change in found.shares],
        "rows": [_change(change) for change in found.rows],
        "appeared": [_change(change) for change in found.appeared],
        "vanished": [_change(change) for change in found.vanished],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "before_ms": change.before,
        "after_ms": change.after,
        "change_ms": change.ms,
        "change_percent": change.percent,
    }


def _format(form: Format | None) -> dict[str, str | None] | None:
    return None if form is None or not form.dtype else {"dtype": form.dtype, "layout": form.layout or None}


def _formats(forms: Sequence[Format]) -> list[dict[str, str | None] | None]:
    return [_format(form) for form in forms]

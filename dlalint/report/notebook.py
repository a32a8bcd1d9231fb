"""What a notebook shows of a report: a few lines of HTML without style sheet, script or link."""

from __future__ import annotations

from html import escape

from dlalint.finding import ERROR, NOTE
from dlalint.plan import Outcome
from dlalint.report.grouping import grouped
from dlalint.report.html_data import sentence
from dlalint.report.layout import counted
from dlalint.report.picture import label
from dlalint.report.to_text import verdict_sentence

_SHOWN = 8  # causes
_NO_MATH = "tex2jax_ignore mathjax_ignore"  # notebooks typeset what stands between dollar signs, in names too


def summary(outcome: Outcome) -> str:
    """Verdict, and root causes with what to do, errors first; notes are only counted."""
    target = outcome.target
    groups = grouped(outcome.findings)
    causes = [group for group in groups if group.first.severity != NOTE]
    rows = []
    for group in causes[:_SHOWN]:
        first = group.first
        where = counted(len(group.nodes), "node") if group.nodes else "the model"
        rule = f"{first.code} {first.name}"
        cells = (
            f"<b>{escape(rule)}</b>" if first.severity == ERROR else escape(rule),
            *map(escape, (where, _said(first.node, first.message))),
        )
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in (*cells, escape(sentence(first.fix)))) + "</tr>")
    head = "<tr>" + "".join(f"<th>{name}</th>" for name in ("rule", "at", "found", "do")) + "</tr>"
    left = [f"{len(causes) - _SHOWN} more causes"] if len(causes) > _SHOWN else []
    notes = len(groups) - len(causes)
    left += [counted(notes, "note")] if notes else []
    return "".join(
        (
            f'<div class="{_NO_MATH}"><p>',
            f"<b>{escape(label(outcome.model.path))}</b> on {escape(target.name)}, {escape(target.precision.upper())}<br>",
            f"<b>{escape(outcome.verdict.upper())}</b>: {escape(verdict_sentence(outcome))}</p>",
            f"<table>{head}{''.join(rows)}</table>" if rows else "",
            f"<p>{escape(', '.join(left))}</p>" if left else "",
            "</div>",
        )
    )


def _said(node: str, message: str) -> str:
    return f"{label(node)}: {sentence(message)}" if node else sentence(message)

"""The shortest reports: a line for each model that fails, and the rules by how often they were broken."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dlalint.finding import ERROR, SEVERITIES, Finding
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome
from dlalint.report.layout import Row, Span, counted, listed, spans, table

_SHOWN = 4
_STYLES = ("bad", "warn", "")


def failing(findings: Sequence[Finding], fail_on: str) -> list[Finding]:
    """The findings at or above the severity ``fail_on``."""
    worst = SEVERITIES.index(fail_on)
    return [finding for finding in findings if SEVERITIES.index(finding.severity) <= worst]


def line(outcome: Outcome, fail_on: str) -> list[Row]:
    """Nothing for a model without findings at or above ``fail_on``, else one line: where its nodes run, and what stands against it."""
    found = failing(outcome.findings, fail_on)
    if not found:
        return []
    counts: dict[str, int] = {}
    for finding in found:
        rule = f"{finding.code} {finding.name}"
        counts[rule] = counts.get(rule, 0) + 1
    rules = [f"{rule} ({number})" if number > 1 else rule for rule, number in sorted(counts.items(), key=lambda item: -item[1])]
    summary = outcome.summary
    work = summary.dla_nodes + summary.gpu_nodes + summary.unknown_nodes
    placed = f"{summary.dla_nodes} of {counted(work, 'node')} on the DLA of {outcome.target.name}"
    style = _STYLES[min(SEVERITIES.index(finding.severity) for finding in found)]
    return [spans(Span(outcome.model.path, "title"), ": ", Span(placed, style), f"; {listed(rules, _SHOWN)}")]


class Count(NamedTuple):
    """How often a rule was broken, and in how many models."""

    code: str
    name: str
    severity: str
    findings: int
    models: int


def statistics(outcomes: Sequence[Outcome]) -> list[Count]:
    """The rules that were broken, errors first, then by how often."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for outcome in outcomes:
        for finding in outcome.findings:
            found.setdefault((finding.code, finding.name, finding.severity), []).append(outcome.model.path)
    counts = [Count(*rule, len(paths), len(set(paths))) for rule, paths in found.items()]
    return sorted(counts, key=lambda item: (SEVERITIES.index(item.severity), -item.findings, item.code))


def statistics_rows(outcomes: Sequence[Outcome], width: int) -> list[Row]:
    """The statistics for people."""
    counts = statistics(outcomes)
    models = {outcome.model.path for outcome in outcomes}
    errors = sum(item.findings for item in counts if item.severity == ERROR)
    total = sum(item.findings for item in counts)
    head = f"{counted(len(models), 'model')}: {counted(total, 'finding')}, {counted(errors, 'error')} among them"
    rows = [spans(Span(head if total else f"{counted(len(models), 'model')}: no findings", "title"))]
    body = [[item.code, item.severity, str(item.findings), str(item.models), item.name] for item in counts]
    return rows + (table(["Rule", "severity", "findings", "models", "name"], body, width, frozenset({2, 3})) if body else [])


def statistics_json(outcomes: Sequence[Outcome]) -> str:
    """The statistics for programs."""
    models = len({outcome.model.path for outcome in outcomes})
    document = {"schema": 1, "models": models, "statistics": [item._asdict() for item in statistics(outcomes)]}
    return json.dumps(document, ensure_ascii=True, indent=1) + "\n"

"""Two models, or one at two times, held against each other: what the placement and the findings gained and lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlalint.finding import ERROR, SEVERITIES, Finding
from dlalint.graph import Device
from dlalint.named_tuple import NamedTuple
from dlalint.plan import NodePlacement, Outcome
from dlalint.report.layout import Row, Span, counted, listed, size, spans, table, wrapped

_SHOWN = 6
_NUMBERS = {
    "nodes": "nodes",
    "dla_nodes": "nodes on the DLA",
    "gpu_nodes": "nodes on the GPU",
    "unknown_nodes": "nodes unknown",
    "loadables": "loadables",
    "transitions": "changes of device",
    "boundary_bytes": "bytes that cross",
    "reformats": "reformats",
    "dla_macs": "multiplications on the DLA",
    "gpu_macs": "multiplications on the GPU",
}
_STYLES = {"worse": "bad", "better": "good", "changed": "warn", "equal": "good"}


class Diff(NamedTuple):
    """``old`` and ``new`` on one target. Nodes are told apart by their id, findings by rule, node and tensor.

    ``to_gpu`` are nodes on the GPU that were not there or not on it, ``from_gpu`` those that are there no more or no longer on it.
    ``regressions`` says what got worse: more nodes on the GPU or unknown, more loadables without fewer nodes there, new errors.
    """

    old: Outcome
    new: Outcome
    to_gpu: tuple[NodePlacement, ...]
    from_gpu: tuple[NodePlacement, ...]
    gained: tuple[Finding, ...]
    lost: tuple[Finding, ...]
    regressions: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """``worse``, ``better`` (fewer nodes on the GPU, loadables or errors), ``changed`` or ``equal``."""
        before, after = self.old.summary, self.new.summary
        if self.regressions:
            return "worse"
        if (after.gpu_nodes, after.loadables) < (before.gpu_nodes, before.loadables) or any(item.severity == ERROR for item in self.lost):
            return "better"
        return "changed" if before != after or self.gained or self.lost or self.to_gpu or self.from_gpu else "equal"


def compare(old: Outcome, new: Outcome) -> Diff:
    """What is different in ``new``; both are on one target."""
    gained, lost = _surplus(new.findings, old.findings), _surplus(old.findings, new.findings)
    to_gpu, from_gpu = _surplus_on_gpu(new, old), _surplus_on_gpu(old, new)
    return Diff(old, new, to_gpu, from_gpu, gained, lost, tuple(_regressions(old, new, gained)))


def _surplus(here: Sequence[Finding], there: Sequence[Finding]) -> tuple[Finding, ...]:
    left = Counter(map(_key, there))
    found = []
    for finding in here:
        if left[_key(finding)]:
            left[_key(finding)] -= 1
        else:
            found.append(finding)
    return tuple(sorted(found, key=lambda item: SEVERITIES.index(item.severity)))


def _key(finding: Finding) -> tuple[str, str, str, str]:
    return finding.code, finding.severity, finding.node, finding.tensor


def _surplus_on_gpu(here: Outcome, there: Outcome) -> tuple[NodePlacement, ...]:
    on_gpu = {node.id for node in there.nodes if node.device is Device.GPU}
    return tuple(node for node in here.nodes if node.device is Device.GPU and node.id not in on_gpu)


def _regressions(old: Outcome, new: Outcome, gained: Sequence[Finding]) -> Iterator[str]:
    before, after = old.summary, new.summary
    if after.gpu_nodes > before.gpu_nodes:
        yield f"{counted(after.gpu_nodes, 'node')} on the GPU, before {before.gpu_nodes}"
    if after.unknown_nodes > before.unknown_nodes:
        yield f"{counted(after.unknown_nodes, 'node')} cannot be told, before {before.unknown_nodes}"
    if after.loadables > before.loadables and after.gpu_nodes >= before.gpu_nodes:
        yield f"{counted(after.loadables, 'loadable')}, before {before.loadables}"
    errors = sum(finding.severity == ERROR for finding in gained)
    if errors:
        yield counted(errors, "new error")


def rows(diff: Diff, labels: tuple[str, str], width: int, *, verbose: bool = False) -> list[Row]:
    """The comparison for people; ``labels`` name the two models."""
    width, shown = min(max(width, 60), 140), 1_000_000 if verbose else _SHOWN
    target, verdict = diff.new.target, diff.verdict
    found = [spans(Span(f"{labels[0]} -> {labels[1]} on {target.name}, {target.precision.upper()}", "title"))]
    found += wrapped(f"{verdict.upper()}: ", _sentence(diff), width, _STYLES[verdict])
    numbers = list(_numbers(diff))
    if numbers:
        found += [(), *table(["", "before", "after"], numbers, width, frozenset())]
    for heading, nodes in (("Now on the GPU", diff.to_gpu), ("No longer on the GPU", diff.from_gpu)):
        if nodes:
            names = [f"{node.id} ({', '.join(node.codes)})" if node.codes else node.id for node in nodes]
            found += [(), spans(Span(heading, "title")), *wrapped("  ", listed(names, shown), width)]
    for heading, findings in (("Findings gained", diff.gained), ("Findings lost", diff.lost)):
        if findings:
            found += [(), spans(Span(heading, "title")), *_findings(findings, width, shown)]
    return [*found, ()]


def _sentence(diff: Diff) -> str:
    if diff.regressions:
        return "; ".join(diff.regressions) + "."
    after, before = diff.new.summary, diff.old.summary
    if diff.verdict == "equal":
        return f"{counted(after.dla_nodes, 'node')} on the DLA and {after.gpu_nodes} on the GPU in both, with the same findings."
    said = f"{counted(after.gpu_nodes, 'node')} on the GPU, before {before.gpu_nodes}; {counted(after.loadables, 'loadable')}"
    return f"{said}, before {before.loadables}; {counted(len(diff.gained), 'finding')} gained, {len(diff.lost)} lost."


def _numbers(diff: Diff) -> Iterator[list[str]]:
    if diff.old.verdict != diff.new.verdict:
        yield ["verdict", diff.old.verdict, diff.new.verdict]
    before, after = diff.old.summary._asdict(), diff.new.summary._asdict()
    for key, name in _NUMBERS.items():
        if before[key] != after[key]:
            words = [size(value) if key == "boundary_bytes" else str(value) for value in (before[key], after[key])]
            yield [name, *words]


def _findings(findings: Sequence[Finding], width: int, shown: int) -> Iterator[Row]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((f"{finding.code} {finding.name}", finding.severity), []).append(finding)
    for (rule, severity), members in groups.items():
        names = list(dict.fromkeys(finding.node or finding.tensor or "the model" for finding in members))
        yield spans("  ", Span(rule, "bad" if severity == ERROR else "dim"), Span(f"  {severity}", "dim"))
        yield from wrapped("    at      ", listed(names, shown), width)
        yield from wrapped("    ", members[0].message, width)


def as_json(diffs: Sequence[Diff], labels: tuple[str, str]) -> str:
    """The comparison for programs: one entry a target."""
    document = {
        "schema": 1,
        "old": labels[0],
        "new": labels[1],
        "regression": any(diff.regressions for diff in diffs),
        "targets": [_document(diff) for diff in diffs],
    }
    return json.dumps(document, ensure_ascii=True, indent=1) + "\n"


def _document(diff: Diff) -> Mapping[str, Any]:
    def finding(item: Finding) -> dict[str, Any]:
        named = {"node": item.node or None, "tensor": item.tensor or None, "message": item.message}
        return {"code": item.code, "name": item.name, "severity": item.severity, **named}

    return {
        "name": diff.new.target.name,
        "precision": diff.new.target.precision,
        "verdict": diff.verdict,
        "regressions": list(diff.regressions),
        "before": {"verdict": diff.old.verdict, **diff.old.summary._asdict()},
        "after": {"verdict": diff.new.verdict, **diff.new.summary._asdict()},
        "to_gpu": [node.id for node in diff.to_gpu],
        "from_gpu": [node.id for node in diff.from_gpu],
        "gained": [finding(item) for item in diff.gained],
        "lost": [finding(item) for item in diff.lost],
    }

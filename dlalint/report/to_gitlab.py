"""GitLab's code quality report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR, WARNING
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import entries, failures, relative
from dlalint.report.escape import for_terminal, shortened_name

_SEVERITY = {ERROR: "major", WARNING: "minor"}


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """A list of issues; a model that could not be checked is a blocker."""
    found = [
        _issue(f"{item.sentence} ({item.target})", item.finding.name, item.print, _SEVERITY.get(item.finding.severity, "info"), item.path)
        for item in entries(results)
    ]
    for failure in failures(results):
        mark = hashlib.sha256(f"{failure.code}\0{failure.path}".encode("utf-8", "surrogateescape")).hexdigest()[:40]
        text = for_terminal(shortened_name(f"{failure.what}. {failure.cure}", 600))
        found.append(_issue(text, failure.code, mark, "blocker", relative(failure.path)))
    return json.dumps(found, ensure_ascii=True, indent=1) + "\n"


def _issue(text: str, name: str, mark: str, severity: str, path: str) -> dict[str, Any]:
    location = {"path": for_terminal(path), "lines": {"begin": 1}}
    return {"description": text, "check_name": name, "fingerprint": mark, "severity": severity, "location": location}

"""SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlalint import __version__
from dlalint.engine.ruleset import Card, RuleSet
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import Entry, accounted, failures, relative
from dlalint.report.escape import for_terminal, for_uri, shortened_name
from dlalint.report.to_json import cited

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://pypi.org/project/dlalint/"


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """One run with all models; what could not be checked is a notification of the tool.

    What is waived is there and suppressed, what a baseline knows is there and unchanged. As soon as one result has one of these
    properties all have it: without, it would mean that nobody looked.
    """
    found = list(accounted(results))
    weighed = any(entry.waived for entry in found)
    used = sorted({entry.finding.code for entry in found})
    index = {code: number for number, code in enumerate(used)}
    broken = failures(results)
    run = {
        "tool": {
            "driver": {
                "name": "dlalint",
                "version": __version__,
                "informationUri": HOME,
                "rules": [_rule(book.by_code[code], book.sources) for code in used],
            }
        },
        "invocations": [{"executionSuccessful": not broken, "toolExecutionNotifications": [_notification(item) for item in broken]}],
        "results": [
            _result(entry, index[entry.finding.code], book.sources) | ({"suppressions": _suppressions(entry)} if weighed else {})
            for entry in found
        ],
        "columnKind": "utf16CodeUnits",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=True, indent=1) + "\n"


def _rule(card: Card, sources: Mapping[str, Any]) -> dict[str, Any]:
    cites = "".join(f"\n\nSource: {cited(source, sources)}" for source in card.sources)
    rule = {
        "id": card.code,
        "name": card.slug,
        "shortDescription": {"text": card.slug.replace("-", " ")},
        "fullDescription": {"text": card.message},
        "defaultConfiguration": {"level": card.severity},
        "help": {"text": f"{card.why}\n\n{card.instead}{cites}"},
        "properties": {"tags": [card.area]},
    }
    if card.sources and "url" in sources[card.sources[0]]:
        rule["helpUri"] = sources[card.sources[0]]["url"]
    return rule


def _location(path: str) -> dict[str, Any]:
    return {"artifactLocation": {"uri": for_uri(path)}}


def _result(entry: Entry, index: int, sources: Mapping[str, Any]) -> dict[str, Any]:
    finding = entry.finding
    location: dict[str, Any] = {"physicalLocation": _location(entry.path)}
    if entry.node:
        location["logicalLocations"] = [{"name": entry.node, "kind": "member", "fullyQualifiedName": f"{entry.target}/{entry.node}"}]
    text = f"{entry.sentence}. {finding.fix}" if finding.fix else entry.sentence
    state = {"baselineState": entry.state} if entry.state else {}
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"ruleAndNode/v1": entry.print},
        "properties": {
            "target": entry.target,
            "verdict": finding.verdict,
            "layer": for_terminal(shortened_name(finding.layer)),
            "sources": [cited(source, sources) for source in finding.sources],
            "confidence": finding.confidence,
        },
        **state,
    }


def _suppressions(entry: Entry) -> list[dict[str, Any]]:
    if entry.waived is None:
        return []
    reason = for_terminal(shortened_name(entry.waived.reason, 600))
    until = {"properties": {"expires": entry.waived.expires}} if entry.waived.expires else {}
    return [{"kind": "external", "status": "accepted", "justification": reason, **until}]


def _notification(failure: Failure) -> dict[str, Any]:
    return {
        "level": "error",
        "descriptor": {"id": failure.code},
        "message": {"text": for_terminal(shortened_name(f"{failure.what}. {failure.cure}", 600))},
        "locations": [{"physicalLocation": _location(relative(failure.path))}],
    }

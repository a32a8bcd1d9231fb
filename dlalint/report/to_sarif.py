"""SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlalint import __version__
from dlalint.engine.ruleset import Card, RuleSet
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import Entry, entries, failures, relative
from dlalint.report.escape import for_terminal, for_uri, shortened_name
from dlalint.report.to_json import cited

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
HOME = "https://pypi.org/project/dlalint/"


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """One run with all models; what could not be checked is a notification of the tool."""
    found = list(entries(results))
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
        "results": [_result(entry, index[entry.finding.code], book.sources) for entry in found],
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
    }


def _notification(failure: Failure) -> dict[str, Any]:
    return {
        "level": "error",
        "descriptor": {"id": failure.code},
        "message": {"text": for_terminal(shortened_name(f"{failure.what}. {failure.cure}", 600))},
        "locations": [{"physicalLocation": _location(relative(failure.path))}],
    }

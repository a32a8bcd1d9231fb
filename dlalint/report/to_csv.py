"""A table for spreadsheets: one row a finding."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from dlalint.engine.ruleset import RuleSet
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import entries, failures, relative
from dlalint.report.escape import for_cell, shortened_name
from dlalint.report.values import limit_in_words, observed_in_words

COLUMNS = ("model", "target", "code", "name", "severity", "verdict", "node", "layer", "tensor", "message", "observed", "limit", "fix")


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """A header and the rows, separated by commas; a model that could not be checked is a row with its error's code."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for outcome, entry in ((result, entry) for result in results if isinstance(result, Outcome) for entry in entries([result])):
        found = entry.finding
        values = [observed_in_words(found.observed), limit_in_words(found, outcome.target, book)]
        names = [shortened_name(name) for name in (found.node, found.layer, found.tensor)]
        row = [entry.path, entry.target, found.code, found.name, found.severity, found.verdict, *names, found.message, *values, found.fix]
        writer.writerow([for_cell(text) for text in row])
    for failure in failures(results):
        row = [relative(failure.path), "", failure.code, "", "error", "unknown", "", "", "", failure.what, "", "", failure.cure]
        writer.writerow([for_cell(text) for text in row])
    return out.getvalue()

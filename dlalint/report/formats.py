"""The formats of a check's report by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from dlalint.engine.ruleset import RuleSet
from dlalint.plan import Failure, Outcome

FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "markdown", "csv", "html")


def render(form: str, results: Sequence[Outcome | Failure], book: RuleSet, *, width: int = 100, verbose: bool = False) -> str:
    """The report in ``form``, one of ``FORMATS``. ``width`` and ``verbose`` are for text, which has no failures."""
    if form == "text":
        from dlalint.report.layout import plain
        from dlalint.report.to_text import to_text

        outcomes = (result for result in results if isinstance(result, Outcome))
        return plain([row for outcome in outcomes for row in to_text(outcome, book.sources, width, verbose=verbose)])
    if form == "json":
        from dlalint.report.to_json import to_json

        return to_json(results, book.sources)
    text: str = import_module(f"dlalint.report.to_{form}").render(results, book)
    return text

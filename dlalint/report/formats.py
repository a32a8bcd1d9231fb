"""The formats of a check's report by name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from dlalint.engine.ruleset import RuleSet
from dlalint.plan import Failure, Outcome
from dlalint.report.layout import Row

FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "markdown", "csv", "html")


def render(form: str, results: Sequence[Outcome | Failure], book: RuleSet, *, width: int = 100, verbose: bool = False) -> str:
    """The report in ``form``, one of ``FORMATS``. ``width`` and ``verbose`` are for text, which has no failures."""
    if form == "text":
        from dlalint.report.layout import plain

        return plain(text_rows(results, book, width, verbose=verbose))
    if form == "json":
        from dlalint.report.to_json import to_json

        return to_json(results, book.sources)
    text: str = import_module(f"dlalint.report.to_{form}").render(results, book)
    return text


def text_rows(
    results: Sequence[Outcome | Failure], book: RuleSet, width: int, *, verbose: bool = False, quiet: bool = False, explain: bool = False
) -> list[Row]:
    """The report for people, as lines; a table ends that of several results. ``quiet`` leaves the verdicts."""
    from dlalint.report.overview import rows
    from dlalint.report.to_text import to_text

    found: list[Row] = []
    for result in results:
        if isinstance(result, Outcome):
            given = book if explain else None
            found += to_text(
                result, book.sources, width, verbose=verbose, quiet=quiet, book=given, coarser=_is_coarser_possible(result, book)
            )
    return found if quiet or len(results) < 2 else [*found, *rows(results, min(max(width, 60), 140))]


def _is_coarser_possible(outcome: Outcome, book: RuleSet) -> bool:
    """Whether groups of layers compete for loadables, and trtexec of this release can send some of them to the GPU."""
    if not outcome.partition.dropped:
        return False
    from dlalint.trtexec.flags import Flags

    return Flags(book.trtexec, book.sources, outcome.target.trt).can_send_to_gpu(book.socs[outcome.target.soc])

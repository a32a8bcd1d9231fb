"""Annotations of a GitHub workflow: one line for each cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.engine.ruleset import RuleSet
from dlalint.finding import ERROR, WARNING
from dlalint.plan import Failure, Outcome
from dlalint.report.entries import relative
from dlalint.report.escape import for_annotation, shortened_name
from dlalint.report.grouping import grouped
from dlalint.report.layout import listed

_COMMANDS = {ERROR: "error", WARNING: "warning"}
_SHOWN = 5


def render(results: Sequence[Outcome | Failure], book: RuleSet) -> str:
    """The workflow commands, a newline behind each."""
    return "".join(f"{line}\n" for line in _lines(results))


def _lines(results: Sequence[Outcome | Failure]) -> Iterator[str]:
    for result in results:
        if isinstance(result, Failure):
            yield _command("error", result.path, result.code, f"{result.what}. {result.cure}")
            continue
        for group in grouped(result.findings):
            first = group.first
            nodes = listed([shortened_name(name) for name in group.nodes], _SHOWN)
            said = f"{nodes}: {first.message}" if nodes else first.message
            title = f"{first.code} {first.name} on {result.target.name}"
            yield _command(_COMMANDS.get(first.severity, "notice"), result.model.path, title, f"{shortened_name(said, 1500)}. {first.fix}")


def _command(kind: str, path: str, title: str, text: str) -> str:
    return f"::{kind} file={for_annotation(relative(path), value=True)},title={for_annotation(title, value=True)}::{for_annotation(text)}"

"""Many results in a table: one line each."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.finding import ERROR
from dlalint.plan import Failure, Outcome
from dlalint.report.grouping import grouped
from dlalint.report.layout import Row, Span, counted, spans, table

_VERDICTS = ("full", "partial", "none", "unknown")


def rows(results: Sequence[Outcome | Failure], width: int) -> list[Row]:
    """The table, with the rule behind most nodes on the GPU where there is room for it."""
    outcomes = [result for result in results if isinstance(result, Outcome)]
    failed = len(results) - len(outcomes)
    several = len({outcome.target for outcome in outcomes}) > 1
    counts = {verdict: sum(outcome.verdict == verdict for outcome in outcomes) for verdict in _VERDICTS}
    said = [f"{count} {verdict}" for verdict, count in counts.items() if count] + ([f"{failed} not checked"] if failed else [])
    noun = "result" if several else "model"
    header = ["Model", *(["target"] if several else []), "verdict", "DLA", "GPU", "loadables", "main reason"]
    body = [_row(result, several) for result in results]
    widths = [max(len(row[column]) for row in (header, *body)) + 2 for column in range(len(header))]
    if min(widths[0], width // 3 + 2) + sum(widths[1:]) > width:
        header[-1] = ""
        body = [[*row[:-1], ""] for row in body]
    numeric = frozenset(range(len(header) - 4, len(header) - 1))
    return [spans(Span(f"{counted(len(results), noun)}: {', '.join(said)}", "title")), *table(header, body, width, numeric)]


def _row(result: Outcome | Failure, several: bool) -> list[str]:
    if isinstance(result, Failure):
        return [result.path, *(["-"] if several else []), result.code, "-", "-", "-", "not checked"]
    here = result.summary
    groups = [group for group in grouped(result.findings) if group.first.severity == ERROR]
    target = [f"{result.target.name}{', INT8' if result.target.precision == 'int8' else ''}"] if several else []
    numbers = [str(number) if number else "-" for number in (here.dla_nodes, here.gpu_nodes + here.unknown_nodes, here.loadables)]
    return [result.model.path, *target, result.verdict, *numbers, groups[0].first.name if groups else ""]

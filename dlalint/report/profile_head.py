"""The head of a report on a profile: what took how long, what it was told from, and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dlalint.report.layout import Row, Span, counted, spans, wrapped
from dlalint.trtexec.account import Account
from dlalint.trtexec.engine import Engine


def ms(value: float) -> str:
    """A time with as many digits as it is worth."""
    return f"{value:.3f}" if value < 1000 else f"{value:.0f}"


def head(engine: Engine, told: Account | None, width: int, named: Callable[[str], str]) -> Iterator[Row]:
    """Title, facts and remarks; ``named`` shortens the names of rows."""
    name = told.network if told is not None and told.network else ", ".join(engine.paths)
    if told is None:
        yield spans(Span(f"{name}: no times of layers", "title"))
    else:
        yield spans(Span(f"{name}: {'about ' if told.estimated else ''}{ms(told.whole.ms)} ms a run", "title"))
    facts = "; ".join(_facts(engine, told))
    if facts:
        yield from wrapped("  ", facts, width, "dim")
    for note in (*(_notes(engine, told, named) if told is not None else ()), *engine.notes):
        yield from wrapped("  ", note, width)


def _facts(engine: Engine, told: Account | None) -> Iterator[str]:
    release = engine.release
    if told is not None and told.whole.runs and not told.estimated:
        yield counted(round(told.whole.runs), "run") + ("" if told.profile.iterations else " (total divided by average)")
    if release is not None and release.first:
        last = "" if release.first == release.last else f" to {release.last}" if release.last else " or later"
        yield f"TensorRT {release.first}{last}" + ("" if release.stated else " (inferred from the form of the profile)")
    if told is not None and told.network:
        yield f"from {', '.join(engine.paths)}"


def _notes(engine: Engine, told: Account, named: Callable[[str], str]) -> Iterator[str]:
    whole = told.whole
    if told.estimated:
        yield (
            "No run was timed: these are the times that the builder measured layer by layer, loadables and reformats in the formats that "
            "the engine uses, GPU layers at their best."
        )
    if told.deferred:
        stated = engine.release is not None and engine.release.stated
        how = "" if stated else " (inferred: rows such as 'x to nvm' and 'x finish' are of releases up to 8.4)"
        yield (
            f"In this release{how} the row of a loadable holds only the hand-over; its time is booked on the first row that needs its "
            "output. Such rows wait, they do not reformat: their time is counted with the loadable here."
        )
    for index in told.profile.repaired:
        row = told.profile.rows[index]
        share = f" and {row.percent:g} %" if row.percent is not None else ""
        yield f"Columns that ran together, told apart by their sums: {row.average_ms:g} ms{share} for {named(row.name)}."
    if whole.covered < 0.995:
        yield (
            f"The rows in the file add up to {whole.covered * 100:.1f} % of {ms(whole.ms)} ms, the total that their percentages imply; "
            f"{ms(whole.ms * (1 - whole.covered))} ms are in rows that it lacks."
        )

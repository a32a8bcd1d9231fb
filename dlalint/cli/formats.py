"""The formats of a report, and where each goes: ``--format sarif=out.sarif --format text``."""

from __future__ import annotations

from collections.abc import Sequence

from dlalint.cli import output
from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Failure, Outcome
from dlalint.report.formats import FORMATS, render, text_rows


class Wanted(NamedTuple):
    """A format and the file it goes to; ``None`` is stdout."""

    form: str
    path: str | None


class Look(NamedTuple):
    """How reports look. ``no_color``, ``quiet``, ``verbose`` and ``explain`` are for text; ``statistics`` replace the report."""

    quiet: int = 0
    verbose: bool = False
    no_color: bool = False
    explain: bool = False
    statistics: bool = False

    @property
    def color(self) -> bool:
        """Whether a terminal that has colours gets them."""
        return not self.no_color


def wanted(options: Sequence[str], path: str | None, look: Look) -> list[Wanted]:
    """The reports that were asked for; ``path`` is that of the first one without its own. Raises :class:`UsageError`.

    Statistics come in one report, as text or JSON, explanations in text that is not quiet.
    """
    found = []
    for option in options:
        form, equals, own = option.partition("=")
        if form not in FORMATS or (equals and not own):
            cure = f"Give one of {', '.join(FORMATS)}, and a file behind it if you like: sarif=report.sarif."
            raise UsageError(f"{option!r} is no format", where="--format", cure=cure, code="E509")
        if own:
            found.append(Wanted(form, own))
        else:
            found.append(Wanted(form, path))
            path = None
    if sum(item.path is None for item in found) > 1:
        raise UsageError("two reports go to the same place", where="--format", cure="Give files: --format sarif=report.sarif.", code="E509")
    if look.statistics and (len(found) > 1 or found[0].form not in ("text", "json")):
        raise UsageError("statistics are text or JSON", where="--statistics", cure="Give one --format, text or json.", code="E509")
    if look.explain and (look.quiet or look.statistics or all(item.form != "text" for item in found)):
        cure = "Leave one of them out; json, html and sarif explain by themselves."
        raise UsageError("only the whole text explains", where="--explain", cure=cure, code="E509")
    return found


def write(results: Sequence[Outcome | Failure], book: RuleSet, item: Wanted, look: Look) -> None:
    """One report, written."""
    if item.form == "text":
        rows = text_rows(results, book, output.width(), verbose=look.verbose, quiet=look.quiet > 0, explain=look.explain)
        output.show(rows, item.path, look.color)
    else:
        output.write(render(item.form, results, book), item.path)

"""``dlalint diff``: what the placement and the findings gained and lost between two models."""

from __future__ import annotations

from typing import Any, Union

import click

from dlalint.cli import output
from dlalint.cli.judging import judge
from dlalint.cli.options import FILE, dimensions, look, some_targets
from dlalint.cli.revision import file_at
from dlalint.cli.settings import bind, from_command_line, opened, read_config
from dlalint.errors import UsageError
from dlalint.pipeline import Session
from dlalint.report.model_diff import as_json, compare, rows

_Side = tuple[str, Union[str, None]]


@click.command("diff", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="OLD NEW | MODEL", type=FILE)
@click.option("--git", "revisions", multiple=True, metavar="REV", help="Compare MODEL at REV with MODEL now; twice: at two revisions.")
@some_targets
@dimensions()
@click.option("--select", multiple=True, metavar="CODE", help="Compare only these rules (DLA2 means all of DLA2xx).")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave these rules out.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever got worse.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write to a file.")
@look
def command(
    models: tuple[str, ...],
    revisions: tuple[str, ...],
    config: str | None,
    exit_zero: bool,
    form: str,
    path: str | None,
    verbose: bool,
    no_color: bool,
    **given: Any,
) -> int:
    """Compare two models, or one model at two times, on the same targets and with the settings of the new one.

    The exit code is 1 when it got worse: more nodes on the GPU or unknown, more loadables without fewer nodes on the GPU, or new errors.
    """
    old, new = _pair(models, revisions)
    options = from_command_line(**given, others=())
    with Session() as session:
        settings = read_config(config, session.rules)
        bound = bind(settings, session.rules, options, new[0])
        sides = []
        for name, revision in (old, new):
            data = None if revision is None else file_at(name, revision)
            sides.append(judge(session, opened(session, name, bound, data), bound, settings)[0])
    diffs = [compare(before.outcome, after.outcome) for before, after in zip(*sides, strict=True)]
    labels = (_label(*old), _label(*new))
    if form == "json":
        output.write(as_json(diffs, labels), path)
    else:
        lines = [row for diff in diffs for row in rows(diff, labels, output.width(), verbose=verbose)]
        output.show(lines, path, not no_color)
    return int(not exit_zero and any(diff.regressions for diff in diffs))


def _pair(models: tuple[str, ...], revisions: tuple[str, ...]) -> tuple[_Side, _Side]:
    """Path and revision of both sides; ``None`` is the file as it is now."""
    if len(models) != (1 if revisions else 2) or len(revisions) > 2:
        cure = "Give OLD and NEW, or one MODEL and --git REV once or twice."
        raise UsageError("two models are compared, or one at two times", where="MODEL", cure=cure, code="E548")
    if not revisions:
        return (models[0], None), (models[1], None)
    return (models[0], revisions[0]), (models[0], revisions[1] if len(revisions) > 1 else None)


def _label(path: str, revision: str | None) -> str:
    return path if revision is None else f"{path} at {revision}"

"""``dlalint check``: lint models and predict their placement."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from dlalint.cli.formats import FORMATS, wanted, write
from dlalint.cli.shapes import overrides
from dlalint.engine.targets import PRECISIONS, parse
from dlalint.errors import DlalintError
from dlalint.finding import SEVERITIES, Finding
from dlalint.model.inputs import Overrides
from dlalint.model.load import find_models
from dlalint.pipeline import Session
from dlalint.plan import Failure, Outcome
from dlalint.report.escape import for_terminal
from dlalint.selection import Selection
from dlalint.target import Target
from dlalint.worker import Worker


@click.command("check", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="SoC and release, e.g. orin-trt10.3; repeatable.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp16", show_default=True, help="What the engine is built in.")
@click.option("--batch", type=int, metavar="N", help="Fix the first dimension of every input.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME:1x3x224x224", help="Fix the shape of an input; repeatable.")
@click.option("--format", "forms", multiple=True, default=("text",), metavar="NAME[=FILE]", help=f"{', '.join(FORMATS)}; repeatable.")
@click.option("-o", "--output", "path", metavar="FILE", help="Write the report to a file, the first one of several.")
@click.option("--select", multiple=True, metavar="CODE", help="Report only these rules (DLA2 means all of DLA2xx).")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave these rules out of the report.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), default="error", show_default=True, help="What makes the exit code 1.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever the findings are.")
@click.option("--others", metavar="NAME,NAME", help="The targets of the one-line comparison.")
@click.option("--no-others", is_flag=True, help="Leave the comparison with other targets out.")
@click.option("-q", "--quiet", is_flag=True, help="Only the verdict.")
@click.option("-v", "--verbose", is_flag=True, help="Cut no list.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
@click.pass_obj
def command(
    worker: Worker | None,
    models: tuple[str, ...],
    targets: tuple[str, ...],
    precision: str,
    batch: int | None,
    shapes: tuple[str, ...],
    forms: tuple[str, ...],
    path: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    fail_on: str,
    exit_zero: bool,
    others: str | None,
    no_others: bool,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> int:
    """Lint ONNX models against the limits of the DLA and predict what TensorRT places on it.

    MODEL is a file, a folder (every .onnx below it) or a pattern.
    """
    fixed = overrides(shapes, batch)
    reports = wanted(forms, path)
    with Session(digest=any(report.form == "json" for report in reports), worker=worker) as session:
        book = session.rules
        chosen = [parse(name, book, precision) for name in targets or (book.index["default"],)]
        compared = () if no_others or quiet else book.index["others"] if others is None else others.split(",")
        lines = [parse(name, book, precision, "--others") for name in compared]
        selection = Selection(select, ignore, book)
        results = _check(session, find_models(models), fixed, chosen, [line for line in lines if line not in chosen])
        results = [selection.apply(result) if isinstance(result, Outcome) else result for result in results]
        for report in reports:
            write(results, book, report, verbose=verbose, quiet=quiet, color=not no_color)
    outcomes = [result for result in results if isinstance(result, Outcome)]
    if len(outcomes) < len(results):
        return 2
    return int(not exit_zero and any(_counts(finding, fail_on) for outcome in outcomes for finding in outcome.findings))


def _check(
    session: Session, paths: Sequence[str], fixed: Overrides, wanted: Sequence[Target], others: Sequence[Target]
) -> list[Outcome | Failure]:
    """The outcome of every model on every target; a model that cannot be checked is said so and does not stop the others."""
    results: list[Outcome | Failure] = []
    for path in paths:
        try:
            view = session.view(path, fixed)
            results += [session.check(view, target, others) for target in wanted]
        except DlalintError as error:
            click.echo(f"dlalint: {for_terminal(str(error))}", err=True)
            results.append(Failure(path, error.code, error.what, error.cure))
        except Exception as error:  # a fault of ours must not cost the other models
            if os.environ.get("DLALINT_DEBUG"):
                raise
            what, cure = f"internal error ({type(error).__name__}: {error})", "Please report it; DLALINT_DEBUG=1 shows where."
            click.echo(f"dlalint: {for_terminal(f'{path}: error[E900]: {what}. {cure}')}", err=True)
            results.append(Failure(path, "E900", what, cure))
    return results


def _counts(finding: Finding, fail_on: str) -> bool:
    return SEVERITIES.index(finding.severity) <= SEVERITIES.index(fail_on)

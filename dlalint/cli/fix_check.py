"""``dlalint fix-check``: which of many models ``fix`` would make better."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, dimensions, some_targets
from dlalint.cli.progress import progress
from dlalint.cli.settings import Bound, bind, blaming, from_command_line, read_config
from dlalint.errors import DlalintError
from dlalint.model.load import find_models
from dlalint.pipeline import Session
from dlalint.report.escape import for_terminal
from dlalint.report.layout import Row, Span, counted, listed, spans

if TYPE_CHECKING:
    from dlalint.changes import Rewritten
    from dlalint.numeric import Runner

_SHOWN = 4


@click.command("fix-check", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True, metavar="MODEL...", type=FILE)
@some_targets
@dimensions()
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever could be fixed.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
@needs("numpy", "onnx")
def command(models: tuple[str, ...], config: str | None, exit_zero: bool, no_color: bool, **given: Any) -> int:
    """Name the models that `dlalint fix` would make better, a line each, and write nothing.

    Nothing is proven here, and a rewrite that changes values beyond rounding is not thought of. The exit code is 1 when there is one.
    """
    from dlalint.numeric import Runner

    options = from_command_line(**given)
    rows: list[Row] = []
    failed = False
    with Session() as session, Runner() as runner, progress("reading the models") as tell:
        settings = read_config(config, session.rules)
        bind(settings, session.rules, options)
        for path in find_models(models):
            tell(f"trying to fix {path}")
            try:
                rows += _lines(session, runner, path, bind(settings, session.rules, options, path))
            except DlalintError as error:
                click.echo(f"dlalint: {for_terminal(str(error))}", err=True)
                failed = True
    output.show(rows, None, not no_color)
    return 2 if failed else int(bool(rows) and not exit_zero)


def _lines(session: Session, runner: Runner, path: str, bound: Bound) -> list[Row]:
    from dlalint.rewrite.fixing import Fixer, Options
    from dlalint.rewrite.weights import Weights

    rows: list[Row] = []
    for target in bound.targets:
        with Weights(path) as weights, blaming(bound, path):
            found = Fixer(session, target, Options(prove=False), runner).fix(weights, bound.fixed).found
        if found.changes:
            options = ["--target", target.name]
            options += [] if target.precision == "fp16" else ["--precision", target.precision]
            options += [] if bound.fixed.batch is None else ["--batch", str(bound.fixed.batch)]
            options += [f"--shape={name}:{'x'.join(map(str, shape))}" for name, shape in bound.fixed.shapes.items()]
            rows.append(_line(found, path, shlex.join(["dlalint", "fix", path, *options])))
    return rows


def _line(found: Rewritten, path: str, command_line: str) -> Row:
    before, after = found.before.summary, found.after.summary
    names = listed(list(dict.fromkeys(change.rewrite for change in found.changes)), _SHOWN)
    left = f"{counted(after.gpu_nodes + after.unknown_nodes, 'node')} on the GPU instead of {before.gpu_nodes + before.unknown_nodes}"
    loadables = f"{counted(after.loadables, 'loadable')} instead of {before.loadables}"
    return spans(Span(path, "title"), ": ", Span("can be fixed", "warn"), f" ({names}): {left}, {loadables}; run: {command_line}")

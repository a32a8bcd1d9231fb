"""The command line. Each command lives in a module of its name and is imported when it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from dlalint import __version__
from dlalint.errors import DlalintError, UsageError

if TYPE_CHECKING:
    from dlalint.worker import Worker

COMMANDS = {
    "check": "Lint models and predict their placement.",
    "fix": "Rewrite what the DLA refuses, proven by onnxruntime.",
    "fix-check": "Name the models that fix would make better.",
    "split": "Cut a model into a DLA part and the rest.",
    "mark-output": "Make inner tensors outputs, to dump them.",
    "run": "Run a model with onnxruntime and dump every output.",
    "verify": "Compare what two models compute.",
    "compare-outputs": "Compare two dumps and show where they part.",
    "calibration": "Make INT8 scales of Q/DQ nodes, or from data.",
    "trtexec": "Print the trtexec command that builds what is predicted.",
    "profile": "Show where the time of an engine went.",
    "compare": "Hold the prediction against what TensorRT did.",
    "diff": "Compare the placement and findings of two models.",
    "graph": "Draw the partition as SVG, HTML or DOT.",
    "rules": "List the rules.",
    "explain": "Explain one rule.",
    "targets": "List the targets.",
    "config": "Show the effective configuration.",
}


class Commands(click.Group):
    """Loads a command when it is asked for, so that --help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command ``cmd_name``."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"dlalint.cli.{cmd_name.replace('-', '_')}").command
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an interruption is told in one line, where click would put an empty one before it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            raise click.exceptions.Exit(130) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dlalint")
@click.option("--debug", is_flag=True, help="Show where an internal error comes from.")
def group(debug: bool) -> None:
    """Predict what TensorRT puts on the DLA of a Jetson or DRIVE board, and why the rest falls back."""
    if debug:
        os.environ["DLALINT_DEBUG"] = "1"


def execute(arguments: Sequence[str], worker: Worker | None = None) -> int:
    """Run a command line and return the exit code; ``worker`` is shape inference that was started already."""
    try:
        code = group.main(list(arguments), prog_name="dlalint", standalone_mode=False, obj=worker)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return _refuse(_own(error))
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    except DlalintError as error:
        return _refuse(error)
    except Exception as error:
        if os.environ.get("DLALINT_DEBUG"):
            raise
        what = f"internal error ({type(error).__name__}: {error})"
        return _refuse(DlalintError(what, cure="Please report it; `dlalint --debug` shows where."))
    return code if isinstance(code, int) else 0


def _refuse(error: DlalintError) -> int:
    from dlalint.report.escape import for_terminal

    click.echo(f"dlalint: {for_terminal(str(error))}", err=True)
    return 2


def _own(error: click.ClickException) -> UsageError:
    """What click refuses, in the form of all other errors."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = getattr(error, "option_name", "")
    if isinstance(error, click.BadParameter) and error.param is not None and context is not None:
        where = max(error.param.opts, key=len) if isinstance(error.param, click.Option) else error.param.make_metavar(context)
    what = "it is missing" if isinstance(error, click.MissingParameter) else error.message[:1].lower() + error.message[1:].rstrip(".")
    near = getattr(error, "possibilities", None)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    command = context.command_path if context is not None else "dlalint"
    return UsageError(what, where=where, cure=f"{hint}`{command} --help` shows what it takes.", code="E505")

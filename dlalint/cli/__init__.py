"""The command line. Each command lives in a module of its name and is imported when it runs."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from dlalint import __version__
from dlalint.errors import DlalintError

COMMANDS = {
    "check": "Lint models and predict their placement.",
    "rules": "List the rules.",
    "explain": "Explain one rule.",
    "targets": "List the targets.",
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
        found: click.Command = import_module(f"dlalint.cli.{cmd_name}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dlalint")
def group() -> None:
    """Predict what TensorRT puts on the DLA of a Jetson or DRIVE board, and why the rest falls back."""


def main() -> None:
    """The entry point of the program; sets the exit code."""
    try:
        code = group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        click.echo("interrupted", err=True)
        code = 130
    except DlalintError as error:
        from dlalint.report.escape import for_terminal

        click.echo(f"dlalint: {for_terminal(str(error))}", err=True)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)

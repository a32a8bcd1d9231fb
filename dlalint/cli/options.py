"""The options that many commands share, each with one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import PRECISIONS, names
from dlalint.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options, in the order of the help."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


class File(click.types.StringParamType):
    """A path as text: shells complete it with the files there are."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """That it is a file."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


FILE = File()


def _targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    book = RuleSet.load()
    return [name for name in (*names(book), *book.index["aliases"]) if name.startswith(incomplete)]


def configuration(function: F) -> F:
    """``config``: the file that says what the command line does not; :mod:`dlalint.cli.settings` reads it."""
    text = "A dlalint.toml or pyproject.toml, instead of the one found upward."
    return click.option("--config", metavar="FILE", type=FILE, help=text)(function)


def precision(function: F) -> F:
    """``precision``, which is ``None`` when it is not given."""
    return click.option("--precision", type=click.Choice(PRECISIONS), help="What the engine is built in; fp16 when not given.")(function)


def one_target(function: F) -> F:
    """``target_name``, ``precision`` and ``config``: what the engine is built for."""
    text = "SoC and release, e.g. orin-trt10.3."
    return _all(click.option("--target", "target_name", metavar="NAME", shell_complete=_targets, help=text), precision, configuration)(
        function
    )


def some_targets(function: F) -> F:
    """``targets``, ``precision`` and ``config``, where several targets can be meant."""
    text = "SoC and release, e.g. orin-trt10.3; repeatable."
    return _all(
        click.option("--target", "targets", multiple=True, metavar="NAME", shell_complete=_targets, help=text), precision, configuration
    )(function)


def dimensions(remark: str = "") -> Callable[[F], F]:
    """``batch`` and ``shapes``: the dimensions that are fixed. ``remark`` ends the sentence on the batch."""
    return _all(
        click.option("--batch", type=int, metavar="N", help=f"Fix the first dimension of every input{remark}."),
        click.option("--shape", "shapes", multiple=True, metavar="NAME:1x3x224x224", help="Fix the shape of an input; repeatable."),
    )


def int8(function: F) -> F:
    """``calibration`` and ``layer_precisions``: files that say what is INT8; :func:`known` reads them."""
    return _all(
        click.option("--calibration", metavar="FILE", help="A calibration cache: check its INT8 scales."),
        click.option("--layer-precisions", metavar="LIST|@FILE", help="As for trtexec: NAME:fp16,NAME:int8; @FILE reads a file."),
    )(function)


def inputs(function: F) -> F:
    """``data``: what to measure tensors on; :mod:`dlalint.cli.range_inputs` reads it."""
    help_text = "Run the model on an .npz file or a folder of them, or on made-up data, and check that its tensors fit FP16."
    return click.option("--inputs", "data", metavar="FILE|DIR|random[:SEED]", help=help_text)(function)


def look(function: F) -> F:
    """``verbose`` and ``no_color``: how a text report looks."""
    return _all(
        click.option("-v", "--verbose", is_flag=True, help="Cut no list."),
        click.option("--no-color", is_flag=True, help="No colours on a terminal."),
    )(function)


def goal(model: str, path: str | None, in_place: bool, beside: str) -> str:
    """Where the result goes: over the model, where the user says, or ``beside`` it. Raises :class:`UsageError`."""
    if in_place and path is not None:
        raise UsageError("two places for one result", where="--in-place", cure="Give either --in-place or --output.", code="E512")
    return model if in_place else path if path is not None else beside

"""The options that many commands share, each with one meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import PRECISIONS, parse
from dlalint.errors import UsageError
from dlalint.target import Target

F = TypeVar("F", bound=Callable[..., Any])


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options, in the order of the help."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def one_target(function: F) -> F:
    """``target_name`` and ``precision``: what the engine is built for; :func:`chosen` makes a target of them."""
    return _all(
        click.option("--target", "target_name", metavar="NAME", help="SoC and release, e.g. orin-trt10.3."),
        click.option("--precision", type=click.Choice(PRECISIONS), default="fp16", show_default=True, help="What the engine is built in."),
    )(function)


def some_targets(function: F) -> F:
    """``targets`` and ``precision``, where a configuration may have them: nothing is chosen here."""
    return _all(
        click.option("--target", "targets", multiple=True, metavar="NAME", help="SoC and release, e.g. orin-trt10.3; repeatable."),
        click.option("--precision", type=click.Choice(PRECISIONS), help="What the engine is built in; fp16 when not given."),
    )(function)


def dimensions(remark: str = "") -> Callable[[F], F]:
    """``batch`` and ``shapes``: the dimensions that are fixed. ``remark`` ends the sentence on the batch."""
    return _all(
        click.option("--batch", type=int, metavar="N", help=f"Fix the first dimension of every input{remark}."),
        click.option("--shape", "shapes", multiple=True, metavar="NAME:1x3x224x224", help="Fix the shape of an input; repeatable."),
    )


def look(function: F) -> F:
    """``verbose`` and ``no_color``: how a text report looks."""
    return _all(
        click.option("-v", "--verbose", is_flag=True, help="Cut no list."),
        click.option("--no-color", is_flag=True, help="No colours on a terminal."),
    )(function)


def chosen(book: RuleSet, name: str | None, precision: str) -> Target:
    """The target that was asked for, else the default one. Raises :class:`UsageError`."""
    return parse(name or book.index["default"], book, precision)


def goal(model: str, path: str | None, in_place: bool, beside: str) -> str:
    """Where the result goes: over the model, where the user says, or ``beside`` it. Raises :class:`UsageError`."""
    if in_place and path is not None:
        raise UsageError("two places for one result", where="--in-place", cure="Give either --in-place or --output.", code="E512")
    return model if in_place else path if path is not None else beside

"""The options that many commands share, each with one meaning."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import click

from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import PRECISIONS
from dlalint.engine.targets import parse as target_of
from dlalint.errors import UsageError
from dlalint.measured import NOTHING, Measured, Scales
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


def chosen(book: RuleSet, name: str | None, precision: str) -> Target:
    """The target that was asked for, else the default one. Raises :class:`UsageError`."""
    return target_of(name or book.index["default"], book, precision)


def known(calibration: str | None, layer_precisions: str | None) -> Measured:
    """What the options of :func:`int8` say. Raises :class:`DlalintError`."""
    if calibration is None and layer_precisions is None:
        return NOTHING
    from dlalint.calibration.cache import MAX_BYTES, Cache, parse
    from dlalint.calibration.layer_precisions import parse as kinds_of
    from dlalint.config import content

    cache, kinds = Cache("", "", {}), {}
    if calibration is not None:
        cache = parse(content(calibration, MAX_BYTES).decode("utf-8", "surrogateescape"), calibration)
    if layer_precisions is not None:
        from_file = layer_precisions.startswith("@")
        text = content(layer_precisions[1:]).decode("utf-8", "surrogateescape") if from_file else layer_precisions
        kinds = kinds_of(text, layer_precisions[1:] if from_file else "--layer-precisions")
    return Measured(Scales(calibration or "", cache.version, cache.algorithm, cache.scales, kinds))


def fits(scales: Scales, precisions: Collection[object]) -> None:
    """Refuse scales when nothing is built in INT8. Raises :class:`UsageError`."""
    if "int8" not in precisions:
        option = "--calibration" if scales.path else "--layer-precisions"
        raise UsageError("scales are for INT8", where=option, cure="Add --precision int8.", code="E532")


def fits_fp16(precisions: Collection[object]) -> None:
    """Refuse inputs to measure ranges on when nothing is built in FP16. Raises :class:`UsageError`."""
    if not set(precisions) & {None, "fp16"}:
        cure = "Leave it out, or --precision int8; `dlalint calibration` measures scales."
        raise UsageError("ranges are checked for FP16", where="--inputs", cure=cure, code="E534")


def goal(model: str, path: str | None, in_place: bool, beside: str) -> str:
    """Where the result goes: over the model, where the user says, or ``beside`` it. Raises :class:`UsageError`."""
    if in_place and path is not None:
        raise UsageError("two places for one result", where="--in-place", cure="Give either --in-place or --output.", code="E512")
    return model if in_place else path if path is not None else beside

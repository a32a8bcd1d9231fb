"""What each model is checked with: the configuration and the command line, bound to the rules."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dlalint.cli.shapes import overrides
from dlalint.config import Config, Effective, effective, locate
from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import parse
from dlalint.errors import DlalintError
from dlalint.graphview import GraphView
from dlalint.model.inputs import Overrides
from dlalint.named_tuple import NamedTuple
from dlalint.pipeline import Session
from dlalint.selection import Selection
from dlalint.target import Target

_OPTIONS = {"--shape": "shapes", "--batch": "batch"}


class Bound(NamedTuple):
    """What one model is checked with."""

    targets: list[Target]
    others: list[Target]
    fixed: Overrides
    selection: Selection
    severity: Mapping[str, str]
    fail_on: str
    effective: Effective
    given: Mapping[str, Any]

    @property
    def target(self) -> Target:
        """The target, for what is done for one only: the first of several."""
        return self.targets[0]


def read_config(path: str | None, book: RuleSet) -> Config:
    """The configuration in ``path``, else the one found from the working folder upward. Raises :class:`UsageError`."""
    found = path if path is not None else locate()
    if not found:
        return Config()
    from dlalint.config_file import read

    return read(found if path is not None else os.path.relpath(found), book)


def from_command_line(
    *,
    targets: tuple[str, ...] = (),
    precision: str | None = None,
    batch: int | None = None,
    shapes: tuple[str, ...] = (),
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fail_on: str | None = None,
    others: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """What was given on the command line, by field of the settings. Raises :class:`UsageError`."""
    fixed = overrides(shapes, batch)
    values = {"target": targets, "precision": precision, "batch": fixed.batch, "shapes": fixed.shapes, "select": select, "ignore": ignore}
    found = {field: value for field, value in {**values, "fail_on": fail_on}.items() if value}
    return found if others is None else {**found, "others": others}


def bind(config: Config, book: RuleSet, given: Mapping[str, Any], model: str | None = None) -> Bound:
    """What ``model`` is checked with; without one, what holds for all models. Raises :class:`UsageError`."""
    found = effective(config, model, given)
    settings = found.settings
    targets = [parse(name, book, settings.precision) for name in settings.target or (book.index["default"],)]
    names = book.index["others"] if settings.others is None else settings.others
    others = [parse(name, book, settings.precision, "--others") for name in names]
    fixed = Overrides(settings.shapes, settings.batch)
    selection = Selection(settings.select, settings.ignore, book)
    lines = [line for line in others if line not in targets]
    return Bound(targets, lines, fixed, selection, settings.severity, settings.fail_on, found, given)


def settled(book: RuleSet, model: str, *, target_name: str | None = None, config: str | None = None, **given: Any) -> Bound:
    """What a command for one model and one target goes by: its options, else the configuration. Raises :class:`UsageError`."""
    options = from_command_line(targets=() if target_name is None else (target_name,), others=(), **given)
    return bind(read_config(config, book), book, options, model)


def opened(session: Session, path: str, bound: Bound, data: bytes | None = None) -> GraphView:
    """The model at ``path``, or that in ``data`` under this path. Raises :class:`DlalintError`."""
    with blaming(bound, path):
        return session.view(path, bound.fixed) if data is None else session.view_bytes(data, path, bound.fixed)


@contextmanager
def blaming(bound: Bound, model: str) -> Iterator[None]:
    """Let an error about a shape or batch name the configuration it comes from, unless it was given on the command line."""
    try:
        yield
    except DlalintError as error:
        option, _, name = error.where.removeprefix(f"{model}: ").partition(" ")
        field, given = _OPTIONS.get(option, ""), bound.given
        if field and field in bound.effective.origins and (field not in given or (field == "shapes" and name not in given[field])):
            origins = [origin for origin in bound.effective.origins[field] if origin != "command line"]
            error.where = f"{model}: {', '.join(origins)}: {option[2:]} {name}"
        raise

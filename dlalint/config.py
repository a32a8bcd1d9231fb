"""What models are checked with: the defaults, a configuration file, the command line, in this order; and where each value comes from."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlalint.errors import UsageError, reason
from dlalint.named_tuple import NamedTuple

if TYPE_CHECKING:
    from dlalint.accepted import Waiver

FILES = ("dlalint.toml", "pyproject.toml")
MAX_BYTES = 1 << 20
_SECTION = rb"""tool["']?\s*\.\s*["']?dlalint|^\s*\[\s*["']?tool["']?\s*\]|^\s*["']?tool["']?\s*="""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Settings(NamedTuple):
    """What one model is checked with. No ``target`` means the default one; ``others`` is ``None`` for those of the rules."""

    target: tuple[str, ...] = ()
    precision: str = "fp16"
    batch: int | None = None
    shapes: Mapping[str, tuple[int, ...]] = _NOTHING
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, str] = _NOTHING
    fail_on: str = "error"
    others: tuple[str, ...] | None = None


class Layer(NamedTuple):
    """Settings from one place, by field; ``match`` are the patterns of the models they hold for, all models when there are none."""

    origin: str
    values: Mapping[str, Any]
    match: tuple[str, ...] = ()


class Config(NamedTuple):
    """A configuration file: its path, its layers from general to particular, its waivers."""

    path: str = ""
    layers: tuple[Layer, ...] = ()
    waivers: tuple[Waiver, ...] = ()


class Effective(NamedTuple):
    """Settings, and for each field the origins of its value."""

    settings: Settings
    origins: Mapping[str, tuple[str, ...]]


def locate(start: str = ".") -> str:
    """The configuration file of the folder ``start`` or the nearest one above, empty when there is none.

    The search ends with the folder that holds ``.git``: what lies above a repository is not part of it.
    """
    try:
        folder = os.path.abspath(start)
    except OSError:  # the working folder is gone
        return ""
    while True:
        own, project = (os.path.join(folder, name) for name in FILES)
        if os.path.isfile(own):
            return own
        if os.path.isfile(project) and re.search(_SECTION, content(project), re.MULTILINE):
            return project
        above = os.path.dirname(folder)
        if above == folder or os.path.exists(os.path.join(folder, ".git")):
            return ""
        folder = above


def content(path: str, most: int = MAX_BYTES) -> bytes:
    """The bytes of a file that a user keeps, at most ``most``. Raises :class:`UsageError`."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError("it is not a regular file", where=path, cure="Give a file.", code="E543")
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError:
        raise UsageError("there is no such file", where=path, cure="Check the path.", code="E543") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"it cannot be read ({reason(error)})", where=path, cure="Check the path.", code="E543") from None
    if len(data) > most:
        raise UsageError(f"it has more than {most} bytes", where=path, cure="Make it smaller.", code="E543")
    return data


def effective(config: Config, model: str | None = None, given: Mapping[str, Any] = _NOTHING) -> Effective:
    """What ``model`` is checked with; without one, what holds for all. ``given`` is what the command line says, and wins."""
    found: dict[str, Any] = {}
    origins: dict[str, tuple[str, ...]] = {}
    place = relative(config, model) if config.path and model is not None else None
    layers = [layer for layer in config.layers if not layer.match or (place is not None and matches(place, layer.match))]
    for layer in (*layers, Layer("command line", given)):
        for field, value in layer.values.items():
            if isinstance(value, Mapping) and field in found:
                found[field] = {**found[field], **value}
                origins[field] = (*origins[field], layer.origin)
            else:
                found[field], origins[field] = value, (layer.origin,)
    return Effective(Settings(**found), {field: origins.get(field, ("default",)) for field in Settings._fields})


def relative(config: Config, model: str) -> str:
    """The path of ``model`` as patterns see it: from the folder of the file, with forward slashes."""
    path = os.path.abspath(model)
    with contextlib.suppress(ValueError):  # on another drive
        path = os.path.relpath(path, os.path.dirname(os.path.abspath(config.path)))
    return path.replace(os.sep, "/")


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Whether ``text`` is one of ``patterns`` or has the form of one; a pattern without a slash may also be that of a path's last part."""
    from fnmatch import fnmatchcase

    last = text.rpartition("/")[2]
    return any(text == item or fnmatchcase(text, item) or ("/" not in item and fnmatchcase(last, item)) for item in patterns)

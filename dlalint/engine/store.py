"""The rule files: where they are, and what is in them. Parsed TOML is kept as JSON in the user's cache, because parsing takes 30 ms."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from dlalint import __version__
from dlalint.errors import RuleDataError
from dlalint.named_tuple import NamedTuple

Table = Mapping[str, Any]
_HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def locate() -> str:
    """The folder of the rules: beside the sources, else inside the installed package. Raises :class:`RuleDataError`."""
    installed = os.path.join(_HERE, "_rules")
    for folder in (installed, os.path.join(os.path.dirname(_HERE), "rules")):
        if os.path.isfile(os.path.join(folder, "index.toml")):
            return folder
    raise RuleDataError("the rules are missing", where=installed, cure="Install dlalint again.", code="E601")


class Stored(NamedTuple):
    """The tables of a rule folder. ``checked`` says that they come from the cache, which only holds what was found sound."""

    tables: dict[str, Table]
    checked: bool
    stamp: str


def read(folder: str) -> Stored:
    """Every table file of ``folder`` by its path without suffix, examples left out. Raises :class:`RuleDataError` at invalid TOML."""
    files = _files(folder)
    stamp = _stamp(folder, files)
    cache = _cache_file()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        with open(cache, "rb") as file:
            found = json.load(file)
        if found["stamp"] == stamp:
            return Stored(found["tables"], True, stamp)
    tables: dict[str, Table] = {name.removesuffix(".toml"): parse(os.path.join(folder, name)) for name in files}
    for name, table in tables.items():
        if name.startswith("cards/"):
            for card in table.values():
                card.pop("examples", None)
    return Stored(tables, False, stamp)


def keep(stored: Stored) -> None:
    """Write the cache whole or not at all; a cache that cannot be written is no error."""
    import tempfile

    path = _cache_file()
    folder = os.path.dirname(path)
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"stamp": stored.stamp, "tables": stored.tables}, file)
        os.replace(name, path)


def parse(path: str) -> dict[str, Any]:
    """One TOML file. Raises :class:`RuleDataError`."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        with open(path, "rb") as file:
            found: dict[str, Any] = toml.load(file)
        return found
    except (OSError, ValueError) as error:
        raise RuleDataError(f"the rule file cannot be read: {error}", where=path, cure="Install dlalint again.", code="E602") from None


def _files(folder: str) -> list[str]:
    """The table files below ``folder``, relative to it, with forward slashes."""
    found = (os.path.join(where, name) for where, _, names in os.walk(folder) for name in names if name.endswith(".toml"))
    return sorted(os.path.relpath(path, folder).replace(os.sep, "/") for path in found)


def _cache_file() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/.cache")
    return os.path.join(base, "dlalint", "rules.json")


def _stamp(folder: str, files: list[str]) -> str:
    """What the cache belongs to: this version, and the place, names, sizes and times of the files."""
    found = [(name, status.st_size, status.st_mtime_ns) for name in files for status in (os.stat(os.path.join(folder, name)),)]
    return f"{__version__} {folder} {found}"

"""The rule files: where they are, and what is in them. Parsed TOML is kept as JSON in the user's cache, because parsing takes 30 ms."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from dlalint import __version__
from dlalint.errors import RuleDataError

Table = Mapping[str, Any]
_HERE = Path(__file__).resolve().parent.parent


def locate() -> Path:
    """The folder of the rules: beside the sources, else inside the installed package. Raises :class:`RuleDataError`."""
    for folder in (_HERE / "_rules", _HERE.parent / "rules"):
        if (folder / "index.toml").is_file():
            return folder
    raise RuleDataError("the rules are missing", where=str(_HERE / "_rules"), cure="Install dlalint again.", code="E601")


class Stored(NamedTuple):
    """The tables of a rule folder. ``checked`` says that they come from the cache, which only holds what was found sound."""

    tables: dict[str, Table]
    checked: bool
    stamp: str


def read(folder: Path) -> Stored:
    """Every table file of ``folder`` by its path without suffix, examples left out. Raises :class:`RuleDataError` at invalid TOML."""
    files = sorted(folder.rglob("*.toml"))
    stamp = _stamp(files)
    cache = _cache_file()
    if cache is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(cache.read_bytes())
            if found["stamp"] == stamp:
                return Stored(found["tables"], True, stamp)
    tables: dict[str, Table] = {path.relative_to(folder).with_suffix("").as_posix(): parse(path) for path in files}
    for name, table in tables.items():
        if name.startswith("cards/"):
            for card in table.values():
                card.pop("examples", None)
    return Stored(tables, False, stamp)


def keep(stored: Stored) -> None:
    """Write the cache whole or not at all; a cache that cannot be written is no error."""
    import tempfile

    path = _cache_file()
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"stamp": stored.stamp, "tables": stored.tables}, file)
        os.replace(name, path)


def parse(path: Path) -> dict[str, Any]:
    """One TOML file. Raises :class:`RuleDataError`."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        found: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
        return found
    except (OSError, ValueError) as error:
        raise RuleDataError(f"the rule file cannot be read: {error}", where=str(path), cure="Install dlalint again.", code="E602") from None


def _cache_file() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "dlalint" / "rules.json"
    except RuntimeError:  # no home
        return None


def _stamp(files: list[Path]) -> str:
    """What the cache belongs to: this version, and the names, sizes and times of the files."""
    found = [(path.as_posix(), status.st_size, status.st_mtime_ns) for path in files for status in (path.stat(),)]
    return f"{__version__} {found}"

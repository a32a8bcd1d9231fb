"""A configuration file, read and held against what it may say: unknown keys, wrong values and unknown names are errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from dlalint.accepted import Waiver
from dlalint.config import Config, Layer, content
from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import PRECISIONS, parse
from dlalint.errors import UsageError
from dlalint.finding import SEVERITIES
from dlalint.model.stored import quoted
from dlalint.selection import Selection

Table = Mapping[str, Any]
_MAX_DIM = (1 << 31) - 1


def read(path: str, book: RuleSet) -> Config:
    """The configuration in ``path``: the table ``tool.dlalint`` of a pyproject.toml, else the whole file. Raises :class:`UsageError`."""
    whole = _toml(path)
    if os.path.basename(path) == "pyproject.toml":
        tool = whole.get("tool", {})
        whole = tool.get("dlalint", {}) if isinstance(tool, dict) else {}
        if not isinstance(whole, dict):
            raise _wrong(path, "tool.dlalint", "is no table")
    general = {key: value for key, value in whole.items() if key not in ("model", "waiver")}
    layers = [Layer(path, _settings(path, general, (*SETTINGS, "model", "waiver")))]
    for number, table in enumerate(_tables(path, whole, "model"), 1):
        where = f"{path}, model {number}"
        rest = {key: value for key, value in table.items() if key != "match"}
        if "match" not in table:
            raise _wrong(where, "match", "is missing", 'Say which models it is for: match = "detector/*".')
        patterns = _value(where, "match", table["match"], _texts)
        layers.append(Layer(f"{where} ({', '.join(patterns)})", _settings(where, rest, (*SETTINGS, "match")), patterns))
    waivers = tuple(_waiver(f"{path}, waiver {number}", table) for number, table in enumerate(_tables(path, whole, "waiver"), 1))
    config = Config(path, tuple(layers), waivers)
    _check_names(config, book)
    return config


def _toml(path: str) -> dict[str, Any]:
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    data = content(path)
    try:
        found: dict[str, Any] = toml.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError("it is not UTF-8 text", where=path, cure="Save it as UTF-8.", code="E544") from None
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else quoted(str(error))[1:-1]
        raise UsageError(f"it is no valid TOML: {said.rstrip('.')}", where=path, cure="Mend the file.", code="E544") from None
    return found


def _wrong(where: str, key: str, what: str, cure: str = "") -> UsageError:
    return UsageError(f"{quoted(key)} {what}", where=where, cure=cure or "The README shows every key.", code="E546")


def _tables(path: str, whole: Table, key: str) -> list[dict[str, Any]]:
    found = whole.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _wrong(path, key, f"is no list of tables, each headed [[{key}]]")
    return found


def _value(where: str, key: str, value: Any, form: Callable[[Any], Any]) -> Any:
    try:
        return form(value)
    except ValueError as error:
        raise _wrong(where, key, str(error)) from None


def _known(where: str, table: Table, keys: tuple[str, ...]) -> None:
    for key in table:
        if key not in keys:
            from difflib import get_close_matches

            near = get_close_matches(key, keys, n=1, cutoff=0.5)
            cure = f"Did you mean {near[0]}? The README shows every key." if near else f"Known keys: {', '.join(keys)}."
            raise UsageError(f"unknown key {quoted(key)}", where=where, cure=cure, code="E545")


def _settings(where: str, table: Table, keys: tuple[str, ...]) -> dict[str, Any]:
    _known(where, table, keys)
    return {key.replace("-", "_"): _value(where, key, value, SETTINGS[key]) for key, value in table.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is no text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value if isinstance(value, list) else [value]))


def _one_of(*allowed: str) -> Callable[[Any], str]:
    def form(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}")
        return str(value)

    return form


def _dimension(value: Any) -> int:
    if type(value) is not int or not 0 < value <= _MAX_DIM:
        raise ValueError("has a number that is no dimension")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, str):
        value = [int(part) if re.fullmatch(r"[0-9]{1,10}", part) else part for part in re.split(r"[x,\s]+", value.strip("[]() ").lower())]
    if not isinstance(value, list) or not value:
        raise ValueError('is no shape like "1x3x224x224"')
    return tuple(map(_dimension, value))


def _table_of(form: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    def table(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("is no table")
        return {key: form(item) for key, item in value.items()}

    return table


SETTINGS: Mapping[str, Callable[[Any], Any]] = {
    "target": _texts,
    "precision": _one_of(*PRECISIONS),
    "batch": _dimension,
    "shapes": _table_of(_shape),
    "select": _texts,
    "ignore": _texts,
    "severity": _table_of(_one_of(*SEVERITIES)),
    "fail-on": _one_of(*SEVERITIES),
    "others": _texts,
}


def _date(value: Any) -> str:
    from datetime import date, datetime

    try:
        found = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, date) or isinstance(found, datetime):
        raise ValueError("is no date like 2026-12-31")
    return found.isoformat()


def _waiver(where: str, table: Table) -> Waiver:
    _known(where, table, Waiver._fields)
    for key in ("rule", "reason"):
        if key not in table:
            raise _wrong(where, key, "is missing", "A waiver names a rule and says why its findings are accepted.")
    return Waiver(**{key: _value(where, key, value, _date if key == "expires" else _text) for key, value in table.items()})


def _check_names(config: Config, book: RuleSet) -> None:
    """Raises :class:`UsageError` at a target or rule that does not exist, with the place in the file."""
    for layer in config.layers:
        for key in ("target", "others"):
            for name in layer.values.get(key, ()):
                parse(name, book, option=f"{layer.origin}: {key}")
        for key in ("select", "ignore", "severity"):
            _check_rules(layer.values.get(key, ()), book, f"{layer.origin}: {key}")
    for number, waiver in enumerate(config.waivers, 1):
        _check_rules([waiver.rule], book, f"{config.path}, waiver {number}: rule")


def _check_rules(rules: Any, book: RuleSet, where: str) -> None:
    try:
        Selection(tuple(rules), (), book)
    except UsageError as error:
        error.where = where
        raise

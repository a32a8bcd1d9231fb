"""``dlalint config``: what models are checked with, and where each value comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from dlalint.cli import output
from dlalint.cli.options import FILE, configuration
from dlalint.cli.settings import read_config
from dlalint.config import Config, Effective, effective
from dlalint.engine.ruleset import RuleSet
from dlalint.report.layout import Row, Span, spans, table, wrapped


@click.command("config", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", required=False, metavar="[MODEL]", type=FILE)
@configuration
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("-o", "--output", "goal", metavar="FILE", type=FILE, help="Write to a file.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(model: str | None, config: str | None, form: str, goal: str | None, no_color: bool) -> int:
    """Show the effective configuration: of MODEL with the tables that match it, else what holds for all models."""
    book = RuleSet.load()
    read = read_config(config, book)
    found = effective(read, model)
    values = _values(found, book)
    if form == "json":
        settings = {key: {"value": value, "origin": list(found.origins[key])} for key, value in values.items()}
        document = {
            "schema": 1,
            "file": read.path or None,
            "model": model,
            "settings": {key.replace("_", "-"): item for key, item in settings.items()},
            "models": [list(layer.match) for layer in read.layers if layer.match],
            "waivers": [waiver._asdict() for waiver in read.waivers],
        }
        output.write(json.dumps(document, ensure_ascii=True, indent=1) + "\n", goal)
    else:
        output.show(_rows(read, found, values, model, min(max(output.width(), 60), 140)), goal, not no_color)
    return 0


def _values(found: Effective, book: RuleSet) -> dict[str, Any]:
    """The values as plain data, those of the rules where nothing else is said."""
    settings = found.settings._asdict()
    settings["target"] = settings["target"] or (book.index["default"],)
    if settings["others"] is None:
        settings["others"] = tuple(book.index["others"])
    return {key: _plain(value) for key, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {'x'.join(map(str, item)) if isinstance(item, list) else item}" for key, item in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return "-" if value is None else str(value)


def _rows(config: Config, found: Effective, values: Mapping[str, Any], model: str | None, width: int) -> list[Row]:
    rows = [spans(Span(f"Configuration of {model}" if model else "Configuration", "title"))]
    rows += wrapped("  file    ", config.path or "none found, the defaults hold", width)
    body = [[key.replace("_", "-"), "; ".join(found.origins[key]), _words(value)] for key, value in values.items()]
    rows += [(), *table(["Setting", "from", "value"], body, width, frozenset())]
    special = [layer for layer in config.layers if layer.match]
    if special and model is None:
        rows += [(), spans(Span("Tables for some models", "title"))]
        for layer in special:
            said = ", ".join(f"{key.replace('_', '-')} {_words(_plain(value))}" for key, value in layer.values.items())
            rows += wrapped("  ", f"{', '.join(layer.match)}: {said or 'nothing'}", width)
    if config.waivers:
        rows += [(), spans(Span("Waivers", "title"))]
        for waiver in config.waivers:
            until = f" until {waiver.expires}" if waiver.expires else ""
            rows += wrapped("  ", f"{waiver.rule} at node {waiver.node} in model {waiver.model}{until}: {waiver.reason}", width)
    return rows

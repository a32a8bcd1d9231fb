"""``dlalint targets``: the SoCs and releases that can be checked."""

from __future__ import annotations

import json
from typing import Any

import click

from dlalint.cli import output
from dlalint.cli.options import FILE
from dlalint.engine.ruleset import RuleSet
from dlalint.report.layout import Row, Span, spans, table, wrapped


@click.command("targets", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write to a file.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(form: str, path: str | None, no_color: bool) -> int:
    """List the targets: SoC and TensorRT release, what their limits were read from, and the JetPack releases that mean them."""
    book = RuleSet.load()
    found = _targets(book)
    if form == "json":
        document = {"schema": 1, "default": book.index["default"], "targets": found, "socs": _socs(book)}
        output.write(json.dumps(document, ensure_ascii=False, indent=1) + "\n", path)
    else:
        output.show(_rows(book, found, output.width()), path, not no_color)
    return 0


def _targets(book: RuleSet) -> list[dict[str, Any]]:
    aliases: dict[str, list[str]] = {}
    for alias, name in book.index["aliases"].items():
        aliases.setdefault(name, []).append(alias)
    found = [
        {
            "name": f"{soc}-trt{release}",
            "status": book.files.status(release, soc),
            "read": book.files.read(release),
            "aliases": aliases.get(f"{soc}-trt{release}", []),
        }
        for soc, releases in book.index["releases"].items()
        for release in releases
    ]
    return found + [
        {"name": f"{gap['soc']}-trt{release}", "status": "no-dla", "read": gap["reason"], "aliases": []}
        for gap in book.index["without_dla"]
        for release in gap["releases"]
    ]


def _socs(book: RuleSet) -> dict[str, dict[str, Any]]:
    return {name: dict(table) for name, table in sorted(book.socs.items())}


def _rows(book: RuleSet, found: list[dict[str, Any]], width: int) -> list[Row]:
    columns = min(max(width, 60), 140)
    rows: list[Row] = []
    with_dla = [item for item in found if item["status"] != "no-dla"]
    body = [
        [
            item["name"] + (" (default)" if item["name"] == book.index["default"] else ""),
            item["status"],
            ", ".join(item["aliases"]),
            item["read"],
        ]
        for item in with_dla
    ]
    rows += table(["Target", "limits", "also", "read from"], body, columns, frozenset())
    rows += [(), spans(Span("No DLA", "title"))]
    for gap in book.index["without_dla"]:
        names = (
            f"{gap['soc']}-trt{gap['releases'][0]} to {gap['releases'][-1]}"
            if len(gap["releases"]) > 1
            else f"{gap['soc']}-trt{gap['releases'][0]}"
        )
        rows += wrapped("  ", f"{names}: {gap['reason']}", columns)
    rows += [(), spans(Span("SoCs", "title"))]
    for name, table_ in sorted(book.socs.items()):
        rows += wrapped(f"  {name}: ", str(table_["boards"]), columns)
    return rows

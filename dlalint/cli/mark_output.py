"""``dlalint mark-output``: tensors inside a model made outputs, so that a run shows what they hold."""

from __future__ import annotations

import os
from typing import Any

import click

from dlalint.cli import mark_report, output
from dlalint.cli.options import FILE, dimensions, goal, look, one_target
from dlalint.cli.settings import settled
from dlalint.cli.shapes import overrides
from dlalint.errors import UsageError
from dlalint.model.inputs import Overrides
from dlalint.pipeline import Session
from dlalint.report.layout import Row
from dlalint.rewrite.mark_output import Request, mark_output, opened
from dlalint.rewrite.marks import Choice, candidates, choose
from dlalint.target import Target


@click.command("mark-output", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option("--tensor", "tensors", multiple=True, metavar="NAME", help="A tensor by name; repeatable.")
@click.option("--pattern", "patterns", multiple=True, metavar="GLOB", help="Tensors whose names fit, e.g. '*Relu*'; repeatable.")
@click.option("--op-type", "operators", multiple=True, metavar="OP", help="What nodes of an operator make, e.g. Conv; repeatable.")
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="What a node makes; repeatable.")
@click.option("--boundaries", is_flag=True, help="Every tensor that crosses between DLA and GPU in the predicted placement.")
@click.option("--all", "everything", is_flag=True, help="Whatever the nodes make at run time.")
@click.option("--only", is_flag=True, help="Drop all other outputs, and the nodes that nothing needs any more.")
@click.option("--list", "listing", is_flag=True, help="Show what the nodes make, and write nothing.")
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Where the result goes; MODEL.marked.onnx when not given.")
@click.option("--in-place", is_flag=True, help="Replace MODEL itself.")
@click.option("--map", "names", metavar="FILE", type=FILE, help="Where the name map goes; beside the result when not given.")
@click.option("--no-map", is_flag=True, help="Write no name map.")
@click.option("--copy-data", is_flag=True, help="Copy external data too when the result goes to another folder.")
@one_target
@dimensions(", in the report only")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@look
def command(
    model: str,
    only: bool,
    listing: bool,
    path: str | None,
    in_place: bool,
    names: str | None,
    no_map: bool,
    copy_data: bool,
    target_name: str | None,
    precision: str | None,
    config: str | None,
    batch: int | None,
    shapes: tuple[str, ...],
    form: str,
    verbose: bool,
    no_color: bool,
    **given: Any,
) -> int:
    """Write a model in which tensors from its inside are outputs too, with their types and shapes.

    The weights are not read, only copied. What is marked, what it costs, and how to dump it is printed.
    """
    choice = Choice(**given)
    if choice == Choice() and not listing:
        raise UsageError("no tensor is named", where="--tensor", cure="`--list` shows what there is to mark.", code="E510")
    place = goal(model, path, in_place, _beside(model))
    fixed = overrides(shapes, batch)
    with Session() as session:
        target = settled(session.rules, model, target_name=target_name, precision=precision, config=config).target
        if listing:
            report = _listing(session, model, target, fixed, choice)
            _show(mark_report.listing_json(report), mark_report.listing_text(report, output.width()), form, not no_color)
            return 0
        places = Request(choice, place, only, None if no_map else names or f"{place}.names.json", copy_data, in_place)
        found = mark_output(session, model, target, fixed, places)
    _show(mark_report.to_json(found), mark_report.to_text(found, output.width(), verbose=verbose), form, not no_color)
    return 0


def _listing(session: Session, model: str, target: Target, fixed: Overrides, choice: Choice) -> mark_report.Listing:
    """What the nodes make, all of it or what is chosen."""
    view = opened(session, model, fixed)
    outcome = session.check(view, target)
    items = candidates(view, outcome)
    if choice != Choice():
        chosen = choose(view, outcome, choice)
        wanted = {item.tensor for item in (*chosen.new, *chosen.already)}
        items = tuple(item for item in items if item.tensor in wanted)
    return mark_report.Listing(model, target, items, view.outputs)


def _beside(path: str) -> str:
    stem, ending = os.path.splitext(path)
    return f"{stem}.marked{ending or '.onnx'}"


def _show(document: str, rows: list[Row], form: str, color: bool) -> None:
    if form == "json":
        output.write(document, None)
    else:
        output.show(rows, None, color)

"""``dlalint mark-output``: tensors inside a model made outputs, so that a run shows what they hold."""

from __future__ import annotations

import os

import click

from dlalint.cli import mark_report, output
from dlalint.cli.shapes import overrides
from dlalint.engine.targets import PRECISIONS, parse
from dlalint.errors import UsageError
from dlalint.model.inputs import Overrides
from dlalint.pipeline import Session
from dlalint.report.layout import Row
from dlalint.rewrite.mark_output import Request, mark_output, opened
from dlalint.rewrite.marks import Choice, candidates, choose
from dlalint.target import Target


@click.command("mark-output", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL")
@click.option("--tensor", "tensors", multiple=True, metavar="NAME", help="A tensor by name; repeatable.")
@click.option("--pattern", "patterns", multiple=True, metavar="GLOB", help="Tensors whose names fit, e.g. '*Relu*'; repeatable.")
@click.option("--op-type", "operators", multiple=True, metavar="OP", help="What nodes of an operator make, e.g. Conv; repeatable.")
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="What a node makes; repeatable.")
@click.option("--boundaries", is_flag=True, help="Every tensor that crosses between DLA and GPU in the predicted placement.")
@click.option("--all", "everything", is_flag=True, help="Whatever the nodes make at run time.")
@click.option("--only", is_flag=True, help="Drop all other outputs, and the nodes that nothing needs any more.")
@click.option("--list", "listing", is_flag=True, help="Show what the nodes make, and write nothing.")
@click.option("-o", "--output", "path", metavar="FILE", help="Where the result goes; MODEL.marked.onnx when not given.")
@click.option("--in-place", is_flag=True, help="Replace MODEL itself.")
@click.option("--map", "names", metavar="FILE", help="Where the name map goes; beside the result when not given.")
@click.option("--no-map", is_flag=True, help="Write no name map.")
@click.option("--copy-data", is_flag=True, help="Copy external data too when the result goes to another folder.")
@click.option("--target", "target_name", metavar="NAME", help="SoC and release, e.g. orin-trt10.3.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp16", show_default=True, help="What the engine is built in.")
@click.option("--batch", type=int, metavar="N", help="Fix the first dimension of every input, in the report only.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME:1x3x224x224", help="Fix the shape of an input, likewise; repeatable.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("-v", "--verbose", is_flag=True, help="Cut no list.")
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
def command(
    model: str,
    tensors: tuple[str, ...],
    patterns: tuple[str, ...],
    operators: tuple[str, ...],
    nodes: tuple[str, ...],
    boundaries: bool,
    everything: bool,
    only: bool,
    listing: bool,
    path: str | None,
    in_place: bool,
    names: str | None,
    no_map: bool,
    copy_data: bool,
    target_name: str | None,
    precision: str,
    batch: int | None,
    shapes: tuple[str, ...],
    form: str,
    verbose: bool,
    no_color: bool,
) -> int:
    """Write a model in which tensors from its inside are outputs too, with their types and shapes.

    The weights are not read, only copied. What is marked, what it costs, and how to dump it is printed.
    """
    choice = Choice(tensors, patterns, operators, nodes, boundaries, everything)
    if choice == Choice() and not listing:
        raise UsageError("no tensor is named", where="--tensor", cure="`--list` shows what there is to mark.", code="E510")
    if in_place and path is not None:
        raise UsageError("two places for one result", where="--in-place", cure="Give either --in-place or --output.", code="E512")
    goal = model if in_place else path if path is not None else _beside(model)
    fixed = overrides(shapes, batch)
    with Session() as session:
        target = parse(target_name or session.rules.index["default"], session.rules, precision)
        if listing:
            report = _listing(session, model, target, fixed, choice)
            _show(mark_report.listing_json(report), mark_report.listing_text(report, output.width()), form, not no_color)
            return 0
        places = Request(choice, goal, only, None if no_map else names if names is not None else f"{goal}.names.json", copy_data, in_place)
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

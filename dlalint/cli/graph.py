"""``dlalint graph``: the partition as a picture."""

from __future__ import annotations

import os

import click

from dlalint.cli import output
from dlalint.cli.options import chosen, dimensions, one_target
from dlalint.cli.shapes import overrides
from dlalint.errors import UsageError
from dlalint.pipeline import Session

_FORMS = {".svg": "svg", ".html": "html", ".htm": "html", ".dot": "dot", ".gv": "dot"}


@click.command("graph", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", "path", required=True, metavar="FILE", help="Where it goes: .svg, .html or .dot.")
@click.option("--detail", is_flag=True, help="Every node in its segment (the page has both).")
@one_target
@dimensions()
def command(
    model: str,
    path: str,
    detail: bool,
    target_name: str | None,
    precision: str,
    batch: int | None,
    shapes: tuple[str, ...],
) -> int:
    """Draw the predicted partition: one box for each segment, as tall as its share of the work.

    Boxes name the device, the loadable and the rules behind what runs on the GPU; lines name the bytes that cross, a diamond on
    them says that the tensor is reformatted. Nothing else needs to be installed; .dot is for graphviz.
    """
    form = _FORMS.get(os.path.splitext(path)[1].lower())
    if form is None:
        raise UsageError(f"{path!r} is no picture that can be written", where="--output", cure="Give .svg, .html or .dot.", code="E515")
    with Session() as session:
        target = chosen(session.rules, target_name, precision)
        outcome = session.check(session.view(model, overrides(shapes, batch)), target)
        if form == "html":
            from dlalint.report.to_html import render

            text = render([outcome], session.rules)
        else:
            from dlalint.report import to_graph

            text = to_graph.to_svg(outcome, detail=detail) if form == "svg" else to_graph.to_dot(outcome, detail=detail)
    output.write(text, path)
    return 0

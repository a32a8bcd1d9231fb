"""``dlalint graph``: the partition as a picture."""

from __future__ import annotations

import os
from typing import Any

import click

from dlalint.cli import output
from dlalint.cli.options import FILE, dimensions, one_target
from dlalint.cli.settings import opened, settled
from dlalint.errors import UsageError
from dlalint.pipeline import Session

_FORMS = {".svg": "svg", ".html": "html", ".htm": "html", ".dot": "dot", ".gv": "dot"}


@click.command("graph", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option("-o", "--output", "path", required=True, metavar="FILE", type=FILE, help="Where it goes: .svg, .html or .dot.")
@click.option("--detail", is_flag=True, help="Every node in its segment (the page has both).")
@one_target
@dimensions()
def command(
    model: str,
    path: str,
    detail: bool,
    **given: Any,
) -> int:
    """Draw the predicted partition: one box for each segment, as tall as its share of the work.

    Boxes name the device, the loadable and the rules behind what runs on the GPU; lines name the bytes that cross, a diamond on
    them says that the tensor is reformatted. Nothing else needs to be installed; .dot is for graphviz.
    """
    form = _FORMS.get(os.path.splitext(path)[1].lower())
    if form is None:
        raise UsageError(f"{path!r} is no picture that can be written", where="--output", cure="Give .svg, .html or .dot.", code="E515")
    with Session() as session:
        bound = settled(session.rules, model, **given)
        outcome = session.check(opened(session, model, bound), bound.target)
        if form == "html":
            from dlalint.report.to_html import render

            text = render([outcome], session.rules)
        else:
            from dlalint.report import to_graph

            text = to_graph.to_svg(outcome, detail=detail) if form == "svg" else to_graph.to_dot(outcome, detail=detail)
    output.write(text, path)
    return 0

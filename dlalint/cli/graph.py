"""``dlalint graph``: the partition as a picture."""

from __future__ import annotations

import os

import click

from dlalint.cli import output
from dlalint.cli.shapes import overrides
from dlalint.engine.targets import PRECISIONS, parse
from dlalint.errors import UsageError
from dlalint.pipeline import Session

_FORMS = {".svg": "svg", ".html": "html", ".htm": "html", ".dot": "dot", ".gv": "dot"}


@click.command("graph", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL")
@click.option("-o", "--output", "path", required=True, metavar="FILE", help="Where it goes: .svg, .html or .dot.")
@click.option("--detail", is_flag=True, help="Every node in its segment (the page has both).")
@click.option("--target", "target_name", metavar="NAME", help="SoC and release, e.g. orin-trt10.3.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="fp16", show_default=True, help="What the engine is built in.")
@click.option("--batch", type=int, metavar="N", help="Fix the first dimension of every input.")
@click.option("--shape", "shapes", multiple=True, metavar="NAME:1x3x224x224", help="Fix the shape of an input; repeatable.")
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
        target = parse(target_name or session.rules.index["default"], session.rules, precision)
        outcome = session.check(session.view(model, overrides(shapes, batch)), target)
        if form == "html":
            from dlalint.report.to_html import render

            text = render([outcome], session.rules)
        else:
            from dlalint.report import to_graph

            text = to_graph.to_svg(outcome, detail=detail) if form == "svg" else to_graph.to_dot(outcome, detail=detail)
    output.write(text, path)
    return 0

"""``dlalint split``: the DLA part of a model and the rest, as files of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, dimensions, one_target
from dlalint.cli.progress import progress
from dlalint.cli.settings import blaming, settled
from dlalint.pipeline import Session
from dlalint.report.layout import Row, Span, counted, size, spans, table, wrapped

if TYPE_CHECKING:
    from dlalint.plan import Summary
    from dlalint.rewrite.splitting import Split


@click.command("split", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option("-o", "--output", "folder", required=True, metavar="DIR", type=FILE, help="The folder for the parts and their manifest.")
@click.option("--at", multiple=True, metavar="TENSOR", help="Cut in two behind these tensors; repeatable.")
@one_target
@dimensions()
@click.option("--no-verify", is_flag=True, help="Do not prove that the parts compute what the whole computes.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
@needs("numpy", "onnx")
def command(
    model: str,
    folder: str,
    at: tuple[str, ...],
    no_verify: bool,
    form: str,
    no_color: bool,
    **given: Any,
) -> int:
    """Write the parts of a model that run on the DLA, and the rest, as ONNX files that run one after the other.

    Without --at the cuts are where the predicted build changes the device.
    """
    from dlalint.numeric import Runner
    from dlalint.rewrite.splitting import split

    with Session() as session, Runner() as runner, progress(f"splitting {model}"):
        bound = settled(session.rules, model, **given)
        with blaming(bound, model):
            found = split(session, model, bound.target, folder, at, bound.fixed, None if no_verify else runner)
    if form == "json":
        from dlalint.rewrite.splitting import manifest

        document = json.loads(manifest(found))
        document["proof"] = found.proof._asdict() if found.proof is not None else None
        output.write(json.dumps(document, separators=(",", ":")) + "\n", None)
        return 0
    output.show(_text(found, model, folder, at), None, not no_color)
    return 0


def _text(found: Split, model: str, folder: str, at: tuple[str, ...]) -> list[Row]:
    from dlalint.rewrite.splitting import heads, tensor

    width = output.width()
    target = found.outcome.target
    rows = [
        spans(Span(f"{model} on {target.name}, {target.precision.upper()}: {counted(len(found.parts), 'part')} in {folder}", "title")),
        (),
    ]
    body = []
    for file, part, alone in zip(found.files, found.parts, found.alone, strict=True):
        handed = [f"{name} {size(tensor(found.graph, name)['bytes'])}" for name in part.outputs]
        body.append([file, part.device.value.upper(), str(len(part.nodes)), _alone(alone), ", ".join(handed)])
    rows += table(["File", "device", "nodes", "built alone", "hands on"], body, width, frozenset({2}))
    if found.proof is not None:
        rows.append(())
        said = f"the parts give bit-equal outputs on {counted(len(found.proof.sets), 'set')} of inputs ({', '.join(found.proof.sets)})."
        rows += wrapped("Proof  ", said, width, "good")
    cut = () if at else heads(found.outcome, found.graph)
    if cut and len(found.parts) > 2:
        options = " ".join(f"--at {_quoted(name)}" for name in cut)
        rows.append(())
        rows += wrapped("", "To have all that runs on the DLA before anything else as one part, and one rest:", width)
        rows.append(spans(f"  dlalint split {_quoted(model)} -o {_quoted(folder)} --target {target.name} {options}"))
    return rows


def _alone(found: Summary | None) -> str:
    """What a part for the DLA becomes when it is built by itself."""
    if found is None:
        return ""
    elsewhere = found.gpu_nodes + found.unknown_nodes
    return counted(found.loadables, "loadable") + (f", {counted(elsewhere, 'node')} not on the DLA" if elsewhere else "")


def _quoted(text: str) -> str:
    from shlex import quote

    return quote(text)

"""``dlalint compare-outputs``: two dumps of tensors, and where they part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import differences, output
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, look
from dlalint.report.layout import Row, Span, counted, listed, spans, wrapped

if TYPE_CHECKING:
    from dlalint.numeric import Tolerance
    from dlalint.numeric.compared import Comparison


@click.command("compare-outputs", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("reference", metavar="A", type=FILE)
@click.argument("other", metavar="B", type=FILE)
@click.option("--model", metavar="MODEL", help="The ONNX model: tensors are listed in the order in which its nodes make them.")
@click.option("--rtol", type=float, default=1e-4, show_default=True, help="Tolerance relative to each element.")
@click.option("--atol", type=float, default=1e-5, show_default=True, help="Tolerance relative to the tensor's largest magnitude.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write the report to a file.")
@look
@needs("numpy")
def command(
    reference: str,
    other: str,
    model: str | None,
    rtol: float,
    atol: float,
    form: str,
    path: str | None,
    verbose: bool,
    no_color: bool,
) -> int:
    """Compare two dumps of tensors by name and show where they first part.

    A and B are .npz files, as `dlalint run -o` writes them, or what `trtexec --exportOutput` wrote. What trtexec writes stands in no order:
    give --model, or an .npz on the other side. The exit code is 0 when all tensors in both files agree, 1 when not, 2 when they cannot be
    compared. The tolerances are meant for FP32: an engine in FP16 or INT8 needs wider ones.
    """
    from dlalint.numeric.compared import compare

    tolerance = differences.tolerance(rtol, atol)
    found = compare(reference, other, tolerance, _order(model) if model is not None else ())
    if form == "json":
        output.write(differences.as_json(_document(reference, other, found, tolerance)), path)
    else:
        output.show(_rows(reference, other, found, tolerance, verbose), path, not no_color)
    return int(found.first is not None)


def _order(model: str) -> list[str]:
    """The tensors of a model in the order in which they are made."""
    from dlalint.model.load import load

    graph = load(model).graph
    return [*graph.inputs, *(name for node in graph.nodes for name in node.outputs if name)]


def _rows(reference: str, other: str, found: Comparison, tolerance: Tolerance, verbose: bool) -> list[Row]:
    width = output.width()
    columns = min(max(width, 60), 140)
    within = f"within rtol {tolerance.rtol:g} and atol {tolerance.atol:g}"
    off = sum(not item.within for item in found.tensors)
    tensors = counted(len(found.tensors), "tensor")
    rows = [spans(Span(f"{reference} and {other}", "title"))]
    if off:
        rows += wrapped("DIFFERENT: ", f"{off} of {tensors} not equal {within}, the first is {found.first}.", columns, "bad")
    else:
        rows += wrapped("EQUAL: ", f"{tensors} {within}.", columns, "good")
    marked = [(item, "first to differ" if item.tensor == found.first else "", item.within) for item in found.tensors]
    rows += [(), *differences.rows(marked, width, verbose)]
    for name, rest in ((reference, found.only_reference), (other, found.only_other)):
        if rest:
            rows += wrapped("  note  ", f"Only in {name}: {listed(rest, 1_000_000 if verbose else 6)}.", columns)
    return rows


def _document(reference: str, other: str, found: Comparison, tolerance: Tolerance) -> dict[str, Any]:
    return {
        "schema": 1,
        "reference": reference,
        "other": other,
        "ok": found.first is None,
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "first": found.first,
        "tensors": [differences.document(item) for item in found.tensors],
        "only_reference": list(found.only_reference),
        "only_other": list(found.only_other),
    }

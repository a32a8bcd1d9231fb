"""``dlalint run``: run a model with onnxruntime and keep what it gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.differences import as_json
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, configuration, dimensions
from dlalint.cli.progress import progress
from dlalint.cli.settings import blaming, settled
from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.graph import shape_in_words
from dlalint.report.layout import Row, Span, counted, spans, table

if TYPE_CHECKING:
    from dlalint.numeric.summary import Summary


@click.command("run", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option("--inputs", metavar="FILE.npz", type=FILE, help="The inputs, an array for each by its name; made up when left out.")
@click.option("-o", "--output", "path", metavar="FILE.npz", type=FILE, help="Save every output under its name.")
@click.option("--save-inputs", metavar="FILE.npz", type=FILE, help="Save the inputs too.")
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, show_default=True, help="Of the inputs made up.")
@dimensions("; a free one is 1")
@configuration
@click.option("--timeout", type=click.FloatRange(0.1, 86400), default=120.0, show_default=True, help="Seconds it may take.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("--no-color", is_flag=True, help="No colours on a terminal.")
@needs("numpy")
def command(
    model: str,
    inputs: str | None,
    path: str | None,
    save_inputs: str | None,
    seed: int,
    timeout: float,
    form: str,
    no_color: bool,
    **given: Any,
) -> int:
    """Run an ONNX model on the CPU with onnxruntime, all its optimizations off, and show or save every output.

    Mark the tensors of interest as outputs first (mark-output) to dump them all. Outputs stand in the order in which nodes make them.
    """
    from dlalint.model import save
    from dlalint.numeric import Runner, feeds, fitted, fixed_types
    from dlalint.numeric.dumps import npz, read_npz
    from dlalint.numeric.summary import summary

    _check_targets(model, inputs, {"--output": path, "--save-inputs": save_inputs})
    bound = settled(RuleSet.load(), model, **given)
    with Runner(timeout) as runner, progress(f"running {model}"):
        interface = runner.interface(model)
        with blaming(bound, model):
            types = fixed_types(runner, model, bound.fixed) or interface.inputs
        feed = next(feeds(types, seed))[1] if inputs is None else fitted(types, read_npz(inputs), inputs)
        made = runner.outputs(model, feed)
    found = {name: made[name] for name in interface.outputs if name in made}
    for goal, arrays in ((path, found), (save_inputs, feed)):
        if goal is not None:
            save.write(npz(arrays), goal, what="the dump", limit=None)
    said = [summary(name, array) for name, array in found.items()]
    if form == "json":
        output.write(as_json(_document(model, inputs, seed, feed, said)), None)
    else:
        source = f"inputs of {inputs}" if inputs is not None else f"seeded inputs (seed {seed})"
        output.show(_rows(model, source, said, path), None, not no_color)
    return 0


def _check_targets(model: str, inputs: str | None, targets: Mapping[str, str | None]) -> None:
    """Refuse to write over what is read, or two results into one file."""
    taken = [name for name in (model, inputs) if name is not None]
    for option, path in targets.items():
        if path is not None:
            if any(_same(path, other) for other in taken):
                raise UsageError("that file is needed for something else", where=f"{option} {path}", cure="Give another path.", code="E523")
            taken.append(path)


def _same(one: str, two: str) -> bool:
    try:
        return os.path.samefile(one, two)
    except (OSError, ValueError):
        return os.path.abspath(one) == os.path.abspath(two)


def _rows(model: str, source: str, found: list[Summary], path: str | None) -> list[Row]:
    rows = [spans(Span(f"{model} on {source}", "title"))]
    if path is not None:
        rows.append(spans(f"{counted(len(found), 'output')} written to {path}"))
    if found:
        body = [
            [
                shape_in_words(item.shape),
                item.dtype,
                *("-" if value is None else f"{value:.6g}" for value in (item.low, item.high, item.mean)),
                str(item.nan),
                str(item.inf),
                item.name,
            ]
            for item in found
        ]
        header = ["shape", "dtype", "min", "max", "mean", "NaN", "Inf", "output"]
        rows += [(), *table(header, body, min(max(output.width(), 60), 140), frozenset(range(2, 7)))]
    return rows


def _document(model: str, inputs: str | None, seed: int, feed: Mapping[str, Any], found: list[Summary]) -> dict[str, Any]:
    return {
        "schema": 1,
        "model": model,
        "seed": None if inputs is not None else seed,
        "inputs": [{"name": name, "dtype": str(array.dtype), "shape": list(array.shape)} for name, array in feed.items()],
        "outputs": [
            {
                "name": item.name,
                "dtype": item.dtype,
                "shape": list(item.shape),
                "min": item.low,
                "max": item.high,
                "mean": item.mean,
                "nan": item.nan,
                "inf": item.inf,
            }
            for item in found
        ],
    }

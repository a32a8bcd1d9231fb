"""``dlalint fix``: rewrite what the DLA refuses, and prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, dimensions, goal, look, one_target
from dlalint.cli.progress import progress
from dlalint.cli.settings import blaming, settled
from dlalint.pipeline import Session

if TYPE_CHECKING:
    from dlalint.calibration.kept import Placed
    from dlalint.changes import Proof
    from dlalint.rewrite.fixing import Fixed, Options


@click.command("fix", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Where the result goes; MODEL.fixed.onnx when not given.")
@click.option("--in-place", is_flag=True, help="Replace MODEL itself.")
@click.option("--diff", is_flag=True, help="Show what would change and write nothing.")
@one_target
@dimensions(", in the result too")
@click.option("--select", multiple=True, metavar="REWRITE", help="Try only these rewrites.")
@click.option("--ignore", multiple=True, metavar="REWRITE", help="Leave these rewrites out.")
@click.option("--allow-approximate", is_flag=True, help="Also rewrites that change values beyond rounding.")
@click.option(
    "--max-extra-macs",
    type=click.FloatRange(0),
    default=100.0,
    show_default=True,
    metavar="PERCENT",
    help="How many MACs it may add.",
)
@click.option("--calibration", metavar="FILE", type=FILE, help="A calibration cache of MODEL, to be kept in step.")
@click.option("--calibration-output", metavar="FILE", type=FILE, help="Where that goes; beside the result when not given.")
@click.option("--no-verify", is_flag=True, help="Write the result without a proof.")
@click.option("--inputs", multiple=True, metavar="FILE.npz", type=FILE, help="Prove on these inputs too; repeatable.")
@click.option("--rtol", type=click.FloatRange(0), default=1e-4, show_default=True, help="Tolerated relative error.")
@click.option("--atol", type=click.FloatRange(0), default=1e-5, show_default=True, help="Tolerated error, relative to the largest output.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the inputs it is proven on.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@look
@needs("numpy", "onnx")
def command(
    model: str,
    path: str | None,
    in_place: bool,
    diff: bool,
    calibration: str | None,
    calibration_output: str | None,
    form: str,
    verbose: bool,
    no_color: bool,
    **given: Any,
) -> int:
    """Rewrite a model so that less of it falls back to the GPU.

    A rewrite stays only where the predicted placement gets better, and every one is proven with onnxruntime before anything is written.
    """
    from dlalint.calibration.kept import Placed
    from dlalint.cli.fix_calibration import Scales
    from dlalint.numeric import Runner
    from dlalint.rewrite.fixing import Fixer, beside
    from dlalint.rewrite.weights import Weights

    place = goal(model, path, in_place, beside(model, "fixed"))
    built_for = {name: given.pop(name) for name in ("target_name", "precision", "config", "batch", "shapes")}
    options = _options(**given)
    scales = Scales.of(calibration, calibration_output, place, model)
    with Session() as session, Runner() as runner, Weights(model) as weights, progress(f"reading {model}") as tell:
        bound = settled(session.rules, model, **built_for)
        fixer = Fixer(session, bound.target, options, runner, tell)
        with blaming(bound, model):
            fixed = fixer.fix(weights, bound.fixed)
        kept = Placed(fixer.kept(fixed, scales.cache), "") if scales is not None else None
        proof, written = fixer.finish(fixed, "" if diff else place)
        kept = scales.written(kept) if written and scales is not None and kept is not None else kept
    _report(fixed, proof, kept, written, form, verbose, not no_color)
    return int(proof is not None and not proof.ok)


def _options(
    *,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    allow_approximate: bool,
    max_extra_macs: float,
    no_verify: bool,
    inputs: tuple[str, ...],
    rtol: float,
    atol: float,
    seed: int,
) -> Options:
    from dlalint.numeric import Tolerance
    from dlalint.numeric.dumps import read_npz
    from dlalint.rewrite.fixing import Options

    feeds = tuple(map(read_npz, inputs))
    tolerance = Tolerance(rtol, atol)
    return Options(_names(select), _names(ignore), allow_approximate, max_extra_macs / 100, not no_verify, tolerance, seed, feeds)


def _names(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _report(fixed: Fixed, proof: Proof | None, kept: Placed | None, place: str, form: str, verbose: bool, color: bool) -> None:
    if form == "json":
        from dlalint.report.fix_json import to_json

        output.write(to_json(fixed.found, proof, place, kept), None)
        return
    from dlalint.report.fix_text import to_text

    note = f"Written to {place}" if place else "Nothing was written."
    output.show(to_text(fixed.found, proof, note, output.width(), verbose=verbose, kept=kept), None, color)

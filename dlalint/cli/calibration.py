"""``dlalint calibration``: INT8 scales of tensors, from Q/DQ nodes or from data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import output
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, configuration, dimensions, goal, look
from dlalint.cli.progress import progress
from dlalint.cli.settings import Bound, blaming, settled
from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.pipeline import Session
from dlalint.target import Target
from dlalint.trtexec.flags import Flags, calibrated

if TYPE_CHECKING:
    from dlalint.calibration.translated import Proof, Translated
    from dlalint.rewrite.quantization.translating import Places


@click.command("calibration", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", metavar="MODEL", type=FILE)
@click.option(
    "-o", "--output", "path", metavar="FILE", type=FILE, help="Where the model without Q/DQ nodes goes; MODEL.float.onnx when not given."
)
@click.option("--in-place", is_flag=True, help="Replace MODEL itself.")
@click.option("--cache", metavar="FILE", type=FILE, help="Where the calibration cache goes; beside the written model when not given.")
@click.option("--layer-precisions", "precisions", metavar="FILE", type=FILE, help="Where the list of layers that have to run in FP16 goes.")
@click.option("--target", "target_name", metavar="NAME", help="SoC and release, e.g. orin-trt8.6.")
@configuration
@dimensions(", for the proof")
@click.option("--infer-average-pool", is_flag=True, help="Carry scales through means too, which change values.")
@click.option("--inputs", metavar="PATH", type=FILE, help="Calibrate MODEL, which has no Q/DQ nodes, on this folder or .npz.")
@click.option("--method", type=click.Choice(["max", "entropy", "percentile"]), default="entropy", show_default=True, help="With --inputs.")
@click.option("--percentile", type=click.FloatRange(50, 100), default=99.99, show_default=True, help="With --method percentile.")
@click.option("--no-verify", is_flag=True, help="Write the result without a proof.")
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, show_default=True, help="Of the inputs it is proven on.")
@click.option("--timeout", type=click.FloatRange(0.1, 86400), default=120.0, show_default=True, help="Seconds a run may take.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@look
@needs("numpy", "onnx")
def command(
    model: str,
    path: str | None,
    in_place: bool,
    cache: str | None,
    precisions: str | None,
    inputs: str | None,
    form: str,
    verbose: bool,
    no_color: bool,
    **given: Any,
) -> int:
    """Make the Q/DQ nodes of a model the INT8 scales of a calibration cache, as the DLA takes them up to TensorRT 10.

    MODEL is written without Q/DQ nodes, the scales go to the cache. With its pairs put back at those scales, it must compute what MODEL
    computes; otherwise nothing is written and the exit code is 1.
    """
    book = RuleSet.load()
    bound = settled(book, model, precision="int8", **{name: given.pop(name) for name in ("target_name", "config", "batch", "shapes")})
    flags = Flags(book.trtexec, book.sources, bound.target.trt)
    _takes_caches(flags, bound.target)
    by_data = {name: given.pop(name) for name in ("method", "percentile")}
    if inputs is None:
        from dlalint.rewrite.fixing import beside
        from dlalint.rewrite.quantization.translating import Places

        place = goal(model, path, in_place, beside(model, "float"))
        places = Places(place, cache or f"{os.path.splitext(place)[0]}.cache", precisions or "")
        return _translate(model, places, book, bound, flags, form, verbose, not no_color, **given)
    if path is not None or in_place or precisions is not None:
        raise UsageError("--inputs writes no model", where="--output", cure="Give --cache only.", code="E512")
    _no_pairs(model)
    from dlalint.cli.calibration_data import compute

    look_of = {"form": form, "verbose": verbose, "color": not no_color, "timeout": given["timeout"]}
    place = cache or f"{os.path.splitext(model)[0]}.cache"
    return compute(model, inputs, target=bound.target, flags=flags, cache=place, **by_data, **look_of)


def _no_pairs(model: str) -> None:
    from dlalint.model.load import load

    if any(node.op.op_type in ("QuantizeLinear", "DequantizeLinear") for node in load(model).graph.nodes):
        cure = "Leave --inputs out: the scales are in the model."
        raise UsageError("the model has Q/DQ nodes", where="--inputs", cure=cure, code="E550")


def _translate(
    model: str,
    places: Places,
    book: RuleSet,
    bound: Bound,
    flags: Flags,
    form: str,
    verbose: bool,
    color: bool,
    *,
    infer_average_pool: bool,
    no_verify: bool,
    seed: int,
    timeout: float,
) -> int:
    from dlalint.numeric import Runner
    from dlalint.rewrite.quantization.translating import Translator
    from dlalint.rewrite.weights import Weights

    _apart(model, places)
    with Session(book) as session, Runner(timeout) as runner, Weights(model) as weights, progress(f"reading {model}") as tell:
        translator = Translator(session, bound.target, runner, tell)
        with blaming(bound, model):
            made = translator.translate(weights, bound.fixed, average=infer_average_pool)
        proof = translator.save(made, places, prove_it=not no_verify, seed=seed)
    failed = proof is not None and not proof.ok
    _report(
        made.result,
        proof,
        {} if failed else _named(places if made.cache else places._replace(cache="")),
        _flags(flags, made.result, places),
        form,
        verbose,
        color,
    )
    return int(failed)


def _apart(model: str, places: Places) -> None:
    """Refuse to write one file over another."""
    used = [os.path.realpath(place) for place in places if place]
    if len(set(used)) < len(used) or os.path.realpath(model) in used[1:]:
        raise UsageError("two files have one place", where="--output", cure="Give each its own path.", code="E512")


def _takes_caches(flags: Flags, target: Target) -> None:
    if flags.find("calibration") is None:
        cure = "Build from a model with Q/DQ nodes, or give the target of an earlier release."
        what = f"TensorRT {target.release} takes no calibration cache: its networks are strongly typed"
        raise UsageError(what, where="--target", cure=cure, code="E532")


def _named(places: Places) -> dict[str, str]:
    found = {"model": places.model, "cache": places.cache, "layer_precisions": places.precisions}
    return {name: place for name, place in found.items() if place}


def _flags(flags: Flags, found: Translated, places: Places) -> list[str]:
    """The flags of trtexec that have to do with precision, quoted for a POSIX shell."""
    from shlex import quote

    from dlalint.rewrite.quantization.translating import listed

    if not found.scales:
        return []
    wanted, names = calibrated(places.model, places.cache), listed(found)
    if names:
        wanted.append(("constraints", "prefer"))
        if not places.precisions:
            wanted.append(("precisions", names))
    made = flags.spelled(wanted)
    listing = flags.find("precisions")
    if names and places.precisions and listing is not None:
        made.append(f'{listing.flag}="$(cat {quote(places.precisions)})"')
    return made


def _report(
    found: Translated, proof: Proof | None, files: dict[str, str], flags: Sequence[str], form: str, verbose: bool, color: bool
) -> None:
    if form == "json":
        from dlalint.report.quantized_json import to_json

        output.write(to_json(found, proof, files, flags if files else ()), None)
        return
    from dlalint.report.quantized_text import to_text

    called = {"model": "Model", "cache": "Scales", "layer_precisions": "Layer precisions"}
    notes = [f"{called[name]} written to {place}" for name, place in files.items()] or ["Nothing was written."]
    output.show(to_text(found, proof, notes, flags if files else (), output.width(), verbose=verbose), None, color)

"""``dlalint verify``: whether two models compute the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dlalint.cli import differences, emulation, output
from dlalint.cli.native import needs
from dlalint.cli.options import FILE, configuration, dimensions, look
from dlalint.cli.progress import progress
from dlalint.cli.settings import blaming, settled
from dlalint.engine.ruleset import RuleSet
from dlalint.errors import UsageError
from dlalint.report.layout import Row, Span, counted, listed, spans, wrapped

if TYPE_CHECKING:
    from dlalint.numeric import Difference, Tolerance, Verification


@click.command("verify", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("reference", metavar="A", type=FILE)
@click.argument("other", metavar="[B]", required=False, type=FILE)
@click.option("--emulate", type=click.Choice(("fp16",)), help="Run B, else A itself, rounded to FP16 after each layer.")
@click.option("--target", metavar="NAME", help="Whose layers round, with --emulate.")
@click.option("--inputs", multiple=True, metavar="FILE.npz", type=FILE, help="Compare on these inputs too; repeatable.")
@click.option("--only-inputs", is_flag=True, help="Leave the seeded sets of inputs out.")
@click.option("--tensor", "names", multiple=True, metavar="NAME", help="Compare only this output, or layer's tensor; repeatable.")
@click.option("--rtol", type=float, help="Tolerance relative to each element; 1e-4 when not given, 0 with --emulate.")
@click.option("--atol", type=float, help="Tolerance relative to the tensor's largest magnitude; 1e-5 when not given, 0.01 with --emulate.")
@click.option("--exact", is_flag=True, help="Tolerate nothing.")
@click.option("--seed", type=click.IntRange(0, (1 << 32) - 1), default=0, show_default=True, help="Of the inputs made up.")
@dimensions("; a free one is 1")
@configuration
@click.option("--timeout", type=click.FloatRange(0.1, 86400), default=120.0, show_default=True, help="Seconds a run may take.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True)
@click.option("-o", "--output", "path", metavar="FILE", type=FILE, help="Write the report to a file.")
@look
@needs("numpy", "onnx")
def command(
    reference: str,
    other: str | None,
    emulate: str | None,
    target: str | None,
    rtol: float | None,
    atol: float | None,
    only_inputs: bool,
    exact: bool,
    form: str,
    path: str | None,
    verbose: bool,
    no_color: bool,
    **given: Any,
) -> int:
    """Compare what two ONNX models compute, with onnxruntime.

    Both run on five sets of seeded inputs (normal, zeros, large, negative, channels) and on those of --inputs, an .npz with an array for
    each input by its name. The exit code is 0 when all outputs of A agree with those of B, 1 when not, 2 when they cannot be compared.

    With --emulate fp16, B (A itself when it is left out) runs with its inputs, its weights and all that one layer hands to the next rounded
    to FP16, and each layer is held against A in FP32; on the inputs given (files may hold many samples, or be a folder of such files),
    else on the set "normal".
    """
    if only_inputs and not given["inputs"]:
        raise UsageError("there are no inputs to compare on", where="--only-inputs", cure="Give --inputs too.", code="E522")
    _check(other, emulate, target, exact)
    if emulate is not None:
        look = {"form": form, "path": path, "verbose": verbose, "color": not no_color}
        return emulation.report(reference, other or reference, target, differences.tolerance(rtol or 0.0, _or(atol, 0.01)), look, **given)
    assert other is not None
    tolerance = differences.tolerance(_or(rtol, 1e-4), _or(atol, 1e-5))
    found = _verified(reference, other, tolerance, exact=exact, seeded=not only_inputs, **given)
    if form == "json":
        output.write(differences.as_json(_document(reference, other, found, tolerance, exact)), path)
    else:
        output.show(_rows(reference, other, found, tolerance, exact, verbose), path, not no_color)
    return int(not found.ok)


def _or(given: float | None, default: float) -> float:
    return default if given is None else given


def _check(other: str | None, emulate: str | None, target: str | None, exact: bool) -> None:
    if other is None and emulate is None:
        raise UsageError("there is nothing to compare with", where="B", cure="Give a second model, or --emulate fp16.", code="E522")
    if emulate is not None and exact:
        raise UsageError("no model is exact in FP16", where="--exact", cure="Leave it out, or --emulate.", code="E522")
    if emulate is None and target is not None:
        raise UsageError(
            "two models are compared for no target", where="--target", cure="Leave it out, or add --emulate fp16.", code="E522"
        )


def _verified(
    reference: str,
    other: str,
    tolerance: Tolerance,
    *,
    exact: bool,
    seeded: bool,
    inputs: tuple[str, ...],
    names: tuple[str, ...],
    seed: int,
    timeout: float,
    **given: Any,
) -> Verification:
    from dlalint.numeric import Runner, fixed_types, verify
    from dlalint.numeric.dumps import read_npz

    bound = settled(RuleSet.load(), reference, **given)
    with Runner(timeout) as runner, progress(f"comparing {reference} and {other}"):
        with blaming(bound, reference):
            types = fixed_types(runner, reference, bound.fixed)
        feeds = [read_npz(name) for name in inputs]
        return verify(
            runner,
            reference,
            other,
            tolerance=tolerance,
            exact=exact,
            inputs=feeds,
            seed=seed,
            names=names or None,
            types=types,
            seeded=seeded,
        )


def _worst(found: Verification, exact: bool) -> list[tuple[Difference, str, bool]]:
    """For each tensor the set on which it is furthest off."""
    worst = []
    for column in zip(*(items for _, items in found.sets), strict=True):
        passed = [item.bit_equal if exact else item.within for item in column]
        index = max(
            range(len(column)), key=lambda number: (not passed[number], column[number].required_atol, column[number].max_rel or 0.0)
        )
        equal = all(item.bit_equal for item in column)
        worst.append((column[index], "" if equal else f'worst on "{found.sets[index][0]}"', all(passed)))
    return worst


def _rows(reference: str, other: str, found: Verification, tolerance: Tolerance, exact: bool, verbose: bool) -> list[Row]:
    width = output.width()
    worst = _worst(found, exact)
    rows = [spans(Span(f"{reference} and {other}", "title"))]
    verdict, style = ("EQUAL", "good") if found.ok else ("UNPROVEN", "warn") if found.first is None else ("DIFFERENT", "bad")
    rows += wrapped(f"{verdict}: ", _sentence(found, worst, tolerance, exact), min(max(width, 60), 140), style)
    rows += [(), *differences.rows(worst, width, verbose)]
    notes = []
    if found.blind and len(found.blind) < len(found.sets):
        sets = ", ".join(f'"{label}"' for label in found.blind)
        notes.append(f"On {sets} the first model gives nothing but NaN and infinities: equal ones say little.")
    if found.extra:
        notes.append(f"Outputs of the second model only, not compared: {listed(found.extra, 1_000_000 if verbose else 6)}.")
    for note in notes:
        rows += wrapped("  note  ", note, min(max(width, 60), 140))
    return rows


def _sentence(found: Verification, worst: Sequence[tuple[Difference, str, bool]], tolerance: Tolerance, exact: bool) -> str:
    outputs, sets = counted(len(worst), "output"), counted(len(found.sets), "set")
    within = "exactly" if exact else f"within rtol {tolerance.rtol:g} and atol {tolerance.atol:g}"
    if found.ok:
        equal = all(item.bit_equal for item, _, _ in worst)
        return f"{outputs} on {sets} of inputs, {'bit by bit' if equal else within}."
    if found.first is None:
        return f"on {sets} of inputs the first model gives nothing but NaN and infinities."
    off = [(item, remark) for item, remark, passed in worst if not passed]
    first = next(remark for item, remark in off if item.tensor == found.first)
    return f"{len(off)} of {outputs} not equal {within}, the first is {found.first} ({first})."


def _document(reference: str, other: str, found: Verification, tolerance: Tolerance, exact: bool) -> dict[str, Any]:
    return {
        "schema": 1,
        "reference": reference,
        "other": other,
        "ok": found.ok,
        "exact": exact,
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "first": found.first,
        "blind": list(found.blind),
        "extra": list(found.extra),
        "sets": [{"name": label, "tensors": [differences.document(item) for item in items]} for label, items in found.sets],
    }

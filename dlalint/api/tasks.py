"""The functions of the interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlalint.api.report import Fix, Marks, Report
from dlalint.engine.ruleset import RuleSet
from dlalint.engine.targets import PRECISIONS, names, parse
from dlalint.errors import UsageError
from dlalint.model.inputs import Overrides
from dlalint.pipeline import Session
from dlalint.selection import Selection
from dlalint.target import Target

if TYPE_CHECKING:
    from dlalint.numeric import Array, Verification

Shapes = Mapping[str, Sequence[int]]
_NONE: Shapes = MappingProxyType({})


def targets() -> tuple[str, ...]:
    """The names of all targets, those without a DLA last."""
    return tuple(names(RuleSet.load()))


def check(
    model: str | PathLike[str] | bytes,
    target: str | Target = "",
    *,
    precision: str = "fp16",
    batch: int | None = None,
    shapes: Shapes = _NONE,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    others: Sequence[str] = (),
    session: Session | None = None,
) -> Report:
    """The predicted build of ``model`` on ``target`` (the default one when empty).

    ``model`` is a path, or the bytes of a serialized model. ``precision`` is ``fp16`` or ``int8`` (a :class:`Target` has its own),
    ``batch`` and ``shapes`` (by input name) fix free dimensions, ``select`` and ``ignore`` take codes, beginnings of codes or names of
    rules, ``others`` are targets to compare with. No configuration file is read. A ``session`` that is given is not closed: share one to
    check many models. Raises :class:`dlalint.DlalintError` when the model cannot be checked or an argument makes no sense.
    """
    with _session(session) as running:
        wanted = _target(target, precision, running.rules)
        lines = [parse(name, running.rules, wanted.precision, "others") for name in others]
        chosen = Selection(select, ignore, running.rules)
        fixed = _fixed(shapes, batch)
        view = running.view_bytes(model, "model", fixed) if isinstance(model, bytes) else running.view(model, fixed)
        return Report(chosen.apply(running.check(view, wanted, lines)), running.rules)


def fix(
    model: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    target: str | Target = "",
    *,
    precision: str = "fp16",
    batch: int | None = None,
    shapes: Shapes = _NONE,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    approximate: bool = False,
    prove: bool = True,
    session: Session | None = None,
) -> Fix:
    """Rewrite what the DLA refuses, where that makes the predicted placement better, and write the result to ``output``.

    Without ``output`` nothing is written. ``select`` and ``ignore`` are names of rewrites, ``approximate`` allows those that change values
    beyond rounding. Each rewrite and the whole model are proven with onnxruntime unless ``prove`` is false; what fails its proof is not
    written. Raises :class:`dlalint.DlalintError`.
    """
    from dlalint.numeric import Runner
    from dlalint.rewrite.fixing import Fixer, Options
    from dlalint.rewrite.weights import Weights

    options = Options(tuple(select), tuple(ignore), approximate, prove=prove)
    with _session(session) as running, Runner() as runner, Weights(fspath(model)) as weights:
        fixer = Fixer(running, _target(target, precision, running.rules), options, runner)
        fixed = fixer.fix(weights, _fixed(shapes, batch))
        proof, written = fixer.finish(fixed, "" if output is None else fspath(output))
        before, after = (Report(outcome, running.rules) for outcome in (fixed.found.before, fixed.found.after))
        return Fix(before, after, fixed.found.changes, fixed.found.attempts, proof, written)


def mark_outputs(
    model: str | PathLike[str],
    output: str | PathLike[str],
    target: str | Target = "",
    *,
    tensors: Sequence[str] = (),
    patterns: Sequence[str] = (),
    op_types: Sequence[str] = (),
    nodes: Sequence[str] = (),
    boundaries: bool = False,
    everything: bool = False,
    only: bool = False,
    precision: str = "fp16",
    batch: int | None = None,
    shapes: Shapes = _NONE,
    session: Session | None = None,
) -> Marks:
    """Write ``model`` to ``output`` with tensors from its inside as outputs too; the weights are copied and never read.

    Tensors are named by themselves, by ``patterns`` (globs), by the operator or the node that makes them; ``boundaries`` are those that
    cross between DLA and GPU, ``everything`` is whatever nodes make at run time. ``only`` drops the other outputs. No name map is written.
    Raises :class:`dlalint.DlalintError`.
    """
    from dlalint.rewrite.mark_output import Request, mark_output
    from dlalint.rewrite.marks import Choice

    choice = Choice(tuple(tensors), tuple(patterns), tuple(op_types), tuple(nodes), boundaries, everything)
    if choice == Choice():
        raise UsageError("no tensor is named", cure="Give tensors, patterns, op_types, nodes, boundaries or everything.", code="E510")
    with _session(session) as running:
        wanted = _target(target, precision, running.rules)
        found = mark_output(running, fspath(model), wanted, _fixed(shapes, batch), Request(choice, fspath(output), only))
        before, after = (Report(outcome, running.rules) for outcome in (found.before, found.after))
        new, already = (tuple(item.tensor for item in items) for items in (found.chosen.new, found.chosen.already))
        return Marks(before, after, new, already, found.dropped, found.command, found.output)


def verify(
    reference: str | PathLike[str],
    other: str | PathLike[str],
    *,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    exact: bool = False,
    inputs: Sequence[Mapping[str, Array]] = (),
    outputs: Sequence[str] | None = None,
    seed: int = 0,
    batch: int | None = None,
    shapes: Shapes = _NONE,
    timeout: float = 120.0,
) -> Verification:
    """Compare what two models compute with onnxruntime, on five seeded sets of inputs and on ``inputs`` (arrays by input name).

    ``rtol`` is relative to each element, ``atol`` to the largest of its tensor; ``exact`` tolerates nothing. ``outputs`` are the names to
    compare, all of ``reference`` when ``None``. ``timeout`` is in seconds for each run. The result's ``ok`` says whether all agree, its
    ``first`` names the first output that differs. Raises :class:`dlalint.DlalintError` when they cannot be compared.
    """
    from dlalint import numeric

    ours, theirs = fspath(reference), fspath(other)
    with numeric.Runner(timeout) as runner:
        return numeric.verify(
            runner,
            ours,
            theirs,
            tolerance=numeric.Tolerance(rtol, atol),
            exact=exact,
            inputs=inputs,
            seed=seed,
            names=outputs,
            types=numeric.fixed_types(runner, ours, _fixed(shapes, batch)),
        )


@contextmanager
def _session(given: Session | None) -> Iterator[Session]:
    if given is not None:
        yield given
        return
    with Session(digest=True) as own:
        yield own


def _target(target: str | Target, precision: str, book: RuleSet) -> Target:
    if isinstance(target, Target):
        return target
    if precision not in PRECISIONS:
        raise UsageError(f"{precision!r} is no precision", cure=f"Give {' or '.join(PRECISIONS)}.", code="E505")
    return parse(target or book.index["default"], book, precision, "target")


def _fixed(shapes: Shapes, batch: int | None) -> Overrides:
    return Overrides({name: tuple(shape) for name, shape in shapes.items()}, batch)

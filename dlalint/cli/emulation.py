"""``dlalint verify --emulate fp16``: how far FP16 is from FP32, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlalint.cli import differences, output
from dlalint.cli.progress import progress
from dlalint.cli.settings import blaming, settled
from dlalint.pipeline import Session
from dlalint.report.layout import Row, Span, counted, spans, table, wrapped

if TYPE_CHECKING:
    from dlalint.graph import TensorType
    from dlalint.numeric import Difference, Interface, Tolerance
    from dlalint.rewrite.emulation import Emulation, Feeds
    from dlalint.rewrite.rounding import Point
    from dlalint.target import Target

_SHOWN = 30  # tensors, unless everything is asked for
_LEGEND = (
    "max rel is the largest error in units of the tensor's largest magnitude in FP32, which stands under largest; not finite is the share"
    " of elements that only FP16 makes infinite or NaN."
)
_MODELLED = (
    "Inputs, weights and what one layer hands to the next are rounded, on DLA and GPU alike; within a layer sums are FP32, and TensorRT may"
    " fuse more layers, or keep one on the GPU in FP32."
)
_BEYOND = (
    "What is beyond FP16's last number becomes infinite, here as on the GPU; the open NVDLA hardware counts it as saturated, so that a DLA"
    " may go on with the last number instead, which is as wrong."
)


def report(
    reference: str,
    other: str,
    target_name: str | None,
    tolerance: Tolerance,
    look: Mapping[str, Any],
    *,
    inputs: tuple[str, ...],
    names: tuple[str, ...],
    seed: int,
    timeout: float,
    **given: Any,
) -> int:
    """Emulate, write the report, and return the exit code. Raises :class:`DlalintError`."""
    from dlalint.numeric import Runner, fixed_types
    from dlalint.rewrite.emulation import emulate

    with Session() as session, Runner(timeout) as runner, progress(f"reading {other}") as tell:
        bound = settled(session.rules, reference, target_name=target_name, precision="fp16", **given)
        target, interface = bound.target, runner.interface(reference)
        with blaming(bound, reference):
            types = fixed_types(runner, reference, bound.fixed) or interface.inputs
        sets = _Sets(types, interface, inputs, seed)
        found = emulate(runner, session, reference, other, target, sets, tolerance=tolerance, names=names, progress=tell)
    models = (reference,) if reference == other else (reference, other)
    source = "given" if inputs else f"random, seed {seed}"
    if look["form"] == "json":
        output.write(differences.as_json(_document(models, target, found, tolerance, source)), look["path"])
    else:
        output.show(_rows(models, target, found, tolerance, source, look["verbose"]), look["path"], look["color"])
    return int(found.first is not None)


class _Sets:
    """The labelled sets of inputs to run on, as many times as they are asked for: those of the files, else one that is made up."""

    def __init__(self, types: Mapping[str, TensorType], interface: Interface, files: Sequence[str], seed: int) -> None:
        from dlalint.numeric.samples import batches

        self._types, self._seed = types, seed
        self._files = {file: batches(file, interface._replace(inputs=dict(types))) for file in files}

    def __iter__(self) -> Iterator[tuple[str, Feeds]]:
        from dlalint.numeric import feeds

        if not self._files:
            yield next(feeds(self._types, self._seed))
        for file, found in self._files.items():
            for number, batch in enumerate(found, 1):
                yield file if len(found) == 1 else f"{file} {number}", batch


def _worst(found: Emulation) -> list[Difference]:
    """For each tensor the set on which it is furthest off."""
    columns = zip(*(items for _, items in found.sets), strict=True)
    return [max(column, key=lambda item: (not item.within, item.nan + item.inf, item.max_rel or 0.0)) for column in columns]


def _rows(models: Sequence[str], target: Target, found: Emulation, tolerance: Tolerance, source: str, verbose: bool) -> list[Row]:
    width = output.width()
    columns = min(max(width, 60), 140)
    worst = _worst(found)
    rows = [spans(Span(f"{' and '.join(models)} in FP16, layers of {target.name}", "title"))]
    lead, style = (
        ("OVERFLOW: ", "bad") if found.overflow is not None else ("OFF: ", "bad") if found.first is not None else ("CLOSE: ", "good")
    )
    rows += wrapped(lead, _sentence(found, worst, tolerance, source), columns, style)
    rows += [(), *_table(found, worst, columns, verbose)]
    for note in _notes(found, worst, source):
        rows += wrapped("  note  ", note, columns)
    return rows


def _sentence(found: Emulation, worst: Sequence[Difference], tolerance: Tolerance, source: str) -> str:
    on = f"on {counted(len(found.sets), 'set')} of inputs{'' if source == 'given' else f' ({source})'}"
    limit = f"{100 * tolerance.atol:g} % of its largest magnitude"
    limit += f" plus {100 * tolerance.rtol:g} % of each element" if tolerance.rtol else ""
    if found.overflow is not None:
        item = worst[found.overflow]
        count = item.nan + item.inf
        share = f"{count} of {item.elements} elements ({100 * count / max(item.elements, 1):.3g} %)"
        first = f"the first layer that leaves FP16 makes {_named(found.points[found.overflow])}"
        return f"{first}: {share} are finite in FP32 only, where they reach {item.scale:.4g}; {on}."
    if found.first is not None:
        bad = sum(not other.within for other in worst)
        said = f"{bad} of {counted(len(worst), 'tensor')} {'is' if bad == 1 else 'are'} off by more than {limit} {on}"
        return f"{said}; the first is {_named(found.points[found.first])} with {_percent(worst[found.first])}."
    most = max(range(len(worst)), key=lambda number: worst[number].max_rel or 0.0)
    furthest = f"the furthest off is {_named(found.points[most])} with {_percent(worst[most])}"
    return f"{counted(len(worst), 'tensor')} {on}, each within {limit}; {furthest}."


def _percent(item: Difference) -> str:
    return "another shape or type" if item.max_rel is None else f"{100 * item.max_rel:.2g} %"


def _named(point: Point) -> str:
    label = point.node if point.layer == point.node else f"{point.node}, layer {point.layer}"
    return f"{point.tensor} ({point.op_type} {label}, on the {point.device.value.upper()})"


def _table(found: Emulation, worst: Sequence[Difference], columns: int, verbose: bool) -> list[Row]:
    shown = range(len(worst))
    if len(worst) > _SHOWN and not verbose:
        first = (found.overflow, found.first)
        order = sorted(shown, key=lambda index: (index not in first, worst[index].within, -(worst[index].max_rel or 0.0)))
        shown = sorted(order[:_SHOWN])  # type: ignore[assignment]
    body = [_cells(found.points[index], worst[index]) for index in shown]
    rows = table(["max abs", "max rel", "not finite", "largest", "tensor"], body, columns, frozenset(range(4)))
    if len(body) < len(worst):
        rows.append(spans(Span(f"  and {len(worst) - len(body)} more that are no further off (-v shows all)", "dim")))
    return [*rows, *wrapped("  ", _LEGEND, columns, "dim")]


def _cells(point: Point, item: Difference) -> list[str]:
    if not item.alike:
        return ["-", "-", "-", f"{item.scale:.4g}", f"{point.tensor} ({point.op_type}, of another shape or type)"]
    lost = item.nan + item.inf
    share = f"{100 * lost / max(item.elements, 1):.3g} %" if lost else "-"
    return [f"{item.max_abs:.2e}", f"{item.max_rel:.2e}", share, f"{item.scale:.4g}", f"{point.tensor} ({point.op_type})"]


def _notes(found: Emulation, worst: Sequence[Difference], source: str) -> list[str]:
    notes = [_MODELLED]
    if found.overflow is not None:
        notes.append(_BEYOND)
    if source != "given":
        notes.append("Random inputs can show an overflow, never that there is none: give real ones with --inputs.")
    if found.already:
        notes.append("The first model is in FP16 itself: to see what FP16 costs, give its FP32 original first and this one second.")
    if found.closed:
        holds = "node holds" if found.closed == 1 else "nodes hold"
        notes.append(f"{found.closed} {holds} a function or bodies; inside nothing is rounded.")
    if found.small:
        said = "tensor lies" if found.small == 1 else "tensors lie"
        notes.append(f"{found.small} {said} below FP16's normal numbers as a whole, where it keeps fewer bits or none.")
    broken = sum(item.finite < item.elements for item in worst)
    if broken:
        notes.append(f"{counted(broken, 'tensor')} {'is' if broken == 1 else 'are'} not finite in FP32 already.")
    return notes


def _document(models: Sequence[str], target: Target, found: Emulation, tolerance: Tolerance, source: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "reference": models[0],
        "other": models[-1],
        "emulate": "fp16",
        "target": target.name,
        "inputs": source,
        "ok": found.first is None,
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "first": None if found.first is None else _place(found.points[found.first]),
        "overflow": None if found.overflow is None else _place(found.points[found.overflow]),
        "closed": found.closed,
        "layers": [_place(point) for point in found.points],
        "sets": [{"name": label, "tensors": [differences.document(item) for item in items]} for label, items in found.sets],
    }


def _place(point: Point) -> dict[str, str]:
    return {**point._asdict(), "device": point.device.value}

"""What became of Q/DQ nodes, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.calibration.translated import CARRIED, NO_SCALE, Half, Proof, Remark, Steps, TensorScale, Translated
from dlalint.report.layout import Row, Span, counted, listed, spans, table, wrapped

_SHOWN = 6


def to_text(
    found: Translated, proof: Proof | None, notes: Sequence[str], flags: Sequence[str], width: int, *, verbose: bool = False
) -> list[Row]:
    """The report as lines. ``notes`` say where the results went, ``flags`` are those of trtexec."""
    width = min(max(width, 60), 140)
    shown = 1_000_000 if verbose else _SHOWN
    carried = [item for item in found.scales if item.origin == CARRIED]
    rows = [spans(Span(f"{found.model} for {found.target}, INT8 by a calibration cache", "title"))]
    rows += wrapped("", sentence(found), width, "good" if not found.halves else "warn")
    rows += wrapped("", _placement(found), width)
    sections = [
        list(_titled("Remarks", _remarks(found.remarks, width, shown))),
        list(_titled("Carried scales", _carried(carried, width, shown))),
        list(_titled("In FP16", _halves(found.halves, width, shown))),
    ]
    if verbose:
        body = [[item.tensor, f"{item.scale:.6g}", f"{item.scale * 127:.6g}", _origin(item)] for item in found.scales]
        sections.append([spans(Span("Scales", "title")), *table(["Tensor", "scale", "largest", "from"], body, width, frozenset({1, 2}))])
    if proof is not None:
        sections.append(list(_proof(proof, width, shown)))
    sections.append([row for note in notes for row in wrapped("", note, width)])
    if flags:
        said = "What trtexec needs of it (`dlalint trtexec` with --precision int8 and --calibration prints the whole command):"
        sections.append([*wrapped("", said, width), *(spans("  ", Span(flag, "code")) for flag in flags)])
    for section in filter(None, sections):
        rows += [(), *section]
    return rows


def sentence(found: Translated) -> str:
    """The result in one sentence."""
    carried = sum(item.origin == CARRIED for item in found.scales)
    made = f"{counted(found.pairs, 'Q/DQ pair')} became {counted(len(found.scales) - carried, 'scale')}"
    more = f" and {counted(carried, 'scale')} followed from them" if carried else ""
    baked = f", {counted(found.constants, 'constant')} became floats" if found.constants else ""
    nodes, whole = counted(found.after.nodes, "node"), found.int8_nodes
    if not found.pairs:
        return (
            f"NO SCALES: only {counted(found.constants, 'constant')} had Q/DQ nodes, and became floats. Calibrate the result with --inputs."
        )
    verdict = "ALL INT8" if not found.halves else "PARTLY INT8" if whole else "NO INT8"
    return f"{verdict}: {made}{more}{baked}; {whole} of {nodes} have all the scales that INT8 takes."


def _placement(found: Translated) -> str:
    before, after = found.before, found.after
    now = f"{after.dla_nodes} of {counted(after.nodes, 'node')} on the DLA in {counted(after.loadables, 'loadable')}"
    return f"Predicted placement: {now}; with Q/DQ nodes {before.dla_nodes} of {before.nodes} in {before.loadables}."


def _titled(title: str, rows: Iterator[Row]) -> Iterator[Row]:
    first = next(rows, None)
    if first is not None:
        yield spans(Span(title, "title"))
        yield first
        yield from rows


# what several remarks of a kind have in common, with the cost of the worst
_SUMMARIES: dict[str, tuple[str, str]] = {
    "asymmetric": ("tensors are not symmetric: the symmetric INT8 of the DLA covers their range with steps up to {cost} wider", ".0%"),
    "per-channel": ("tensors have a scale for each channel: the largest is taken, which makes steps up to {cost} wider", ".0%"),
    "merged": ("tensors have pairs of different scales: the largest is taken, which makes steps up to {cost} wider", ".0%"),
    "relu": ("tensors were cut off at zero by their pair alone: a Relu or Clip in the written model does that again", ""),
    "input": ("inputs were cut off at zero by their pair: feed nothing below, no node of the result does that", ""),
    "weights": (
        "weights are quantized again by TensorRT, by the largest value of each channel: they move by up to {cost} of a step",
        ".2f",
    ),
    "unused": ("nodes are left out, as no output of the model depends on them", ""),
    "batch-norm": ("batch normalizations are part of the convolution before them, whose output had no Q/DQ pair", ""),
    "concat": ("nodes join tensors whose scales differ by a factor of up to {cost}: the finer ones lose digits", ".3g"),
    "float-input": ("inputs of integers are floats now: --inputIOFormats of trtexec makes them INT8 again", ""),
    "float-output": ("outputs of integers are floats now: --outputIOFormats of trtexec makes them INT8 again", ""),
}


def _remarks(remarks: Sequence[Remark], width: int, shown: int) -> Iterator[Row]:
    for kind, (said, form) in _SUMMARIES.items():
        items = sorted((item for item in remarks if item.kind == kind), key=lambda item: -item.cost)
        if len(items) == 1:
            yield from wrapped(f"  {kind}  ", f"{items[0].name}: {items[0].text}", width)
        elif items:
            names = listed([item.name for item in items], shown)
            yield from wrapped(f"  {kind}  ", f"{len(items)} {said.format(cost=format(items[0].cost, form))} ({names})", width)


def _carried(items: Sequence[TensorScale], width: int, shown: int) -> Iterator[Row]:
    for item in items[:shown]:
        yield from wrapped("  ", f"{item.tensor}: {_origin(item)}", width)
    if len(items) > shown:
        yield from wrapped("  ", f"and {len(items) - shown} more: -v lists them", width)


def _origin(item: TensorScale) -> str:
    return f"carried from {item.source} through {item.op_type}" if item.origin == CARRIED else "its Q/DQ pair"


def _halves(items: Sequence[Half], width: int, shown: int) -> Iterator[Row]:
    groups: dict[str, list[str]] = {}
    for item in items:
        unnamed = "" if item.layer else " (no name for trtexec)"
        groups.setdefault(item.reason, []).append(f"{item.op_type} {item.node}{unnamed}")
    for reason, nodes in list(groups.items())[:shown]:
        yield from wrapped(f"  {reason}: ", listed(nodes, shown), width)
    if len(groups) > shown:
        left = sum(map(len, list(groups.values())[shown:]))
        yield from wrapped("  ", f"and {counted(left, 'node')} for like reasons: -v lists them", width)
    if any(reason.endswith(NO_SCALE) for reason in groups):
        said = "A scale that no Q/DQ pair gives can be measured: `dlalint calibration` on the written model, with --inputs."
        yield from wrapped("  ", said, width, "dim")


def _proof(proof: Proof, width: int, shown: int) -> Iterator[Row]:
    yield from wrapped("Proof  ", proof_sentence(proof), width, "good" if proof.ok else "bad")
    if any(item.largest for item in proof.steps):
        coarse = any(item.int8_median is not None for item in proof.steps)
        also = " and, as INT8, with every activation rounded to the scale of the cache instead" if coarse else ""
        said = f"How far tensors move on seeded inputs without the pairs, as float{also}, in steps of the pairs, farthest first:"
        yield from wrapped("       ", said, width)
        head = ["Tensor", "median", "99.9 %", "largest", *(["INT8 median", "INT8 99.9 %"] if coarse else []), "beyond the range"]
        yield from table(head, [_step(item, coarse) for item in proof.steps[:shown]], width, frozenset(range(1, len(head) - 1)))


def _step(item: Steps, coarse: bool) -> list[str]:
    numbers = [item.median, item.most, item.largest, *([item.int8_median or 0.0, item.int8_most or 0.0] if coarse else [])]
    return [item.tensor, *(f"{number:.2f}" for number in numbers), f"{item.beyond:.1%}"]


def proof_sentence(proof: Proof) -> str:
    """The proof in one sentence."""
    sets = f"{counted(len(proof.sets), 'set')} of inputs ({', '.join(proof.sets)})"
    if not proof.pairs and proof.ok:
        return f"original and result are bit-equal on {sets}."
    if not proof.ok:
        return f"FAILED on {sets}: {proof.fault}."
    how = "bit-equal" if proof.exact else f"equal to {proof.restored:.1e} of the largest value"
    scales = f"{proof.cached} of them at scales of the cache" if 0 < proof.cached < proof.pairs else "at scales of the cache"
    scales = scales if proof.cached else "at their own scales"
    folded = "" if proof.folded is None else f" Folding batch normalizations moves outputs by {proof.folded:.1e} of the largest."
    back = f"with its {counted(proof.pairs, 'pair')} put back, {scales}, the written model is {how} to the original"
    return f"{back} at all {proof.tensors} tensors, on {sets}.{folded}"

"""What was measured or given beside the model, in reports for people: how far INT8 scales and FP16's numbers reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.measured import Coverage, Reach
from dlalint.named_tuple import NamedTuple
from dlalint.plan import Outcome
from dlalint.report.layout import Row, Span, counted, listed, spans, wrapped

_SHOWN = 6


INT8, FP16 = "INT8 scales", "FP16 range"


class Said(NamedTuple):
    """A sentence under a heading; ``style`` is good, warn or bad."""

    heading: str
    sentence: str
    style: str


def measured_words(outcome: Outcome) -> list[Said]:
    """What is said about scales and ranges that were given or measured; nothing without them."""
    found = []
    if outcome.coverage is not None:
        found.append(Said(INT8, _scales(outcome.coverage), "warn" if outcome.coverage.in_fp16 else "good"))
    if outcome.reach is not None:
        style = "bad" if outcome.reach.over else "warn" if outcome.reach.near or outcome.reach.small else "good"
        found.append(Said(FP16, _ranges(outcome.reach), style))
    return found


def measured_rows(outcome: Outcome, width: int, *, verbose: bool) -> Iterator[Row]:
    """The sections of a text report."""
    for number, item in enumerate(measured_words(outcome)):
        if number:
            yield ()
        yield spans(Span(item.heading, "title"))
        yield from wrapped("  ", item.sentence, width, item.style)
        if item.heading == FP16 and outcome.reach is not None:
            yield from _details(outcome.reach, width, verbose)


def _scales(found: Coverage) -> str:
    if not found.tensors:
        return "No tensor needs one: no layer on the DLA has an INT8 form, or FP16 is asked of all that have."
    place = f" in {found.path}" if found.path else ""
    said = f"{found.scaled} of {counted(found.tensors, 'tensor')} on the DLA have a usable scale{place}"
    lost = len(found.in_fp16)
    if not lost:
        return f"{said}."
    share = f" with {100 * found.macs_in_fp16 / found.macs:.1f} % of their multiplications" if found.macs else ""
    return f"{said}; of {counted(found.layers, 'layer')} with an INT8 form {lost} {'runs' if lost == 1 else 'run'} in FP16{share}."


def _ranges(found: Reach) -> str:
    source = f"random data (seed {found.ranges.seed})" if found.ranges.seed is not None else found.ranges.source
    lead = f"{counted(len(found.measured), 'tensor')} measured on {counted(found.ranges.samples, 'sample')} of {source}"
    parts = [f"{len(names)} {said}" for names, said in _counts(found) if names]
    return f"{lead}: {', '.join(parts) or 'all within FP16'}."


def _details(found: Reach, width: int, verbose: bool) -> Iterator[Row]:
    if found.margins:
        tight = [f"{name} ({_margin(margin)})" for name, margin in found.margins]
        yield from wrapped("  tightest  ", ", ".join(tight), width)
    if found.layers:
        yield from wrapped("  touching  ", listed(found.layers, 1_000_000 if verbose else _SHOWN), width)
        yield from wrapped("  in FP32   ", found.in_fp32, width)


def _counts(found: Reach) -> Sequence[tuple[Sequence[str], str]]:
    return (found.over, "beyond FP16"), (found.near, "near its end"), (found.small, "below its normal numbers")


def _margin(margin: float) -> str:
    if margin < 1:
        return f"{1 / margin:.3g} times too large"
    return f"could be {margin:.3g} times as large" if margin < 1000 else "could be over 1000 times as large"

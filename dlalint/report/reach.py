"""How far the tensors of a network reach into FP16, in the report for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlalint.measured import Reach
from dlalint.plan import Outcome
from dlalint.report.layout import Row, Span, counted, listed, spans, wrapped

_SHOWN = 6


def reach_rows(outcome: Outcome, width: int, *, verbose: bool) -> Iterator[Row]:
    """The section "FP16 range"; nothing when no tensor was measured."""
    found = outcome.reach
    if found is None:
        return
    yield spans(Span("FP16 range", "title"))
    source = f"random data (seed {found.ranges.seed})" if found.ranges.seed is not None else found.ranges.source
    lead = f"{counted(len(found.measured), 'tensor')} measured on {counted(found.ranges.samples, 'sample')} of {source}"
    parts = [f"{len(names)} {said}" for names, said in _counts(found) if names]
    style = "bad" if found.over else "warn" if parts else "good"
    yield from wrapped("  ", f"{lead}: {', '.join(parts) or 'all within FP16'}.", width, style)
    if found.margins:
        tight = [f"{name} ({_margin(margin)})" for name, margin in found.margins]
        yield from wrapped("  tightest  ", ", ".join(tight), width)
    if found.layers:
        yield from wrapped("  touching  ", listed(found.layers, 1_000_000 if verbose else _SHOWN), width)
        yield from wrapped("  in FP32   ", in_fp32(outcome, found.layers), width)


def _counts(found: Reach) -> Sequence[tuple[Sequence[str], str]]:
    return (found.over, "beyond FP16"), (found.near, "near its end"), (found.small, "below its normal numbers")


def _margin(margin: float) -> str:
    if margin < 1:
        return f"{1 / margin:.3g} times too large"
    return f"could be {margin:.3g} times as large" if margin < 1000 else "could be over 1000 times as large"


def in_fp32(outcome: Outcome, layers: Sequence[str]) -> str:
    """How a build keeps ``layers`` in FP32: with the words of trtexec from 8.4 on, else with those of the builder."""
    trt = outcome.target.trt
    plain = [name for name in layers if not set(name) & set(",:'\"\\ ")]
    if trt < (8, 4) or trt >= (11, 0) or len(plain) < len(layers):
        way = "Cast them to FP32 in the model" if trt >= (11, 0) else "ILayer::setPrecision(DataType::kFLOAT)"
        return f"{way}: the DLA has no FP32, so that they go to the GPU."
    return f"--precisionConstraints=obey '--layerPrecisions={','.join(f'{name}:fp32' for name in layers)}'"

"""INT8 scales of a model from data: what its tensors hold, and where their ranges end."""

from __future__ import annotations

from collections.abc import Callable

from dlalint.calibration.cache import scale_of, usable
from dlalint.calibration.moves import shared
from dlalint.named_tuple import NamedTuple
from dlalint.numeric.ranges import BINS, Progress, Range, surveying
from dlalint.numeric.runner import Interface, Runner
from dlalint.numeric.samples import batches
from dlalint.numeric.thresholds import clipped, threshold


class Scale(NamedTuple):
    """A tensor with its ``scale``: ``threshold``, the largest absolute value that it can hold, divided by 127, as a float32.

    ``clipped`` is the share of its finite elements beyond. ``widened`` says that another tensor's range was taken for this one, because
    a layer moves elements between them.
    """

    tensor: str
    found: Range
    threshold: float
    scale: float
    clipped: float
    widened: bool


class Calibration(NamedTuple):
    """The tensors with a scale and those without, with what they held, both in the model's order."""

    scales: tuple[Scale, ...]
    without: tuple[tuple[str, Range], ...]
    files: int
    batches: int
    samples: int


def calibrate(
    runner: Runner,
    model: str,
    inputs: str,
    *,
    method: str,
    percentile: float,
    check: Callable[[tuple[str, ...]], None] | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """The scales of all tensors of floats that change with the inputs, from the files that :func:`dlalint.numeric.samples.batches` reads.

    ``method`` is one of :data:`dlalint.numeric.thresholds.METHODS`. ``check`` gets the names before anything runs, and may raise. The same
    files give the same scales. Raises :class:`DlalintError`.
    """
    with surveying(runner, model, bins=0 if method == "max" else BINS) as survey:
        if check is not None:
            check(tuple(survey.wanted))
        given = batches(inputs, Interface(survey.inputs, {}))
        survey.run(given, progress)
        ends = {name: threshold(method, found, histogram, percentile) for name, found, histogram in survey.found()}
        wide = shared(survey.graph, ends)
        scales: list[Scale] = []
        without: list[tuple[str, Range]] = []
        for name, found, histogram in survey.found():
            scale = scale_of(wide[name])
            if usable(scale):
                beyond = 0.0 if method == "max" else clipped(wide[name], found, histogram)
                scales.append(Scale(name, found, wide[name], scale, beyond, wide[name] > ends[name]))
            else:
                without.append((name, found))
    return Calibration(tuple(scales), tuple(without), len(given.files), len(given), given.samples)

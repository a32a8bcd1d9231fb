"""Files of users that say what is INT8: calibration caches and lists of layer precisions."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from dlalint.errors import UsageError
from dlalint.measured import NOTHING, Measured, Scales

if TYPE_CHECKING:
    from dlalint.calibration.cache import Cache


def known(calibration: str | None, layer_precisions: str | None) -> Measured:
    """What the options of :func:`dlalint.cli.options.int8` say. Raises :class:`DlalintError`."""
    if calibration is None and layer_precisions is None:
        return NOTHING
    from dlalint.calibration.cache import Cache
    from dlalint.calibration.layer_precisions import parse as kinds_of
    from dlalint.config import content

    cache = read_cache(calibration) if calibration is not None else Cache("", "", {})
    kinds = {}
    if layer_precisions is not None:
        from_file = layer_precisions.startswith("@")
        text = content(layer_precisions[1:]).decode("utf-8", "surrogateescape") if from_file else layer_precisions
        if text.strip() or not from_file:  # a file may name no layer at all
            kinds = kinds_of(text, layer_precisions[1:] if from_file else "--layer-precisions")
    return Measured(Scales(calibration or "", cache.version, cache.algorithm, cache.scales, kinds))


def read_cache(path: str) -> Cache:
    """The calibration cache in a file. Raises :class:`DlalintError`."""
    from dlalint.calibration.cache import MAX_BYTES, parse
    from dlalint.config import content

    return parse(content(path, MAX_BYTES).decode("utf-8", "surrogateescape"), path)


def fits(scales: Scales, precisions: Collection[object]) -> None:
    """Refuse scales when nothing is built in INT8. Raises :class:`UsageError`."""
    if "int8" not in precisions:
        option = "--calibration" if scales.path else "--layer-precisions"
        raise UsageError("scales are for INT8", where=option, cure="Add --precision int8.", code="E532")


def fits_fp16(precisions: Collection[object]) -> None:
    """Refuse inputs to measure ranges on when nothing is built in FP16. Raises :class:`UsageError`."""
    if not set(precisions) & {None, "fp16"}:
        cure = "Leave it out, or --precision int8; `dlalint calibration` measures scales."
        raise UsageError("ranges are checked for FP16", where="--inputs", cure=cure, code="E534")

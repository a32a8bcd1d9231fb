"""What became of a calibration cache when its model was rewritten, for people."""

from __future__ import annotations

from collections.abc import Iterator

from dlalint.calibration.kept import Placed
from dlalint.report.layout import Row, counted, listed, wrapped


def cache_rows(placed: Placed, width: int, shown: int) -> Iterator[Row]:
    """The lines of a report."""
    found, path = placed
    where = f" in {path}" if path else ", not written"
    moved = f"{len(found.dropped)} fewer for tensors that are gone, {len(found.carried)} more for tensors that rewrites made"
    said = f"{counted(len(found.cache.scales), 'scale')}{where} ({moved})."
    yield from wrapped("Cache  ", said, width, "warn" if found.missing else "good")
    if found.carried:
        pairs = [f"{item.tensor} from {item.source}" for item in found.carried]
        yield from wrapped("       ", f"The same values moved, so the same scale: {listed(pairs, shown)}.", width)
    if found.missing:
        said = f"{counted(len(found.missing), 'new tensor')} with new values and no scale: {listed(found.missing, shown)}."
        yield from wrapped("       ", f"{said} Calibrate them, or what touches them runs in FP16.", width)
    if found.strangers:
        names = listed(found.strangers, shown)
        yield from wrapped(
            "       ", f"{counted(len(found.strangers), 'scale')} of no tensor of the model, kept as they are: {names}.", width
        )

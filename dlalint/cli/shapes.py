"""The options that fix dimensions."""

from __future__ import annotations

import re

from dlalint.errors import UsageError
from dlalint.model.inputs import Overrides

_DIM = re.compile(r"\d{1,10}")
_CURE = "Write --shape NAME:1x3x224x224."


def overrides(shapes: tuple[str, ...], batch: int | None) -> Overrides:
    """What ``--shape`` and ``--batch`` fix. Raises :class:`UsageError`."""
    found: dict[str, tuple[int, ...]] = {}
    for text in shapes:
        name, _, dims = text.rpartition(":")
        sizes = [size for size in re.split(r"[x,\s]+", dims.strip("[]() ").lower()) if size]
        if not name or not sizes or not all(_DIM.fullmatch(size) for size in sizes):
            raise UsageError(f"{text!r} is no shape", where="--shape", cure=_CURE, code="E503")
        if any(int(size) < 1 or int(size) >= 1 << 31 for size in sizes):
            raise UsageError(f"{text!r} has a dimension that no tensor can have", where="--shape", cure=_CURE, code="E503")
        found[name] = tuple(int(size) for size in sizes)
    if batch is not None and not 0 < batch < 1 << 31:
        raise UsageError(f"{batch} is no batch", where="--batch", cure="Give a number from 1.", code="E503")
    return Overrides(found, batch)

"""The calibration cache that `dlalint fix` keeps in step with the model."""

from __future__ import annotations

import os

from dlalint.calibration.cache import Cache, to_text
from dlalint.calibration.kept import Placed
from dlalint.cli.scales import read_cache
from dlalint.errors import UsageError
from dlalint.model.save import check_target, write
from dlalint.named_tuple import NamedTuple


class Scales(NamedTuple):
    """The cache that was given, and where the new one goes."""

    cache: Cache
    place: str

    @classmethod
    def of(cls, path: str | None, place: str | None, result: str, model: str) -> Scales | None:
        """What --calibration and --calibration-output say; ``result`` is where the model goes. Raises :class:`DlalintError`."""
        if path is None:
            if place is not None:
                cure = "Give --calibration too."
                raise UsageError("there is no cache to keep", where="--calibration-output", cure=cure, code="E522")
            return None
        goal = place or f"{os.path.splitext(result)[0]}.cache"
        if os.path.realpath(goal) in (os.path.realpath(result), os.path.realpath(model)):
            raise UsageError("the model is there", where="--calibration-output", cure="Give another path.", code="E512")
        check_target(goal, "the calibration cache")
        return cls(read_cache(path), goal)

    def written(self, placed: Placed) -> Placed:
        """The cache for the rewritten model, once it is in its file."""
        write([to_text(placed.kept.cache).encode("utf-8", "surrogateescape")], self.place, what="the calibration cache", limit=None)
        return placed._replace(path=self.place)

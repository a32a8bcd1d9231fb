"""What became of a calibration cache when its model was rewritten."""

from __future__ import annotations

from dlalint.calibration.cache import Cache
from dlalint.calibration.translated import TensorScale
from dlalint.named_tuple import NamedTuple


class Kept(NamedTuple):
    """``cache`` is for the rewritten model. ``dropped`` are tensors that are gone, ``carried`` new ones with the scale of what they move,
    ``missing`` new ones that need calibration. ``strangers`` were in the cache but never in the model."""

    cache: Cache
    dropped: tuple[str, ...]
    carried: tuple[TensorScale, ...]
    missing: tuple[str, ...]
    strangers: tuple[str, ...]


class Placed(NamedTuple):
    """A cache and the file that it was written to, empty when it was not."""

    kept: Kept
    path: str

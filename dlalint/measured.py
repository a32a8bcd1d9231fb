"""What a user knows of a network beside its file: INT8 scales and layer precisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Scales(NamedTuple):
    """A calibration cache and a list of layer precisions.

    ``values`` are the scales by tensor name, ``kinds`` the types by layer name (``*`` for all others). ``version`` is the TensorRT release
    that the cache names, as in ``8.5.10``; it and ``algorithm`` are empty when it names none.
    """

    path: str
    version: str
    algorithm: str
    values: Mapping[str, float]
    kinds: Mapping[str, str] = {}


class Coverage(NamedTuple):
    """How far INT8 scales reach. Tensors and layers are those that the DLA would compute in INT8; work is in multiply-accumulates.

    ``in_fp16`` names the layers that lose INT8 because a tensor of theirs has no scale that can be used.
    """

    path: str
    tensors: int
    scaled: int
    layers: int
    in_fp16: tuple[str, ...]
    macs: int
    macs_in_fp16: int


class Measured(NamedTuple):
    """All of it; what is ``None`` was not given."""

    scales: Scales | None = None


NOTHING = Measured()

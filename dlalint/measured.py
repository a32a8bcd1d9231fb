"""What a user knows of a network beside its file: INT8 scales, layer precisions, and what its tensors hold."""

from __future__ import annotations

from collections.abc import Mapping

from dlalint.named_tuple import NamedTuple


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


class Range(NamedTuple):
    """What a tensor held. ``low`` and ``high`` are of its finite elements, ``largest`` is the largest absolute value of those.

    ``smallest`` is the smallest absolute value but zero, 0.0 when there is none. ``count`` is the number of all elements, ``nonfinite``
    that of NaN and infinities; a tensor without finite elements has the range 0.0 to 0.0.
    """

    low: float
    high: float
    largest: float
    smallest: float
    nonfinite: int
    count: int  # type: ignore[assignment]


class Weight(NamedTuple):
    """What a constant holds in FP16: its largest finite absolute value, elements that are no normal numbers there, those of them that
    become 0, and all elements."""

    largest: float
    subnormal: int
    zero: int
    elements: int


class Ranges(NamedTuple):
    """What the tensors of a model held over some inputs, and its constants, by name. ``seed`` is there when the inputs were made up."""

    source: str
    samples: int
    tensors: Mapping[str, Range]
    weights: Mapping[str, Weight] = {}
    seed: int | None = None


class Reach(NamedTuple):
    """How far a network's tensors reach into FP16. The names are those of tensors that layers hand on, in their order.

    ``over`` go beyond it, ``near`` come near its end, ``small`` lie below its normal numbers, ``unmeasured`` counts those without a range.
    ``margins`` are the factors by which the tightest could grow, ``layers`` those that touch what overflows, ``in_fp32`` the way to keep
    these in FP32.
    """

    ranges: Ranges
    measured: tuple[str, ...]
    over: tuple[str, ...]
    near: tuple[str, ...]
    small: tuple[str, ...]
    unmeasured: int
    margins: tuple[tuple[str, float], ...]
    layers: tuple[str, ...]
    in_fp32: str


class Measured(NamedTuple):
    """All of it; what is ``None`` was not given."""

    scales: Scales | None = None
    ranges: Ranges | None = None


NOTHING = Measured()

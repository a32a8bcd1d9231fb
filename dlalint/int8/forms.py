"""Which layers the DLA computes in INT8."""

from __future__ import annotations

from dlalint.network import Layer
from dlalint.placement import Placement


def runs_in_fp16(layer: Layer, placed: Placement) -> bool:
    """Whether the DLA of the release has no INT8 form of a layer."""
    limit = placed.rules.limits.get("int8.layers_in_fp16")
    return limit is not None and isinstance(limit.value, tuple) and kind_in_words(layer) in limit.value


def kind_in_words(layer: Layer) -> str:
    """What limits call a layer: the operation of an activation, else its kind."""
    return str(layer.spec.params.get("op")) if layer.spec.kind == "ACTIVATION" else layer.spec.kind

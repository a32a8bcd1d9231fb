"""Quantities of quantize and dequantize layers: what their scale and zero point are."""

from __future__ import annotations

from typing import Any

from dlalint.engine.registry import SKIP, quantity
from dlalint.network import LayerSpec
from dlalint.target import Target


@quantity("quantize.scale_types")
def _scale_type(spec: LayerSpec, _: Target) -> Any:
    scale = spec.inputs[1].type if len(spec.inputs) > 1 else None
    return scale.dtype if scale is not None else None


@quantity("quantize.per_tensor")
def _per_tensor(spec: LayerSpec, _: Target) -> Any:
    if spec.inputs[0].constant:
        return SKIP
    scale = spec.inputs[1].type if len(spec.inputs) > 1 else None
    return None if scale is None or scale.elements is None else scale.elements == 1


def asymmetric(spec: LayerSpec) -> bool | None:
    """Whether a zero point of the layer is not 0; one that is not given is 0. ``None`` when it cannot be known."""
    if len(spec.inputs) < 3:
        return False
    zeros = spec.inputs[2].items
    return None if zeros is None else any(zeros)


@quantity("quantize.symmetric")
def _symmetric(spec: LayerSpec, _: Target) -> Any:
    found = asymmetric(spec)
    return None if found is None else not found


@quantity("quantize.asymmetric")
def _asymmetric(spec: LayerSpec, _: Target) -> Any:
    return asymmetric(spec)


@quantity("quantize.asymmetric_types")
def _asymmetric_type(spec: LayerSpec, _: Target) -> Any:
    if asymmetric(spec) is not True:
        return SKIP
    zero = spec.inputs[2].type
    return zero.dtype if zero is not None else None

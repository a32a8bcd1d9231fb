"""Memory on the DLA: the convolution buffer, weights and tensors of a loadable, and the work of a layer."""

from __future__ import annotations

import math
from typing import Any

from dlalint.engine.quantities import effective_batch, first_data
from dlalint.engine.registry import SKIP, quantity
from dlalint.graph import volume
from dlalint.named_tuple import NamedTuple
from dlalint.network import LayerSpec
from dlalint.target import Target

_BANK_BYTES = 32768
_BANK_ENTRIES = 256
_ATOM_BYTES = 32
_KERNEL_ALIGN = 128


@quantity("conv.banks", targeted=True)
def banks(spec: LayerSpec, target: Target) -> Any:
    """The banks of the convolution buffer that one kernel and the rows under it need.

    Source: TensorRT 8.4 guide, section 12; a bank is 32 KiB, 256 entries of 128 bytes, an entry four atoms of 32 bytes.
    """
    dims, kernel, dilation = spec.inputs[0].dims, spec.params.get("kernel"), spec.params.get("dilation")
    if dims is None or len(dims) != 4 or not isinstance(kernel, tuple) or not isinstance(dilation, tuple) or len(kernel) != 2:
        return SKIP  # other limits refuse the layer or cannot be known
    channels, width = dims[1], dims[3]
    height = (int(kernel[0]) - 1) * int(dilation[0]) + 1
    entries = math.ceil(math.ceil(channels * target.element_bytes / _ATOM_BYTES) * width / 4)
    data = math.ceil(entries * height / _BANK_ENTRIES)
    kernel_bytes = channels * int(kernel[0]) * int(kernel[1]) * target.element_bytes
    aligned = math.ceil(kernel_bytes / _KERNEL_ALIGN) * _KERNEL_ALIGN
    return math.ceil(aligned / _BANK_BYTES) + data


class Load(NamedTuple):
    """What a layer costs: multiply-accumulates of one run, constants it holds, elements of each output (0 where not known), batch."""

    macs: int
    weights: int
    outputs: tuple[int, ...]
    batch: int | None


def load(spec: LayerSpec) -> Load:
    """The work and memory of a layer."""
    outputs = tuple((kind.elements or 0) if kind is not None else 0 for kind in spec.outputs)
    return Load(macs(spec), weight_elements(spec), outputs, effective_batch(first_data(spec)))


def macs(spec: LayerSpec) -> int:
    """Multiply-accumulates of one run of the layer; 0 where they cannot be known or there are none."""
    out = spec.outputs[0].dims if spec.outputs and spec.outputs[0] is not None else None
    inside = spec.inputs[0].dims if spec.inputs else None
    kernel = spec.params.get("kernel")
    if spec.kind == "MATRIX_MULTIPLY" and out is not None and inside:
        return volume(out) * inside[-1]
    if out is None or inside is None or len(inside) < 2 or not isinstance(kernel, tuple):
        return 0
    groups = spec.params.get("groups")
    size = volume(tuple(int(item) for item in kernel)) * inside[1] // (groups if isinstance(groups, int) and groups > 0 else 1)
    if spec.kind in ("CONVOLUTION", "FULLY_CONNECTED"):
        return volume(out) * size
    if spec.kind == "DECONVOLUTION" and len(out) > 1:
        maps = out[1] // (groups if isinstance(groups, int) and groups > 0 else 1)
        return volume(inside) * maps * volume(tuple(int(item) for item in kernel))
    return 0


def weight_elements(spec: LayerSpec) -> int:
    """How many constants the layer holds."""
    return sum(operand.type.elements or 0 for operand in spec.inputs if operand.constant and operand.type is not None)

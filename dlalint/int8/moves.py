"""Layers that move values and change none: in INT8 they are exact only when what goes in and what comes out have one scale."""

from __future__ import annotations

from array import array

from dlalint.errors import ModelError
from dlalint.graph import Model, Tensor, dtype_size, volume
from dlalint.model.payload import payload
from dlalint.network import Layer

_ONE = {"float32": (b"\0\0\x80\x3f", "I"), "float16": (b"\0\x3c", "H")}
_KINDS = frozenset({"SHUFFLE", "SLICE", "PADDING"})
_ELEMENTS = 1 << 24


def moves_only(layer: Layer, model: Model) -> bool:
    """Whether a layer only moves values: a reshape, a slice, a nearest resize, or a convolution that picks one input for each output."""
    spec = layer.spec
    if spec.kind == "RESIZE":
        return spec.params.get("mode") == "NEAREST"
    if spec.kind != "CONVOLUTION":
        return spec.kind in _KINDS
    if len(layer.inputs) != 2 or not spec.inputs[1].constant:
        return False
    weights = model.graph.constants.get(layer.inputs[1])
    return weights is not None and len(weights.dims) == 4 and picks(weights, model.path)


def picks(weights: Tensor, path: str) -> bool:
    """Whether every kernel of ``weights`` (out, in, height, width) is a single 1 among zeros. The first kernel nearly always tells."""
    if weights.dtype not in _ONE or not 0 < volume(weights.dims) <= _ELEMENTS:
        return False
    size = volume(weights.dims[1:]) * int(dtype_size(weights.dtype))
    try:
        if not _one(payload(path, weights, 0, size), weights.dtype):
            return False
        rest = payload(path, weights, size, size * (weights.dims[0] - 1))
    except ModelError:  # a lint needs no weights, so that those that are not there are no error
        return False
    return all(_one(rest[at : at + size], weights.dtype) for at in range(0, len(rest), size))


def _one(kernel: bytes, dtype: str) -> bool:
    one, code = _ONE[dtype]
    if kernel.count(0) != len(kernel) - sum(byte != 0 for byte in one):
        return False
    return array(code, kernel).count(int.from_bytes(one, "little")) == 1

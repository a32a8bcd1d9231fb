"""Layers that move values and change none: in INT8 they are exact only when what goes in and what comes out have one scale."""

from __future__ import annotations

import os
from array import array

from dlalint.graph import Model, Tensor, dtype_size, volume
from dlalint.model.external import fault
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
    first = _bytes(weights, path, 0, size)
    if not _one(first, weights.dtype):
        return False
    rest = _bytes(weights, path, size, size * (weights.dims[0] - 1))
    return all(_one(rest[at : at + size], weights.dtype) for at in range(0, len(rest), size)) and len(rest) == size * (weights.dims[0] - 1)


def _one(kernel: bytes, dtype: str) -> bool:
    one, code = _ONE[dtype]
    if not kernel or kernel.count(0) != len(kernel) - sum(byte != 0 for byte in one):
        return False
    return array(code, kernel).count(int.from_bytes(one, "little")) == 1


def _bytes(tensor: Tensor, path: str, start: int, length: int) -> bytes:
    """Bytes of a tensor, empty when they cannot be had."""
    if isinstance(tensor.payload, bytes) and tensor.form == "raw":
        return tensor.payload[start : start + length]
    where = tensor.where
    if where is None or tensor.form != "raw" or (where.file and fault(path, where.file, where.offset + tensor.nbytes)):
        return b""
    file = os.path.join(os.path.dirname(path), where.file) if where.file else path
    try:
        with open(file, "rb") as stream:
            stream.seek(where.offset + start)
            return stream.read(length)
    except OSError:
        return b""

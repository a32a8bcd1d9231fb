"""Nodes, types and small tensors as protobuf bytes: the questions put to onnx's shape inference."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

from dlalint.graph import DTYPE_CODES, Attribute, Op, Scalar, TensorType
from dlalint.model.wire import FIXED32, encode_bytes, encode_int, encode_varint

# AttributeProto.AttributeType
_FLOAT, _INT, _STRING, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 6, 7, 8


def node(op: Op, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """NodeProto of ``op`` over these tensor names."""
    names = b"".join(encode_bytes(1, name.encode()) for name in inputs) + b"".join(encode_bytes(2, name.encode()) for name in outputs)
    return names + (op.wire or operator(op.op_type, op.domain, op.attributes))


def operator(op_type: str, domain: str, attributes: Mapping[str, Attribute]) -> bytes:
    """The operator fields of a NodeProto; attributes that hold tensors or graphs are left out."""
    out = encode_bytes(4, _text(op_type))
    for name, value in attributes.items():
        encoded = _attribute(value)
        if encoded is not None:
            out += encode_bytes(5, encode_bytes(1, _text(name)) + encoded)
    return out + (encode_bytes(7, _text(domain)) if domain else b"")


def _text(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")  # as the file holds it, which need not be UTF-8


def _attribute(value: Attribute) -> bytes | None:
    if isinstance(value, int):
        return encode_int(3, value) + encode_int(20, _INT)
    if isinstance(value, float):
        return _float(2, value) + encode_int(20, _FLOAT)
    if isinstance(value, bytes):
        return encode_bytes(4, value) + encode_int(20, _STRING)
    if type(value) is not tuple:
        return None
    if all(isinstance(item, int) for item in value):
        return b"".join(encode_int(8, item) for item in value if isinstance(item, int)) + encode_int(20, _INTS)
    if all(isinstance(item, float) for item in value):
        return b"".join(_float(7, item) for item in value if isinstance(item, float)) + encode_int(20, _FLOATS)
    if all(isinstance(item, bytes) for item in value):
        return b"".join(encode_bytes(9, item) for item in value if isinstance(item, bytes)) + encode_int(20, _STRINGS)
    return None


def _float(number: int, value: float) -> bytes:
    return encode_varint(number << 3 | FIXED32) + struct.pack("<f", value)


@lru_cache(4096)
def tensor_type(found: TensorType) -> bytes:
    """TypeProto of a tensor; dimensions that are not known are left open."""
    out = encode_int(1, DTYPE_CODES.get(found.dtype, 0))
    if found.shape is not None:
        out += encode_bytes(2, b"".join(encode_bytes(1, _dim(dim)) for dim in found.shape))
    return encode_bytes(1, out)


def _dim(dim: int | str | None) -> bytes:
    if isinstance(dim, int):
        return encode_int(1, dim)
    return encode_bytes(2, dim.encode("utf-8", "replace")) if dim else b""


def tensor(dtype: str, shape: Sequence[int], items: Sequence[Scalar]) -> bytes | None:
    """TensorProto of a small constant; ``None`` for element types that never carry a shape."""
    head = b"".join(encode_int(1, dim) for dim in shape) + encode_int(2, DTYPE_CODES[dtype])
    if dtype == "int64":
        return head + encode_bytes(9, struct.pack(f"<{len(items)}q", *items))
    if dtype == "int32":
        return head + encode_bytes(9, struct.pack(f"<{len(items)}i", *items))
    if dtype == "float32":
        return head + encode_bytes(9, struct.pack(f"<{len(items)}f", *items))
    if dtype == "bool":
        return head + encode_bytes(9, bytes(bool(item) for item in items))
    return None
